"""Letters of an installation without a mail server: kept in one closed file, never in a log.

A letter may carry an invitation or the way to a new password. A process's log is read by others, shipped and kept; the
file `letters/outbox.mbox` of the data folder is its owner's alone (mode 0600), and a mail program opens it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

logger = structlog.get_logger(__name__)

LARGEST_BYTES = 10 << 20
FOLDER, FILE, OLDER = "letters", "outbox.mbox", "outbox.mbox.1"


def outbox() -> Path:
    return Path(settings.DATA_DIR) / FOLDER / FILE


class ClosedFileBackend(BaseEmailBackend):
    """Appends letters as an mbox (RFC 4155). At 10 MB the file becomes `outbox.mbox.1`, and the one before it goes."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """How many letters were kept. Raises `OSError` when the file cannot be written, unless told to fail silently."""
        try:
            for message in email_messages:
                _append(_as_mbox(message))
        except OSError:
            if not self.fail_silently:
                raise
            return 0
        # That there is one, not what it says or to whom.
        logger.info("letters_kept", count=len(email_messages), file=f"{FOLDER}/{FILE}")
        return len(email_messages)


def _as_mbox(message: EmailMessage) -> bytes:
    lines = message.message().as_bytes().splitlines()
    quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
    head = f"From PACSWeb {formatdate()}".encode("ascii")
    return b"\n".join([head, *quoted, b"", b""])


def _append(letter: bytes) -> None:
    path = outbox()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.fchmod(file.fileno(), 0o600)
        file.write(letter)
        file.flush()
        if file.tell() > LARGEST_BYTES and path.exists() and path.samefile(f"/proc/self/fd/{file.fileno()}"):
            path.replace(path.with_name(OLDER))
