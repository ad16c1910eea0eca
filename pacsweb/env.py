"""The one reader of the process environment.

Every variable PACSWeb knows stands in `VARIABLES` with its type, default and meaning; docs/operations.md is checked
against that table. A `PACSWEB_…` name that is not in it stops the start, naming the closest right one, so a typing
error never becomes a silently ignored setting. Any variable may come from a file: `NAME_FILE=/run/secrets/name`.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit.domain.keys import AuditKey
from core import storage_address

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "PACSWEB_"
FILE_SUFFIX = "_FILE"
MINIMUM_SECRET_LENGTH = 50

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class SettingError(Exception):
    """A missing, malformed or contradictory setting; the message is one sentence for the person who starts PACSWeb."""


def _text(raw: str) -> str:
    return raw


def _integer(raw: str) -> int:
    if not re.fullmatch(r"-?\d+", raw):
        raise ValueError("a whole number")
    return int(raw)


def _whole(raw: str) -> int:
    number = _integer(raw)
    if number < 0:
        raise ValueError("a whole number from 0")
    return number


def _positive(raw: str) -> int:
    number = _integer(raw)
    if number < 1:
        raise ValueError("a whole number of at least 1")
    return number


def _port(raw: str) -> int:
    number = _integer(raw)
    if not 1 <= number <= 65535:
        raise ValueError("a port number from 1 to 65535")
    return number


def _switch(raw: str) -> bool:
    word = raw.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError("yes or no")


def _demo(raw: str) -> str:
    """The size of the demo content; empty for none."""
    if raw.strip().lower() == "small":
        return "small"
    try:
        return "full" if _switch(raw) else ""
    except ValueError:
        raise ValueError("yes, small or no") from None


def _path(raw: str) -> Path:
    return Path(raw).expanduser().absolute()


def _audit_key(raw: str) -> str:
    try:
        AuditKey.read(raw)
    except ValueError:
        raise ValueError("32 bytes in base64") from None
    return raw


def _audit_keys(raw: str) -> tuple[str, ...]:
    return tuple(_audit_key(part) for part in raw.replace(",", " ").split())


def _storage(raw: str) -> str:
    storage_address.parse(raw)
    return raw


def _words(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _name_servers(raw: str) -> tuple[str, ...]:
    for server in _words(raw):
        parts = urlsplit(f"//{server}")
        try:
            ipaddress.ip_address(parts.hostname or "")
            _port = parts.port
        except ValueError:
            raise ValueError("IP addresses of name servers, with commas between them") from None
    return _words(raw)


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if raw not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return raw

    return read


def _url(*schemes: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if urlsplit(raw).scheme not in schemes:
            raise ValueError("an address that starts with " + " or ".join(f"{scheme}://" for scheme in schemes))
        return raw

    return read


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One name in the environment, how to read it, and what it means."""

    name: str
    read: Callable[[str], Any]
    default: Any = None
    default_text: str = ""
    meaning: str
    secret: bool = False

    @property
    def shown_default(self) -> str:
        if self.default_text:
            return self.default_text
        if self.default is None:
            return "none"
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        return str(self.default)


