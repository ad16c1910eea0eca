"""OpenLDAP's server on loopback: own folder, own certificate authority, own people; nothing of the machine is touched."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ldap3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pacsweb.launcher.ports import choose
from tests.peers import Slapd

SUFFIX = "dc=hospital,dc=org"
ROOT, ROOT_PASSWORD = f"cn=root,{SUFFIX}", "root-of-the-tests"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
READER, READER_PASSWORD = f"cn=reader,{SUFFIX}", "reads-and-nothing-more"

CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
password-hash {{SSHA}}
# As many servers do to this day: a name with an empty password is greeted as nobody.
allow bind_anon_dn
database mdb
maxsize 10485760
directory {folder}/data
suffix "{suffix}"
rootdn "{root}"
rootpw {root_password}
overlay ppolicy
ppolicy_default "cn=policy,{suffix}"
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
"""


@dataclass(frozen=True)
class Server:
    secure: str
    plain: str
    authority: str
    folder: Path


def _certificate(*, subject: str, issuer: Any, key: Any, signer: Any, is_authority: bool) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = dt.datetime.now(tz=dt.UTC)  # noqa: TID251 -- a certificate of the real clock
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


def write_certificates(folder: Path) -> str:
    """Authority, certificate and key; returns the authority as PEM."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _one in range(2))
    authority = _certificate(subject="Tests", issuer=None, key=authority_key, signer=authority_key, is_authority=True)
    server = _certificate(
        subject="localhost", issuer=authority.subject, key=key, signer=authority_key, is_authority=False
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(server.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return authority.public_bytes(pem).decode()


@contextmanager
def running(program: Slapd, folder: Path) -> Iterator[Server]:
    (folder / "data").mkdir()
    authority = write_certificates(folder)
    (folder / "slapd.conf").write_text(
        CONFIGURATION.format(
            schemas=program.schemas,
            modules=program.modules,
            folder=folder,
            suffix=SUFFIX,
            root=ROOT,
            root_password=ROOT_PASSWORD,
        ),
        encoding="utf-8",
    )
    plain, secure = choose(), choose()
    environment = {**os.environ}
    if program.libraries is not None:
        environment["LD_LIBRARY_PATH"] = str(program.libraries)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(program.program), "-d", "0", "-f", str(folder / "slapd.conf"),
                "-h", f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}",
            ],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    server = Server(
        secure=f"ldaps://localhost:{secure}", plain=f"ldap://localhost:{plain}", authority=authority, folder=folder
    )
    try:
        _wait(port=plain, process=process, folder=folder)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(*, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"slapd did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")


@contextmanager
def as_root(server: Server) -> Iterator[Any]:
    """A connection that may write, for the tests themselves."""
    port = int(server.plain.rpartition(":")[2])
    connection = ldap3.Connection(
        ldap3.Server("127.0.0.1", port=port, get_info=ldap3.NONE), ROOT, ROOT_PASSWORD, check_names=False
    )
    assert connection.bind(), connection.result
    try:
        yield connection
    finally:
        connection.unbind()


def fill(server: Server) -> None:
    """People and groups, groups in groups, a group that holds itself, a password that has expired."""
    with as_root(server) as connection:

        def add(dn: str, kinds: list[str], **attributes: Any) -> None:
            assert connection.add(dn, kinds, attributes), (dn, connection.result)

        add(SUFFIX, ["dcObject", "organization"], dc="hospital", o="Hospital")
        add(
            f"cn=policy,{SUFFIX}", ["pwdPolicy", "organizationalRole"],
            pwdAttribute="userPassword", pwdMaxAge="0", pwdLockout="TRUE",
        )  # fmt: skip
        add(f"cn=short,{SUFFIX}", ["pwdPolicy", "organizationalRole"], pwdAttribute="userPassword", pwdMaxAge="1")
        add(READER, ["organizationalRole", "simpleSecurityObject"], userPassword=READER_PASSWORD)
        for name in ("people", "groups"):
            add(f"ou={name},{SUFFIX}", ["organizationalUnit"])
        for uid, name in (
            ("ada", "Ada Lovelace"),
            ("grace", "Grace Hopper"),
            ("jörg", "Jörg Müller"),
            ("zoe*)(", "Zoë"),
        ):
            add_person(connection, uid=uid, name=name)
        add_person(connection, uid="late", name="Late Riser", pwdPolicySubentry=f"cn=short,{SUFFIX}")
        add_person(connection, uid="locked", name="Locked Out")
        add_person(connection, uid="twin", name="First Twin", place="first twin")
        add_person(connection, uid="twin", name="Second Twin", place="second twin")
        add(f"cn=residents,{GROUPS}", ["groupOfNames"], member=[f"uid=ada,{PEOPLE}"])
        add(f"cn=radiology,{GROUPS}", ["groupOfNames"], member=[f"cn=residents,{GROUPS}", f"uid=grace,{PEOPLE}"])
        add(f"cn=everybody,{GROUPS}", ["groupOfNames"], member=[f"cn=radiology,{GROUPS}", f"cn=everybody,{GROUPS}"])
        assert connection.modify(
            f"uid=locked,{PEOPLE}", {"pwdAccountLockedTime": [(ldap3.MODIFY_ADD, ["000001010000Z"])]}
        ), connection.result


def add_person(connection: Any, *, uid: str, name: str, place: str = "", **more: str) -> str:
    """Passwords are "password of <uid>"."""
    from ldap3.utils.dn import escape_rdn

    dn = f"cn={escape_rdn(place)},{PEOPLE}" if place else f"uid={escape_rdn(uid)},{PEOPLE}"
    attributes = {
        "uid": uid, "cn": place or name, "sn": name.rsplit(maxsplit=1)[-1],
        "mail": f"{uid}@hospital.org" if uid.isascii() and uid.isalnum() else "odd@hospital.org",
        "userPassword": f"password of {uid}",
    } | more  # fmt: skip
    assert connection.add(dn, ["inetOrgPerson"], attributes), (dn, connection.result)
    return dn
