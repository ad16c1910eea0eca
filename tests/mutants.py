"""Change the rules one at a time and see whether a test notices: `make mutants ROOM=practice SAMPLE=60`.

Cosmic Ray makes the mutants; each runs the room's tests in a copy of the project, so that the working tree stays as it
is. What survives is printed with its difference. It takes from minutes (pure `domain/`) to hours (rights), and is run by
hand before a change of these rooms is called done; it is no part of the suite.

The same SAMPLE takes the same mutants each time.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = Path(sys.prefix) / "mutants" / "bin"
SEED = 20261130


@dataclass(frozen=True)
class Room:
    """Where mutants are made, and the tests that have to notice them. `is_pure`: no database is needed."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    is_pure: bool = True
    seconds: int = 60


ROOMS = {
    "practice": Room(modules=("practice/domain",), tests=("tests/practice/test_domain.py",)),
    "teaching": Room(modules=("teaching/domain",), tests=("tests/teaching/test_domain.py",)),
    "viewer": Room(modules=("viewer/domain",), tests=("tests/viewer/test_marks.py", "tests/viewer/test_manifest.py")),
    "deid": Room(
        modules=("deid/domain",),
        tests=("tests/deid",),
        is_pure=False,
        seconds=300,
    ),
    "audit": Room(modules=("audit/domain",), tests=("tests/audit",), is_pure=False, seconds=120),
    "dicomweb": Room(
        modules=("dicomweb/domain",),
        # Those that find out soonest come first: the run ends with the first that fails.
        tests=tuple(
            f"tests/dicomweb/test_{name}.py"
            for name in ("search_values", "searching", "retrieving", "storing", "pixels", "own_header", "partial_sight")
        ),
        is_pure=False,
        seconds=300,
    ),
    "access": Room(
        modules=("access/queries.py", "access/rights.py", "access/grant_policy.py"),
        tests=(
            *(f"tests/access/test_{name}.py" for name in ("rights", "roles", "token_reach", "grant_policy")),
            # What upper floors add to the filter, and take away.
            "tests/practice/test_sight.py",
            "tests/trials/test_sight.py",
        ),
        is_pure=False,
        seconds=120,
    ),
}


def main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    sample = int(arguments[1]) if len(arguments) > 1 and arguments[1] else 0
    room = ROOMS.get(name)
    if room is None:
        print(f"ROOM is one of: {', '.join(ROOMS)}", file=sys.stderr)
        return 2
    if not (TOOL / "cosmic-ray").exists():
        install()
    with tempfile.TemporaryDirectory(prefix="pacsweb-mutants-") as folder:
        place = Path(folder)
        place.chmod(0o711)  # PostgreSQL's own user passes through to its data
        copy = copy_project(place / "project")
        session = place / "session.sqlite"
        config = place / "mutants.toml"
        config.write_text(config_of(room, place=place), encoding="utf-8")
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        run = [str(TOOL / "cosmic-ray")]
        subprocess.run([*run, "init", str(config), str(session)], cwd=copy, env=environment, check=True)
        count = keep_sample(session, size=sample)
        print(f"{count} mutants of {', '.join(room.modules)}", flush=True)
        subprocess.run([*run, "baseline", str(config)], cwd=copy, env=environment, check=True)
        subprocess.run([*run, "exec", str(config), str(session)], cwd=copy, env=environment, check=True)
        report = [str(TOOL / "cr-report"), "--show-diff", "--surviving-only", str(session)]
        subprocess.run(report, cwd=copy, env=environment, check=True)
    return 0


def install() -> None:
    """Cosmic Ray in an environment of its own: it is a program, and needs nothing of ours."""
    print("installing Cosmic Ray", flush=True)
    home = TOOL.parent
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    requirements = str(ROOT / "requirements" / "mutants.txt")
    pip = [str(TOOL / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True)


def copy_project(target: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if (ROOT / "static" / "dist").is_dir():
        shutil.copytree(ROOT / "static" / "dist", target / "static" / "dist", dirs_exist_ok=True)
    return target


def config_of(room: Room, *, place: Path) -> str:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    if room.is_pure:
        command += ["-o", "addopts=--import-mode=importlib", "-p", "no:django", "--noconftest"]
    else:
        command = ["env", f"PACSWEB_TEST_DATA={place / 'services'}", *command, "--reuse-db", "-m", "not e2e"]
    words = json.dumps(shlex.join([*command, *room.tests]))  # a JSON string is a TOML string
    modules = json.dumps(list(room.modules))
    return (
        f"[cosmic-ray]\nmodule-path = {modules}\ntimeout = {room.seconds}.0\nexcluded-modules = []\n"
        f'test-command = {words}\n\n[cosmic-ray.distributor]\nname = "local"\n'
    )


def keep_sample(session: Path, *, size: int) -> int:
    """Leave `size` mutants in the session (0: all); returns how many there are."""
    with closing(sqlite3.connect(session)) as database, database:
        jobs = sorted(job for (job,) in database.execute("SELECT job_id FROM mutation_specs"))
        places = database.execute(
            "SELECT job_id FROM mutation_specs ORDER BY module_path, start_pos_row, start_pos_col, operator_name, occurrence"
        )
        ordered = [job for (job,) in places]
        if not 0 < size < len(jobs):
            return len(jobs)
        kept = set(random.Random(SEED).sample(ordered, size))
        for job in set(jobs) - kept:
            database.execute("DELETE FROM mutation_specs WHERE job_id = ?", [job])
            database.execute("DELETE FROM work_items WHERE job_id = ?", [job])
    return size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
