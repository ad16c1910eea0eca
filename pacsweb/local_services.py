"""Where the services of one data folder are found: written by the launcher, read by the settings.

It lets `manage.py …` typed in another terminal reach the database that `make up` started.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LocalServices:
    """Addresses with their passwords; the file is readable by its owner only."""

    database_url: str
    redis_url: str

    @staticmethod
    def path(*, data: Path) -> Path:
        return data / "run" / "services.json"

    @classmethod
    def read(cls, *, data: Path) -> LocalServices | None:
        """The services last started in this folder, or None when there were none (or it is not ours to read)."""
        try:
            found = json.loads(cls.path(data=data).read_text(encoding="utf-8"))
            return cls(database_url=str(found["database_url"]), redis_url=str(found["redis_url"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, *, data: Path) -> None:
        write_private(path=self.path(data=data), text=json.dumps(asdict(self), indent=1))


def secret_key_path(*, data: Path) -> Path:
    return data / "secrets" / "secret-key"


def read_secret_key(*, data: Path) -> str | None:
    try:
        return secret_key_path(data=data).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def audit_key_path(*, data: Path) -> Path:
    return data / "secrets" / "audit-key"


def read_audit_key(*, data: Path) -> str:
    """Empty where there is none: nothing can be recorded then."""
    try:
        return audit_key_path(data=data).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def ensure_audit_key(*, data: Path) -> None:
    """Made at random the first time; from then on only `manage.py rotate_audit_key` replaces it."""
    if not read_audit_key(data=data):
        write_private(
            path=audit_key_path(data=data), text=base64.b64encode(secrets.token_bytes(32)).decode("ascii") + "\n"
        )


def ensure_secret(*, path: Path) -> str:
    """The secret kept in this file, made at random the first time."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        secret = secrets.token_urlsafe(64)
        write_private(path=path, text=secret + "\n")
        return secret


def write_private(*, path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only, and on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
