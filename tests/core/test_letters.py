"""Letters without a mail server lie in a closed file, and nothing of them is in a log."""

from __future__ import annotations

import mailbox
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage, send_mail

from core import mail

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def outbox(settings: Any, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "core.mail.ClosedFileBackend"
    settings.DATA_DIR = tmp_path / "var"
    return tmp_path / "var" / "letters" / "outbox.mbox"


def test_letters_are_kept_for_their_owner_alone(outbox: Path, capfd: Any, caplog: Any) -> None:
    before = os.umask(0)
    try:
        send_mail("Your invitation", "https://pacs.example/join/secret-token\nFrom here on", None, ["ada@example.org"])
        send_mail("Second", "Ärztin, 影像", None, ["grace@example.org"])
    finally:
        os.umask(before)
    first, second = mailbox.mbox(outbox)
    assert first["To"] == "ada@example.org"
    assert "secret-token\n>From here on" in first.get_payload()
    assert "Ärztin, 影像" in second.get_payload(decode=True).decode()
    assert stat.S_IMODE(outbox.stat().st_mode) == 0o600
    assert stat.S_IMODE(outbox.parent.stat().st_mode) == 0o700
    said = "".join(capfd.readouterr()) + caplog.text
    for word in ("secret-token", "ada@example.org", "invitation"):
        assert word not in said


def test_file_does_not_grow_for_ever(outbox: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(mail, "LARGEST_BYTES", 2000)
    for number in range(20):
        EmailMessage(f"Number {number}", "x" * 500, None, ["ada@example.org"]).send()
    assert outbox.with_name(mail.OLDER).stat().st_size < 4000
    assert "Number 19" in outbox.read_text() + outbox.with_name(mail.OLDER).read_text()
    assert sorted(path.name for path in outbox.parent.iterdir()) == ["outbox.mbox", "outbox.mbox.1"]


def test_several_processes_write_whole_letters(outbox: Path) -> None:
    program = (
        "import django; django.setup()\n"
        "from django.core.mail import send_mail\n"
        "for number in range(20): send_mail('One', 'x' * 3000, None, ['ada@example.org'])"
    )
    environment = {
        "PATH": os.environ["PATH"], "PACSWEB_DATA": str(outbox.parents[1]),
        "DJANGO_SETTINGS_MODULE": "pacsweb.settings.development",
    }  # fmt: skip
    writers = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        for _number in range(2)
    ]
    for writer in writers:
        _out, said = writer.communicate(timeout=60)
        assert writer.returncode == 0, said
        assert b"ada@example.org" not in said
    assert len([letter for letter in mailbox.mbox(outbox) if len(letter.get_payload()) >= 3000]) == 40


def test_disk_that_takes_no_letter_is_an_error(outbox: Path, monkeypatch: Any) -> None:
    def full(_letter: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mail, "_append", full)
    with pytest.raises(OSError, match="No space"):
        send_mail("One", "x", None, ["ada@example.org"])
    assert send_mail("One", "x", None, ["ada@example.org"], fail_silently=True) == 0