VARIABLES: tuple[Variable, ...] = (
    Variable(
        name="DATABASE_URL",
        read=_url("postgres", "postgresql"),
        secret=True,
        default_text="the embedded PostgreSQL",
        meaning="PostgreSQL to use, `postgresql://user:password@host:port/name`. Given: none is started here.",
    ),
    Variable(
        name="PACSWEB_DATABASE_ADMIN_URL",
        read=_url("postgres", "postgresql"),
        secret=True,
        meaning="For `migrate` alone: the same database as a superuser, who hands the audit trail to a role of its own.",
    ),
    Variable(
        name="REDIS_URL",
        read=_url("redis", "rediss"),
        secret=True,
        default_text="the embedded Valkey",
        meaning="Redis or Valkey to use, `redis://:password@host:port/0`. Given: none is started here.",
    ),
    Variable(
        name="PACSWEB_SECRET_KEY",
        read=_text,
        secret=True,
        default_text="made once in the data folder; none in production",
        meaning="Signs sessions and tokens; at least 50 characters. Changing it signs everybody out.",
    ),
    Variable(
        name="PACSWEB_AUDIT_KEY",
        read=_audit_key,
        secret=True,
        default_text="made once in the data folder; none in production",
        meaning="Stamps audit events and signs their heads: 32 random bytes in base64 (`openssl rand -base64 32`). Keep it.",
    ),
    Variable(
        name="PACSWEB_AUDIT_KEY_PREVIOUS",
        read=_audit_keys,
        secret=True,
        default_text="none, or kept in the data folder",
        meaning="Audit keys that were replaced, the newest first, separated by spaces or commas: they check, and sign nothing.",
    ),
    Variable(
        name="PACSWEB_AUDIT_HEADS",
        read=_path,
        default_text="`audit/heads.jsonl` in the data folder; none in production",
        meaning="The file that each seal of the audit trail adds a signed line to; every worker must reach the same one.",
    ),
    Variable(
        name="PACSWEB_STORAGE_URL",
        read=_storage,
        default_text="`files/` in the data folder",
        meaning="Where images are kept: `file:///path` or `s3://bucket/prefix`, see below.",
    ),
    Variable(
        name="PACSWEB_DATA",
        read=_path,
        default=ROOT / "var",
        default_text="`var/`",
        meaning="The data folder: database, images, logs, state. Nothing is written outside it.",
    ),
    Variable(
        name="PACSWEB_BIND",
        read=_text,
        default="127.0.0.1",
        meaning="The address every port listens on; `0.0.0.0` opens them to the network.",
    ),
    Variable(name="PACSWEB_HTTP_PORT", read=_port, default=8000, meaning="HTTP: pages, API, DICOMweb."),
    Variable(name="PACSWEB_DICOM_PORT", read=_port, default=11112, meaning="DICOM listener."),
    Variable(name="PACSWEB_DICOM_PROCESSES", read=_positive, default=2, meaning="Processes of the DICOM listener."),
    Variable(name="PACSWEB_DICOM_TLS_PORT", read=_port, default=2762, meaning="DICOM listener with TLS."),
    Variable(
        name="PACSWEB_DICOM_TLS_CERTIFICATE",
        read=_path,
        meaning="Certificate chain (PEM) of the TLS listener; without it the TLS port stays closed.",
    ),
    Variable(name="PACSWEB_DICOM_TLS_KEY", read=_path, meaning="Private key (PEM) of the TLS listener."),
    Variable(
        name="PACSWEB_DICOM_TLS_AUTHORITIES",
        read=_path,
        meaning="Certificates (PEM) that peers must be signed by; without it peers need no certificate.",
    ),
    Variable(name="PACSWEB_HL7_PORT", read=_port, default=2575, meaning="HL7 MLLP listener."),
    Variable(
        name="PACSWEB_PUBLIC_URL",
        read=_url("http", "https"),
        default_text="`http://127.0.0.1:<HTTP port>`",
        meaning="The address people type; required in production, where it must be https.",
    ),
    Variable(
        name="PACSWEB_ALLOWED_HOSTS",
        read=_words,
        default=(),
        default_text="the host of the public address",
        meaning="Further host names the web server answers to, with commas.",
    ),
    Variable(
        name="PACSWEB_EMAIL_URL",
        read=_url("console", "file", "smtp", "smtps"),
        default="console:",
        secret=True,
        meaning=(
            "Where mail goes: `smtp://user:password@host:587` (STARTTLS; `?tls=no` without), `smtps://…`, "
            "`file:///folder`, or `console:` (no server: letters are kept in `letters/outbox.mbox` of the data folder, "
            "which its owner alone can read)."
        ),
    ),
    Variable(
        name="PACSWEB_EMAIL_FROM",
        read=_text,
        default_text="`PACSWeb <no-reply@` and the host of the public address `>`",
        meaning="Sender of the mail.",
    ),
    Variable(
        name="PACSWEB_BREACHED_PASSWORDS",
        read=_path,
        meaning=(
            "File of SHA-1 hashes of stolen passwords in order (Have I Been Pwned's download); they are refused as new ones."
        ),
    ),
    Variable(
        name="PACSWEB_SIGN_ON_LOOPBACK",
        read=_switch,
        default=False,
        meaning="Single sign-on may reach providers and directories on this machine, and without https; for trying out.",
    ),
    Variable(
        name="PACSWEB_DNS_SERVERS",
        read=_name_servers,
        default=(),
        default_text="those of the system",
        meaning="Name servers to ask for the records that prove e-mail domains, with commas: `192.0.2.53,[2001:db8::53]:53`.",
    ),
    Variable(
        name="PACSWEB_TRUSTED_PROXY",
        read=_switch,
        default=False,
        meaning="A reverse proxy in front sets X-Forwarded-Proto and X-Forwarded-For, and strips them first.",
    ),
    Variable(
        name="PACSWEB_METRICS_TOKEN",
        read=_text,
        secret=True,
        meaning="Bearer token that may read /metrics from elsewhere; without it only this machine may.",
    ),
    Variable(
        name="PACSWEB_LOG_FORMAT", read=_one_of("json", "console"), default="json", meaning="Form of the log lines."
    ),
    Variable(
        name="PACSWEB_LOG_LEVEL",
        read=_one_of("debug", "info", "warning", "error"),
        default="info",
        meaning="Least important log line that is written.",
    ),
    Variable(name="PACSWEB_DEBUG", read=_switch, default=False, meaning="Django's debug pages; refused in production."),
    Variable(
        name="PACSWEB_TIME_ZONE",
        read=_text,
        default="UTC",
        meaning="Time zone of people and organisations that have not chosen one.",
    ),
    Variable(name="PACSWEB_WEB_WORKERS", read=_positive, default=2, meaning="Web server processes."),
    Variable(
        name="PACSWEB_WEB_THREADS",
        read=_positive,
        default=8,
        meaning="Requests that each web process works on at a time.",
    ),
    Variable(
        name="PACSWEB_IMAGE_MEMORY",
        read=_whole,
        default=0,
        meaning="MiB that images take at the same time in each process that decodes or draws them; 0: a quarter of the "
        "machine's memory, at least 2048.",
    ),
    Variable(
        name="PACSWEB_INGEST_WORKERS",
        read=_positive,
        default=1,
        meaning="Processes for the queue `ingest` (short tasks, many).",
    ),
    Variable(name="PACSWEB_DEFAULT_WORKERS", read=_positive, default=1, meaning="Processes for the queue `default`."),
    Variable(
        name="PACSWEB_HEAVY_WORKERS",
        read=_positive,
        default=1,
        meaning="Processes for the queue `heavy` (transcoding, export).",
    ),
    Variable(
        name="PACSWEB_DEMO",
        read=_demo,
        default="full",
        default_text="yes",
        meaning="Load the demo content at the first start of an empty data folder: `yes`, `small` (coarse images, in "
        "less than half the time) or `no`; off in production.",
    ),
    Variable(
        name="PACSWEB_POSTGRES_BIN",
        read=_path,
        default_text="the wheel's, else an installed PostgreSQL ≥ 15",
        meaning="Folder with `initdb` and `postgres` for the embedded database.",
    ),
    Variable(
        name="PACSWEB_TEST_DATA",
        read=_path,
        default_text="a new temporary folder",
        meaning="Tests only: keeps the test PostgreSQL between runs.",
    ),
)
BY_NAME: Mapping[str, Variable] = {variable.name: variable for variable in VARIABLES}


