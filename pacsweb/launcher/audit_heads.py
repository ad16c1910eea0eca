"""The signed heads of the audit trail in a backup: they are copied after the database, so they may be ahead of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg

from audit.domain import heads
from pacsweb.local_services import write_private

TOPS = "SELECT organisation_id, max(sequence) FROM public.audit_chainlink GROUP BY 1"


def copy(*, source: Path, target: Path) -> None:
    """The file as it is now; nothing where there is none yet."""
    if source.is_file():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source, target / source.name)
        (target / source.name).chmod(0o600)


def bring_back(*, source: Path, target: Path, database: psycopg.Connection) -> int:
    """Write those heads whose links the restored database has; returns how many newer ones were left in the backup.

    Sealers work one after another, so what a dump holds is what the first lines say.
    """
    if not source.is_file():
        return 0
    tops: dict[int | None, int] = dict(database.execute(TOPS).fetchall())
    lines = source.read_bytes().splitlines(keepends=True)
    kept = 0
    for line in lines:
        head = heads.parse(line.rstrip(b"\n"))
        if head is not None and head.sequence > tops.get(head.organisation, 0):
            break
        kept += 1
    write_private(path=target, text=b"".join(lines[:kept]).decode("utf-8", errors="surrogateescape"))
    return len(lines) - kept
