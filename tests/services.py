"""A real PostgreSQL and a real Valkey for the whole run: a pytest plugin (`-p tests.services` in pyproject.toml), since
pytest-django reads the settings, and with them the addresses of these services, before any conftest.py is imported.

`PACSWEB_TEST_DATA=/some/folder` keeps them (and, with `--reuse-db`, the migrated database) between runs. As a program
(`python -m tests.services /some/folder`) it makes such a folder: tests/run.py gives each group of tests a copy of one.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path


def _start_services() -> Path:
    from audit.ownership import open_for_migrations
    from pacsweb.launcher.ports import choose
    from pacsweb.launcher.postgres import APPLICATION_USER, SUPERUSER, Postgres
    from pacsweb.launcher.processes import RunAs, start
    from pacsweb.launcher.valkey import Valkey

    kept = os.environ.get("PACSWEB_TEST_DATA")
    folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="pacsweb-tests-"))
    folder.mkdir(parents=True, exist_ok=True)

    postgres = Postgres.at(folder=folder / "postgres", secrets=folder / "secrets", port=choose())
    postgres.initialise()
    postgres.programs.prepare()
    valkey = Valkey.at(folder=folder / "valkey", secrets=folder / "secrets", port=choose())
    valkey.prepare(durable=False)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    with (folder / "services.log").open("ab") as log:
        database = start(
            command=postgres.command(durable=False), environment=environment, run_as=postgres.run_as, output=log.fileno(),
            cwd=Path("/"), death_signal=signal.SIGINT, keep=postgres.keep,
        )  # fmt: skip
        broker = start(
            command=valkey.command(), environment=environment, run_as=RunAs.myself(), output=log.fileno(), cwd=folder
        )

    @atexit.register
    def stop() -> None:
        for process, number in ((broker, signal.SIGTERM), (database, signal.SIGINT)):
            process.send_signal(number)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        postgres.programs.remove()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)

    postgres.wait(is_alive=lambda: database.poll() is None)
    valkey.wait(is_alive=lambda: broker.poll() is None)
    postgres.ensure_database(may_create_databases=True)
    with postgres.connect_as_superuser(database="postgres") as superuser, superuser.cursor() as cursor:
        # A kept database may have migrations to come; `django_db_setup` hands the trail over afterwards.
        open_for_migrations(cursor, role=APPLICATION_USER)

    os.environ["DATABASE_URL"] = postgres.url
    # tests/superuser.py
    os.environ["TEST_SUPERUSER_URL"] = (
        f"postgresql://{SUPERUSER}:{postgres.superuser_password}@127.0.0.1:{postgres.port}"
    )
    os.environ["REDIS_URL"] = valkey.url
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    os.environ["PACSWEB_DATA"] = str(data)
    return folder


def _is_xdist_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _make_database() -> None:
    """The migrated database that tests with `--reuse-db` take over."""
    import django
    from django.test.utils import setup_databases

    django.setup()
    setup_databases(verbosity=0, interactive=False, keepdb=True)


if __name__ == "__main__":
    os.environ["PACSWEB_TEST_DATA"] = sys.argv[1]

if not _is_xdist_worker():
    for _name in [name for name in os.environ if name.startswith("PACSWEB_") and name != "PACSWEB_TEST_DATA"]:
        del os.environ[_name]
    os.environ["DJANGO_SETTINGS_MODULE"] = "pacsweb.settings.test"
    _start_services()

if __name__ == "__main__":
    _make_database()
