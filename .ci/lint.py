"""Every check that needs no running PACSWeb: `make lint`. All of them run, then the failures are told again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pacsweb.launcher import front_end  # noqa: E402 -- the path comes first

PYTHON = sys.executable
BIN = Path(PYTHON).parent


def steps() -> list[tuple[str, list[str], Path]]:
    return [
        ("style", [str(BIN / "ruff"), "check", "."], ROOT),
        ("form", [str(BIN / "ruff"), "format", "--check", "--quiet", "."], ROOT),
        ("types", [str(BIN / "mypy")], ROOT),
        ("floors", [str(BIN / "lint-imports"), "--no-logo"], ROOT),
        ("own rules", [PYTHON, ".ci/rules.py"], ROOT),
        ("requirements", [PYTHON, ".ci/declared.py"], ROOT),
        ("templates", [str(BIN / "djlint"), "templates", "--lint", "--quiet"], ROOT),
        ("settings", [PYTHON, "manage.py", "check"], ROOT),
        ("migrations", [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"], ROOT),
        ("TypeScript types", ["npm", "run", "--silent", "check"], ROOT / "static"),
        ("TypeScript style", ["npm", "run", "--silent", "lint"], ROOT / "static"),
        ("licences", [PYTHON, ".ci/licences.py"], ROOT),
    ]


def main() -> int:
    wanted = set(sys.argv[1:])
    environment = front_end.node_environment()
    front_end.install_packages(environment=environment)
    environment = {**environment, "PACSWEB_DATA": str(ROOT / "var"), "NO_COLOR": "1"}
    failed: list[str] = []
    for name, command, folder in steps():
        if wanted and name not in wanted:
            continue
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        verdict = "ok" if done.returncode == 0 else "FAILED"
        print(f"{name:<18} {verdict:<7} {time.monotonic() - started:5.1f} s", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout[-int(os.environ.get("LINT_CHARACTERS", "12000")) :], flush=True)
    print(f"lint: {'failed: ' + ', '.join(failed) if failed else 'all checks passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
