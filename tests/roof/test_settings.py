"""Settings are read by fresh processes, as they are at a real start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-for-this-test-only-0123456789-abcdefghijklmnopqrstuvwxyz"
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "pacsweb.settings.production",
    "DATABASE_URL": "postgresql://pacsweb:x@127.0.0.1:1/pacsweb",
    "REDIS_URL": "redis://:x@127.0.0.1:1/0",
    "PACSWEB_STORAGE_URL": "file:///srv/pacsweb",
    "PACSWEB_PUBLIC_URL": "https://pacs.example.org",
    "PACSWEB_SECRET_KEY": SECRET,
    "PACSWEB_AUDIT_KEY": "c29tZXRoaW5nIGZvciB0aGlzIHRlc3QgYWxvbmUhISE=",
    "PACSWEB_AUDIT_HEADS": "/srv/pacsweb/audit/heads.jsonl",
}


def manage(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_passes_the_deployment_check() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", environment=PRODUCTION)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "missing",
    [
        "PACSWEB_SECRET_KEY",
        "DATABASE_URL",
        "REDIS_URL",
        "PACSWEB_STORAGE_URL",
        "PACSWEB_PUBLIC_URL",
        "PACSWEB_AUDIT_KEY",
        "PACSWEB_AUDIT_HEADS",
    ],
)
def test_production_does_not_start_without(missing: str) -> None:
    done = manage("check", environment={name: value for name, value in PRODUCTION.items() if name != missing})
    assert done.returncode != 0
    assert f"{missing} is not set" in done.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"PACSWEB_PUBLIC_URL": "http://pacs.example.org"}, "must start with https://"),
        ({"PACSWEB_DEBUG": "yes"}, "production never shows debug pages"),
        ({"PACSWEB_SECRET_KEY": "short"}, "too weak"),
        ({"PACSWEB_DICOM_TLS_KEY": "/etc/key.pem"}, "belong together"),
        ({"PACSWEB_AUDIT_KEY": "short"}, "PACSWEB_AUDIT_KEY has a value that is not 32 bytes in base64"),
        ({"PACSWEB_DICOMPORT": "104"}, "did you mean PACSWEB_DICOM_PORT"),
    ],
)
def test_contradiction_stops_the_start_with_one_sentence(change: dict[str, str], sentence: str) -> None:
    done = manage("check", environment={**PRODUCTION, **change})
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_development_needs_nothing_for_commands_without_data(tmp_path: Path) -> None:
    done = manage("check", environment={"PACSWEB_DATA": str(tmp_path)})
    assert done.returncode == 0, done.stderr


def test_every_task_ends_before_the_broker_gives_it_out_again() -> None:
    from django.conf import settings

    from pacsweb.celery import app

    app.loader.import_default_modules()
    limit = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert ours
    for name, task in ours.items():
        assert (task.time_limit or settings.CELERY_TASK_TIME_LIMIT) < limit, name
        assert task.acks_late, name
        assert task.queue in ("ingest", "default", "heavy"), name


def test_scheduled_tasks_exist() -> None:
    from django.conf import settings

    from pacsweb.celery import app

    app.loader.import_default_modules()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks


def test_api_schema_is_complete(tmp_path: Path) -> None:
    done = manage(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"),
        environment={"PACSWEB_DATA": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
