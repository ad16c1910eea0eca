"""Every icon named in a template exists."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from core import icons

NAMED = re.compile(r"""(?:\bicon(?:_end)?=["']|{% icon ["'])([a-z0-9-]+)["']""")


def test_every_icon_named_in_a_template_is_drawn() -> None:
    known = icons.names()
    assert known, "The front end is not built: run `npm run build` in static/."
    strange = {
        f"{path.name}: {name}"
        for path in (Path(settings.BASE_DIR) / "templates").rglob("*.html")
        for name in NAMED.findall(path.read_text(encoding="utf-8"))
        if name not in known
    }
    assert strange == set()
