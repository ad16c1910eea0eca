"""What every serving process asks before it serves."""

from __future__ import annotations

import sys
from typing import NoReturn


def refuse_without_walls() -> None:
    """End the process with a sentence when rows of one organisation could be seen from another."""
    from django.db import DatabaseError, connections

    from core.wall import WallDown, require_walls

    try:
        require_walls(connections["default"])
    except WallDown as error:
        _end(str(error))
    except DatabaseError as error:
        _end(f"Whether the wall between organisations stands cannot be asked, so nothing is started: {error}")
    finally:
        # A connection that is open here would be shared by every process forked from this one.
        connections.close_all()


def _end(sentence: str) -> NoReturn:
    # Written here: not every server that loads the application shows what an exit says.
    sys.stderr.write(f"pacsweb: {sentence}\n")
    sys.stderr.flush()
    raise SystemExit(1)
