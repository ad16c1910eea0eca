"""Is every package that the code imports named in requirements/, with its reason? (One that only comes along may leave.)"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
ALLOWED = {
    "pacsweb/demo": ("base", "demo"),
    "pacsweb/launcher": ("base", "build"),
    "tests": ("base", "build", "demo", "dev"),
}


def declared(*, names: tuple[str, ...]) -> set[str]:
    """Direct requirements of these lists."""
    found = set()
    for name in names:
        for line in (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines():
            match = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)", line)
            if match:
                found.add(normal(match.group(1)))
    return found


def imported(*, path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lists_for(*, relative: str) -> tuple[str, ...]:
    for prefix, names in ALLOWED.items():
        if relative.startswith(prefix):
            return names
    return ("base",)


def main() -> int:
    distributions = importlib.metadata.packages_distributions()
    problems = set()
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            relative = str(path.relative_to(ROOT))
            lists = lists_for(relative=relative)
            known = declared(names=lists)
            for name in imported(path=path) - set(sys.stdlib_module_names) - set(APPS):
                owners = {normal(owner) for owner in distributions.get(name, [])}
                if not owners:
                    problems.add(f"{relative}: {name} is not installed")
                elif not owners & known:
                    problems.add(
                        f"{relative}: {name} ({', '.join(sorted(owners))}) is not in requirements/{lists[-1]}.in"
                    )
    print("\n".join(sorted(problems)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
