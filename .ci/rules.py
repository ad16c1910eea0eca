"""The project's own rules, which no linter knows. Each names what to use instead."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 600
LONG_FILES = {Path("pacsweb/demo/phantoms/chest_ct.py"): "one phantom: mostly the table of its anatomy"}
HTTP_CALLS = {"get", "post", "put", "patch", "delete", "head", "request", "urlopen"}
HTTP_LIBRARIES = {"requests", "httpx", "urllib3"}
# What opens a connection and waits for ever unless it is told how long, with the names of the argument that tells.
CONNECTIONS = {
    "urlopen": {"timeout"},
    "create_connection": {"timeout"},
    "HTTPConnection": {"timeout"},
    "HTTPSConnection": {"timeout"},
    "SMTP": {"timeout"},
    "SMTP_SSL": {"timeout"},
    "PoolManager": {"timeout"},
    "ProxyManager": {"timeout"},
    "HTTPConnectionPool": {"timeout"},
    "HTTPSConnectionPool": {"timeout"},
    "ldap3.Server": {"connect_timeout"},
    "httpx.Client": {"timeout"},
    "httpx.AsyncClient": {"timeout"},
}
DOORS = {"views", "api", "views.py", "api.py"}
# They take all rows and give back those that may be seen.
ACCESS_FILTERS = {"visible_to", "visible_within", "seen_within", "get_visible"}
TASK_DECORATOR_HOME = Path("core/tasks.py")


def problems(*, path: Path, root: Path = ROOT) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(root)
    tree = ast.parse(text)
    lines = text.count("\n")
    if lines > LONGEST_FILE and relative not in LONG_FILES:
        yield f"{relative}:1: {lines} lines; make it a folder of named parts"
    filtered = set(_arguments_of_access_filters(tree))
    for node in ast.walk(tree):
        if id(node) in filtered:
            continue
        line = getattr(node, "lineno", 1)
        for message in _of_node(node=node, relative=relative):
            yield f"{relative}:{line}: {message}"


def _arguments_of_access_filters(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ACCESS_FILTERS:
            yield from (id(argument) for argument in node.args)


def _of_node(*, node: ast.AST, relative: Path) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from _of_call(node=node, relative=relative)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_service(relative=relative):
        positional = [
            argument.arg
            for argument in (*node.args.posonlyargs, *node.args.args)
            if argument.arg not in ("self", "cls")
        ]
        if not node.name.startswith("_") and len(positional) > 1:
            yield f"{node.name}() takes {len(positional)} arguments by position; make them keyword-only (put * first)"
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        yield "bare except; name the error"


def _of_call(*, node: ast.Call, relative: Path) -> Iterator[str]:
    name = ast.unparse(node.func)
    keywords = {keyword.arg for keyword in node.keywords}
    library, _dot, function = name.rpartition(".")
    if library.split(".")[0] in HTTP_LIBRARIES and function in HTTP_CALLS and "timeout" not in keywords:
        yield f"{name}() without a timeout; give timeout="
    wanted = CONNECTIONS.get(function) or CONNECTIONS.get(name) or set()
    if wanted and not wanted & keywords:
        yield f"{name}() without a timeout; give {min(wanted)}="
    if function in ("delay", "apply_async", "send_task") and relative != TASK_DECORATOR_HOME:
        yield f"{name}() enqueues before the transaction commits; use the task's .enqueue(...)"
    if DOORS & set(relative.parts) and name.endswith((".objects.all", "._default_manager.all", "_base_manager.all")):
        yield f"{name}() in a door; use a query of queries.py, which filters by access"
    if name == "print" and "management" not in relative.parts and relative.parts[:2] != ("pacsweb", "launcher"):
        yield "print(); use structlog.get_logger(__name__)"


def _is_service(*, relative: Path) -> bool:
    return relative.name == "services.py" or "services" in relative.parts


def apps(*, root: Path = ROOT) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/apps.py"))


def main(*, root: Path = ROOT) -> int:
    found = [
        problem
        for app in apps(root=root)
        for path in sorted((root / app).rglob("*.py"))
        if "migrations" not in path.parts
        for problem in problems(path=path, root=root)
    ]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
