"""The matrix as text: what each role gets from each method of each route.

One block a route: its name, then a line a method, `get  200 manager reader; 403 *`, where `*` stands for all roles not
named. A method that is not listed gives everybody 403, 404 or 405.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.matrix.world import ROLES

FILE = Path(__file__).with_name("expected.txt")
REFUSED = frozenset({403, 404, 405})

Statuses = Mapping[str, int]
Block = Mapping[str, Statuses]


def read() -> dict[str, str]:
    """Route → its lines as they stand in the file."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            lines = found.setdefault(line.strip(), [])
        else:
            lines.append(" ".join(line.split()))
    return {route: "\n".join(lines) for route, lines in found.items()}


def write_block(block: Block) -> str:
    """The lines of one route for what was found; refusals of everybody are left out."""
    return "\n".join(
        f"{method} {_line(statuses)}" for method, statuses in block.items() if not set(statuses.values()) <= REFUSED
    )


def _line(statuses: Statuses) -> str:
    by_status: dict[int, list[str]] = {}
    for role in ROLES:
        if role in statuses:
            by_status.setdefault(statuses[role], []).append(role)
    if len(by_status) == 1:
        return f"{next(iter(by_status))} *"
    # The refused, else the most, are the rest.
    rest = max(by_status, key=lambda status: (status in REFUSED, len(by_status[status])))
    named = [f"{status} {' '.join(by_status[status])}" for status in sorted(by_status) if status != rest]
    return "; ".join([*named, f"{rest} *"])


def as_file(blocks: Iterable[tuple[str, str]]) -> str:
    """Blocks in the form of the file, to be read line by line before they go there."""
    return "\n".join(
        "\n".join([route, *(f"    {line}" for line in lines.splitlines())]) for route, lines in sorted(blocks)
    )
