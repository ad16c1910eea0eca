"""The project's own rules, which no linter knows. Each names what to use instead."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = (
    "access", "archive", "audit", "core", "deid", "dicomweb", "dimse", "pacsweb", "practice", "teaching", "trials",
    "viewer",
)  # fmt: skip
LONGEST_FILE = 600
LONG_FILES = {Path("pacsweb/demo/phantoms/chest_ct.py"): "one phantom: mostly the table of its anatomy"}
HTTP_CALLS = {"get", "post", "put", "patch", "delete", "head", "request", "urlopen"}
HTTP_LIBRARIES = {"requests", "httpx", "urllib3"}
TASK_DECORATOR_HOME = Path("core/tasks.py")


def problems(*, path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(ROOT)
    tree = ast.parse(text)
    lines = text.count("\n")
    if lines > LONGEST_FILE and relative not in LONG_FILES:
        yield f"{relative}:1: {lines} lines; make it a folder of named parts"
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        for message in _of_node(node=node, relative=relative):
            yield f"{relative}:{line}: {message}"


def _of_node(*, node: ast.AST, relative: Path) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from _of_call(node=node, relative=relative)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_service(relative=relative):
        positional = [
            argument.arg
            for argument in (*node.args.posonlyargs, *node.args.args)
            if argument.arg not in ("self", "cls")
        ]
        if not node.name.startswith("_") and len(positional) > 1 and not node.decorator_list:
            yield f"{node.name}() takes {len(positional)} arguments by position; make them keyword-only (put * first)"
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        yield "bare except; name the error"


def _of_call(*, node: ast.Call, relative: Path) -> Iterator[str]:
    name = ast.unparse(node.func)
    keywords = {keyword.arg for keyword in node.keywords}
    library, _dot, function = name.rpartition(".")
    if library.split(".")[0] in HTTP_LIBRARIES and function in HTTP_CALLS and "timeout" not in keywords:
        yield f"{name}() without a timeout; give timeout="
    if function == "urlopen" and "timeout" not in keywords:
        yield f"{name}() without a timeout; give timeout="
    if function in ("delay", "apply_async", "send_task") and relative != TASK_DECORATOR_HOME:
        yield f"{name}() enqueues before the transaction commits; use the task's .enqueue(...)"
    if relative.name in ("views.py", "api.py") and name.endswith(".objects.all"):
        yield f"{name}() in a door; use a query of queries.py, which filters by access"
    if name == "print" and "management" not in relative.parts and relative.parts[:2] != ("pacsweb", "launcher"):
        yield "print(); use structlog.get_logger(__name__)"


def _is_service(*, relative: Path) -> bool:
    return relative.name == "services.py" or "services" in relative.parts


def main() -> int:
    found = [
        problem
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts
        for problem in problems(path=path)
    ]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