class Environment:
    """Typed access to the variables; made once a process, at the start of the settings."""

    def __init__(self, *, environ: Mapping[str, str] | None = None) -> None:
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._refuse_unknown_names()

    def _refuse_unknown_names(self) -> None:
        for name in sorted(self._environ):
            if not name.startswith(PREFIX):
                continue
            if name in BY_NAME or name.removesuffix(FILE_SUFFIX) in BY_NAME:
                continue
            closest = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0.0)[0]
            raise SettingError(f"{name} is not a setting of PACSWeb; did you mean {closest}?")

    def given(self, name: str) -> bool:
        """Is the variable set to something, directly or by a file?"""
        return self._raw(BY_NAME[name]) is not None

    def get(self, name: str) -> Any:
        """The typed value, or the default when the variable is not set or empty."""
        variable = BY_NAME[name]
        raw = self._raw(variable)
        if raw is None:
            return variable.default
        try:
            return variable.read(raw)
        except ValueError as error:
            shown = "has a value that" if variable.secret else f"is {raw!r}, which"
            raise SettingError(f"{name} {shown} is not {error}.") from None

    def require(self, name: str) -> Any:
        """The typed value; a clear error when it is missing."""
        if not self.given(name):
            raise SettingError(f"{name} is not set; it has no default here. {BY_NAME[name].meaning}")
        return self.get(name)

    def secret_key(self) -> str:
        key: str = self.require("PACSWEB_SECRET_KEY")
        if len(key) < MINIMUM_SECRET_LENGTH or len(set(key)) < 5:
            raise SettingError(
                f"PACSWEB_SECRET_KEY is too weak: it needs at least {MINIMUM_SECRET_LENGTH} characters, made at random."
            )
        return key

    def _raw(self, variable: Variable) -> str | None:
        direct = self._environ.get(variable.name) or None
        file_name = variable.name + FILE_SUFFIX
        path = self._environ.get(file_name) or None
        if direct is not None and path is not None:
            raise SettingError(f"{variable.name} and {file_name} are both set; keep one of them.")
        if path is None:
            return direct
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingError(f"{file_name} names {path}, which cannot be read: {reason}.") from None
