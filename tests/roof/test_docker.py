"""What can be known of the image and the compose file without a Docker daemon."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pacsweb.env import BY_NAME, ROOT

COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
ROLES = {"web", "dicom", "worker", "beat", "migrate", "manage"}


def test_entrypoint_knows_every_role_of_the_compose_file() -> None:
    script = (ROOT / "docker" / "entrypoint").read_text(encoding="utf-8")
    for role in ROLES:
        assert re.search(rf"^{role}\)$", script, re.MULTILINE), role
    ours = [service for service in COMPOSE["services"].values() if service["image"] == "pacsweb"]
    assert {service["command"][0] for service in ours} == ROLES - {"manage"}
    assert {service["command"][1] for service in ours if service["command"][0] == "worker"} == {
        "ingest",
        "default",
        "heavy",
    }


@pytest.mark.parametrize(
    "script", ["docker/entrypoint", "docker/make-secrets", "docker/database-role.sh", "requirements/install"]
)
def test_shell_scripts_parse(script: str) -> None:
    subprocess.run(["sh", "-n", str(ROOT / script)], check=True)


def test_entrypoint_refuses_an_unknown_role(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "docker" / "entrypoint", "webb"], env={"PATH": "/usr/bin:/bin", "PACSWEB_DATA": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 64
    assert "webb is not something this image does" in done.stderr


def test_image_holds_every_app() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    apps = {path.parent.name for path in ROOT.glob("*/apps.py")} | {"pacsweb", "templates"}
    for app in apps:
        assert f"COPY {app} {app}\n" in dockerfile


def test_settings_in_the_examples_exist() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#? ?((?:PACSWEB_|DATABASE_|REDIS_)[A-Z0-9_]+)=", example, re.MULTILINE))
    named |= set(COMPOSE["x-pacsweb"]["environment"])
    assert named
    for name in named:
        assert name.removesuffix("_FILE") in BY_NAME, name


def test_secrets_of_the_compose_file_are_made() -> None:
    script = (ROOT / "docker" / "make-secrets").read_text(encoding="utf-8")
    for name in COMPOSE["secrets"]:
        assert name in script
