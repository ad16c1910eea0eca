"""Run every test: one pytest process an app, two at a time, so that no app's servers or browsers reach another's tests.

The database is made once; each app's tests get a copy.

What fails is tried once more by itself when the rest is done: browsers and associations depend on a machine that has
time for them. A test that needed its second try is named at the end. Arguments are handed to each pytest, e.g. `-m e2e`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The longest first, so that the two ends meet.
LONGEST = ("e2e", "matrix", "roof", "viewer", "practice", "archive", "access", "look", "trials")
LEFT_OUT = {"bench"}
AT_ONCE = 2
COUNTED = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed)")
NO_TESTS = 5


@dataclass(frozen=True)
class Result:
    group: str
    code: int
    output: str
    seconds: float

    @property
    def counts(self) -> Counter[str]:
        lines = [line for line in self.output.splitlines() if COUNTED.search(line) and " in " in line]
        found = COUNTED.findall(lines[-1]) if lines else []
        return Counter({word.rstrip("s") if word.startswith("error") else word: int(n) for n, word in found})


def groups() -> list[str]:
    named = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")} - LEFT_OUT
    return [name for name in LONGEST if name in named] + sorted(named - set(LONGEST))


def make_services(folder: Path) -> Path:
    """A PostgreSQL with the migrated database and a Valkey, at rest."""
    subprocess.run([sys.executable, "-m", "tests.services", str(folder)], cwd=ROOT, check=True)
    return folder


def run(*, group: str, folder: Path, services: Path, again: bool = False) -> Result:
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"tests/{group}",
        "-q",
        "--reuse-db",
        "--durations=6",
        "--durations-min=5",
        "-o",
        f"cache_dir={folder / group}",
    ]
    if again:
        command += ["--last-failed", "--last-failed-no-failures", "none"]
    own = folder / f"{group}-services"
    # Copied with its owners: PostgreSQL does not run as root, and takes only a folder of its own.
    subprocess.run(["cp", "-a", str(services), str(own)], check=True)
    began = time.monotonic()
    done = subprocess.run(
        [*command, *sys.argv[1:]],
        cwd=ROOT,
        env={**os.environ, "PACSWEB_TEST_DATA": str(own)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        errors="replace",
    )
    shutil.rmtree(own)
    result = Result(group=group, code=done.returncode, output=done.stdout, seconds=time.monotonic() - began)
    print(f"=== tests/{group}{' (second try)' if again else ''}, {result.seconds:.0f} s\n{done.stdout}", flush=True)
    return result


def failures(result: Result) -> list[str]:
    return [line.split(" - ")[0] for line in result.output.splitlines() if line.startswith(("FAILED ", "ERROR tests"))]


def main() -> int:
    total: Counter[str] = Counter()
    repeated: list[str] = []
    is_good = True
    with tempfile.TemporaryDirectory(prefix="pacsweb-run-") as folder:
        place = Path(folder)
        services = make_services(place / "services")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            first = list(pool.map(lambda group: run(group=group, folder=place, services=services), groups()))
        for result in first:
            counts = result.counts
            if result.code not in (0, NO_TESTS):
                second = run(group=result.group, folder=place, services=services, again=True)
                repeated += failures(result)
                counts["failed"] = counts["error"] = 0
                counts += second.counts
                is_good &= second.code == 0
            total += counts
    for name in repeated:
        print(f"needed a second try: {name}")
    failed = total["failed"] + total["error"]
    print(f"{total['passed']} passed, {failed} failed, {total['skipped']} skipped")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
