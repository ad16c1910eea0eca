"""Each of our own rules is broken by a file here, and says so: a rule that nothing can break is none."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rules, declared, licences = load("rules"), load("declared"), load("licences")


def found(root: Path, place: str, text: str) -> list[str]:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return list(rules.problems(path=path, root=root))


DOORS = [
    "archive/views.py",
    "archive/api.py",
    "archive/views/studies.py",
    "trials/api/sites.py",
    "access/one/views/two/x.py",
]


@pytest.mark.parametrize("place", DOORS)
@pytest.mark.parametrize("call", ["Study.objects.all()", "models.Study.objects.all()", "Study._default_manager.all()"])
def test_all_rows_in_a_door(tmp_path: Path, place: str, call: str) -> None:
    (problem,) = found(tmp_path, place, f"rows = {call}\n")
    assert problem.startswith(f"{place}:1:")
    assert "in a door; use a query of queries.py" in problem


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("archive/queries.py", "rows = Study.objects.all()\n"),
        ("archive/views.py", "row = get_visible(user, Study.objects.all(), VIEW, public_id=1)\n"),
        ("archive/views.py", "rows = Study.objects.filter(archive=archive)\n"),
    ],
)
def test_all_rows_where_they_are_filtered_or_no_door_is(tmp_path: Path, place: str, text: str) -> None:
    assert found(tmp_path, place, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "requests.get(url)", "httpx.post(url)", "urllib3.request('GET', url)", "urllib3.PoolManager()",
        "urllib3.PoolManager(timeout=3).request('GET', url)", "urllib.request.urlopen(url)", "urlopen(url)",
        "http.client.HTTPSConnection(host)", "socket.create_connection(address)", "smtplib.SMTP(host)", "ldap3.Server(host)",
        "httpx.Client()",
    ],
)  # fmt: skip
def test_connection_that_may_wait_for_ever(tmp_path: Path, text: str) -> None:
    assert any("without a timeout" in problem for problem in found(tmp_path, "core/x.py", text + "\n"))


def test_connection_with_an_end(tmp_path: Path) -> None:
    text = "urllib3.PoolManager(timeout=3)\nldap3.Server(host, connect_timeout=3)\nurlopen(url, timeout=3)\n"
    assert found(tmp_path, "core/x.py", text) == []


@pytest.mark.parametrize("method", ["delay", "apply_async", "send_task"])
def test_task_that_is_sent_before_the_commit(tmp_path: Path, method: str) -> None:
    assert "before the transaction commits" in found(tmp_path, "archive/x.py", f"index.{method}(1)\n")[0]
    assert found(tmp_path, "core/tasks.py", f"index.{method}(1)\n") == []


@pytest.mark.parametrize("place", ["archive/services.py", "archive/services/index.py"])
@pytest.mark.parametrize("decorator", ["", "@transaction.atomic\n"])
def test_service_that_takes_arguments_by_position(tmp_path: Path, place: str, decorator: str) -> None:
    assert "keyword-only" in found(tmp_path, place, f"{decorator}def move(study, archive): ...\n")[0]
    assert found(tmp_path, place, f"{decorator}def move(*, study, archive): ...\n") == []
    assert found(tmp_path, place, f"{decorator}def _move(study, archive): ...\n") == []


def test_bare_except_and_print(tmp_path: Path) -> None:
    assert "bare except" in found(tmp_path, "core/x.py", "try: pass\nexcept: pass\n")[0]
    assert "structlog" in found(tmp_path, "core/x.py", "print(1)\n")[0]
    for place in ("core/management/commands/x.py", "pacsweb/launcher/x.py"):
        assert found(tmp_path, place, "print(1)\n") == []


def test_file_that_is_too_long(tmp_path: Path) -> None:
    assert "make it a folder" in found(tmp_path, "core/x.py", "\n" * (rules.LONGEST_FILE + 1))[0]


def test_rules_reach_every_app_and_fail_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for app in ("archive", "brand_new"):
        (tmp_path / app).mkdir()
        (tmp_path / app / "apps.py").touch()
        (tmp_path / app / "x.py").write_text("print(1)\n", encoding="utf-8")
    assert rules.main(root=tmp_path) == 1
    assert [line.split(":")[0] for line in capsys.readouterr().out.split("\n") if line] == [
        "archive/x.py",
        "brand_new/x.py",
    ]
    assert set(rules.apps()) >= {"access", "archive", "pacsweb", "viewer"}


def test_every_app_is_typed_and_has_its_floor() -> None:
    apps = set(rules.apps())
    assert set(PYPROJECT["tool"]["mypy"]["files"]) == {*apps, "tests/bench"}
    linter = PYPROJECT["tool"]["importlinter"]
    assert set(linter["root_packages"]) == apps
    floors = {room.strip() for floor in linter["contracts"][0]["layers"] for room in floor.split("|")}
    assert floors == apps


# Ruff -----------------------------------------------------------------------------------------------------------------


def ruff(text: str, *, place: str = "archive/services/x.py") -> set[str]:
    done = subprocess.run(
        [BIN / "ruff", "check", "--stdin-filename", place, "--output-format", "json", "-"],
        cwd=ROOT, input=text, text=True, capture_output=True, check=False,
    )  # fmt: skip
    return {f"{one['code']} {one['message']}" for one in json.loads(done.stdout)}


@pytest.mark.parametrize("banned", sorted(PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]))
def test_each_banned_name_is_refused_with_what_to_use(banned: str) -> None:
    message = PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"][banned]["msg"]
    module, _dot, name = banned.rpartition(".")
    text = f"from {module} import {name}\n\n{name}()\n" if module else f"import {banned}\n\n{banned}.dumps(1)\n"
    if module in ("datetime.datetime", "datetime.date"):
        text = f"from datetime import {module.split('.')[1]}\n\n{module.split('.')[1]}.{name}()\n"
    assert any(one.startswith("TID251") and message in one for one in ruff(text)), banned


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("S307", "eval(text)\n"),
        ("S102", "exec(text)\n"),
        ("S602", "import subprocess\n\nsubprocess.run(text, shell=True)\n"),
        ("DTZ", "import datetime as dt\n\ndt.datetime.today()\n"),
        ("E722", "try:\n    x = 1\nexcept:\n    x = 2\n"),
        ("BLE001", "try:\n    x = 1\nexcept Exception:\n    x = 2\n"),
        ("S324", "import hashlib\n\nhashlib.md5(b'')\n"),
        ("TID252", "from . import models\n"),
    ],
)
def test_what_is_unsafe_is_refused(code: str, text: str) -> None:
    assert any(one.startswith(code) for one in ruff(text)), ruff(text)


# Floors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "text", "contract"),
    [
        ("core/x.py", "import pacsweb.celery", "Floors"),
        ("archive/x.py", "from viewer import services", "Floors"),
        ("teaching/x.py", "import trials.models", "Floors"),
        ("deid/domain/x.py", "import django", "domain/ is pure"),
        ("practice/domain/x.py", "from redis import Redis", "domain/ is pure"),
        ("pacsweb/launcher/x.py", "import django", "The launcher starts without Django"),
        ("archive/spool/x.py", "import archive.services", "The gate of an archive"),
    ],
)
def test_import_against_the_floors_is_refused(tmp_path: Path, place: str, text: str, contract: str) -> None:
    """Hollow apps with our own contracts and one import that breaks one."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    wanted = ["pacsweb/celery.py", "viewer/services.py", "trials/models.py", "pacsweb/launcher/migrate.py", place]
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    rooms = {room for one in contracts for room in one.get("layers", []) if "." in room}
    wanted += [f"{room.replace('.', '/')}/__init__.py" for room in rooms]
    for file in [*(f"{app}/domain/__init__.py" for app in rules.apps()), *wanted]:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for folder in [path.parent, *path.parent.parents]:
            if folder.is_relative_to(tmp_path) and folder != tmp_path:
                (folder / "__init__.py").touch()
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / place).write_text(text + "\n", encoding="utf-8")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert any(line.startswith(contract) and line.endswith("BROKEN") for line in done.stdout.splitlines()), done.stdout


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "lint-imports", "--no-logo", "--no-cache"], cwd=folder, text=True, capture_output=True, check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
    )  # fmt: skip


