"""`manage.py check`: the audit key is the one of the signed heads. With `--database default`: the application's role can only
add to the trail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections

from audit import heads, ownership
from audit.errors import HeadsForged, KeyChanged, KeyMissing

HOW_TO_HAND_OVER: Final = (
    "Give `migrate` PACSWEB_DATABASE_ADMIN_URL; docs/operations.md, “The owner of the audit trail”."
)


@register(Tags.database)
def check_ownership(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **_options: Any
) -> list[CheckMessage]:
    """A warning for each way. No error: `migrate`, which ends them, asks these checks before it begins."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if connection.vendor != "postgresql":
            continue
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            role = cursor.fetchone()[0]
            found += [
                Warning(one.sentence, hint=HOW_TO_HAND_OVER, obj=one.place, id=f"pacsweb.audit.{one.code}")
                for one in ownership.faults(cursor, role=role)
            ]
    return found


@register()
def check_key(app_configs: Sequence[AppConfig] | None = None, **_options: Any) -> list[CheckMessage]:
    """A warning before anything is stamped with another key than the trail's."""
    try:
        heads.check_key()
    except (HeadsForged, KeyChanged) as error:
        return [Warning(str(error.message), id="pacsweb.audit.key")]
    except (KeyMissing, OSError):
        # Told where the key or the file is needed; whoever checks may not be allowed to read it.
        return []
    return []
