"""`python -m pacsweb.launcher.migrate`: migrations, one process at a time across all machines of an installation.

They run as the application's role. The tables of the audit trail are not its own: with `PACSWEB_DATABASE_ADMIN_URL`, the
address of a superuser, they are opened for as long as this takes and handed over again, else they stay as they are.
"""

from __future__ import annotations

import os
import sys
import zlib

LOCK = zlib.crc32(b"pacsweb migrations")
SCHEMA_IS_NEWER = 3


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacsweb.settings.development")
    import django

    django.setup()
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    from pacsweb.env import ROOT
    from pacsweb.opened_trail import TrailClosed, opened_trail

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        loader = MigrationLoader(connection)
        ours = {config.label for config in apps.get_app_configs() if ROOT in _parents(config.path)}
        unknown = sorted(
            f"{app}.{name}"
            for app, name in loader.applied_migrations
            if app in ours and (app, name) not in loader.disk_migrations
        )
        if unknown:
            print(
                f"The database was last used by a newer PACSWeb (it knows {unknown[-1]}, this one does not); "
                "update PACSWeb, or use another data folder."
            )
            return SCHEMA_IS_NEWER
        try:
            with opened_trail():
                call_command("migrate", interactive=False, verbosity=1)
        except TrailClosed as closed:
            print(closed)
            return 1
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    return 0


def _parents(path: str) -> list[object]:
    from pathlib import Path

    return list(Path(path).resolve().parents)


if __name__ == "__main__":
    sys.exit(main())