# Requirements and licences --------------------------------------------------------------------------------------------


def test_package_that_no_list_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "requirements").mkdir()
    for name in ("base", "build", "demo", "dev"):
        (tmp_path / "requirements" / f"{name}.in").write_text("django  # pages\n", encoding="utf-8")
    (tmp_path / "archive" / "x.py").write_text("import django\nimport redis\nimport nowhere\n", encoding="utf-8")
    monkeypatch.setattr(declared, "ROOT", tmp_path)
    monkeypatch.setattr(declared, "APPS", ["archive"])
    assert declared.main() == 1
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "archive/x.py: nowhere is not installed",
        "archive/x.py: redis (redis) is not in requirements/base.in",
    ]


@pytest.mark.parametrize("expression", ["GPL-3.0", "MIT AND AGPL-3.0", "unknown", "LGPL-2.1 OR SSPL-1.0", ""])
def test_licence_that_is_not_compatible_is_refused(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not licences.compatible(expression)
    packages: dict[str, Any] = dict.fromkeys(licences.EXCEPTIONS, "MIT")
    monkeypatch.setattr(licences, "python_packages", lambda: {**packages, "bad": expression})
    monkeypatch.setattr(licences, "npm_packages", dict)
    assert licences.main() == 1


@pytest.mark.parametrize("expression", ["MIT", "(MIT OR GPL-3.0)", "Apache-2.0 AND BSD-3-Clause"])
def test_licence_that_is_compatible_passes(expression: str) -> None:
    assert licences.compatible(expression)
