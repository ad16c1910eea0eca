"""One instance from source to checked output: screen → transform → write → verify. Held back unless all agree."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from typing import BinaryIO

from pydicom.dataset import Dataset

from deid.domain import (
    binaries,
    contents,
    engine,
    files,
    identifiers,
    screening,
    screening_pixels,
    statement,
    tables,
    verify,
)
from deid.domain.changes import Change, Record
from deid.domain.findings import RELEASABLE, Finding, Reason, Severity, Verdict, verdict_of
from deid.domain.identifiers import Identifiers
from deid.domain.plan import Plan
from deid.domain.profile import Option, Profile
from deid.domain.pseudonyms import Subject
from deid.domain.uids import UidMapper


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is the same for all instances of a run.

    `known` is what the archive knows of the patient beside the file, `scratch` a folder for what is too large for
    memory (the system's own when none is given).
    """

    profile: Profile
    subject: Subject
    uids: UidMapper
    known: Identifiers = field(default_factory=Identifiers)
    scratch: str | None = None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of an instance. `sop_instance_uid` and `digest` are of the output, empty when it was held back."""

    verdict: Verdict
    findings: list[Finding]
    record: Record
    sop_instance_uid: str = ""
    digest: bytes = b""
    residue_paths: tuple[str, ...] = ()
    # The kind of error of an object that could not be processed.
    error: str = ""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(finding.reason for finding in self.findings)


def process(
    *, source: BinaryIO, target: BinaryIO, settings: Settings, released: frozenset[Reason] = frozenset()
) -> Outcome:
    """De-identify the file `source` into `target` (empty, readable and writable).

    `released` are reasons that a person who looked at the picture put aside: they warn instead of holding back.
    `target` is to be thrown away when the verdict is `HELD_BACK`: it may hold a part of the output.
    """
    try:
        opened = files.open_source(source, scratch=settings.scratch)
    except files.Unreadable:
        return _held(Reason.UNREADABLE)
    findings = screening.screen(opened.dataset, transfer_syntax=opened.transfer_syntax)
    findings += screening_pixels.screen(opened)
    findings += contents.screen(opened.dataset)
    findings = [_released(finding) if finding.reason in released else finding for finding in findings]
    if verdict_of(findings) is Verdict.HELD_BACK:
        return Outcome(verdict=Verdict.HELD_BACK, findings=findings, record=Record())
    try:
        sought = sought_identifiers(opened.dataset, settings=settings)
        spelling = sorted({*binaries.suspicious(opened.dataset, identifiers=sought), *tables.spelling(opened.dataset)})
        if spelling:
            findings.append(Finding(reason=Reason.TEXT_IN_BINARY, severity=Severity.HOLD_BACK))
            return Outcome(verdict=Verdict.HELD_BACK, findings=findings, record=Record(), residue_paths=tuple(spelling))
        record, left = _transform(opened, target=target, settings=settings, sought=sought)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 -- one malformed object is held back; it does not stop the others
        held = _held(Reason.NOT_PROCESSED)
        held.error = type(error).__name__
        return held
    if left:
        findings.append(Finding(reason=Reason.RESIDUE, severity=Severity.HOLD_BACK))
        return Outcome(
            verdict=Verdict.HELD_BACK,
            findings=findings,
            record=Record(),
            residue_paths=tuple(sorted({f"{residue.path} ({residue.kind})" for residue in left})),
        )
    return Outcome(
        verdict=verdict_of(findings),
        findings=findings,
        record=record,
        sop_instance_uid=str(opened.dataset.SOPInstanceUID),
        digest=digest_of(target),
    )


def _transform(
    opened: files.Source, *, target: BinaryIO, settings: Settings, sought: Identifiers
) -> tuple[Record, list[verify.Residue]]:
    """De-identify what was opened into `target`, and say what was done and what is left."""
    source_dates = verify.dates_of(opened.dataset)
    record = engine.deidentify(opened.dataset, plan=_plan(settings, sought))
    files.write(dataset=opened.dataset, source=opened, target=target, scratch=settings.scratch)
    left = verify.residues(
        target,
        identifiers=sought,
        profile=settings.profile,
        source_dates=source_dates,
        own=statement.own_words(opened.dataset),
        scratch=settings.scratch,
    )
    return record, left


def differences(*, source: BinaryIO, settings: Settings) -> list[Change]:
    """What `process` does to each element, with the values before and after. Nothing is written."""
    opened = files.open_source(source, scratch=settings.scratch)
    sought = sought_identifiers(opened.dataset, settings=settings)
    record = engine.deidentify(opened.dataset, plan=_plan(settings, sought), record=Record(keeps_changes=True))
    return sorted(record.changes, key=lambda change: change.path.count("."))


def sought_identifiers(dataset: Dataset, *, settings: Settings) -> Identifiers:
    """What to look for in the output: all that the file and the archive know, less what an option keeps on purpose."""
    gathered = copy.deepcopy(settings.known)
    gathered.merge(identifiers.gather(dataset))
    kept = []
    if settings.profile.has(Option.RETAIN_INSTITUTION_IDENTITY):
        kept.append(identifiers.INSTITUTION)
    if settings.profile.has(Option.RETAIN_DEVICE_IDENTITY):
        kept.append(identifiers.DEVICE)
    if settings.profile.has(Option.RETAIN_UIDS):
        kept.append(identifiers.UID)
    return gathered.without(kept) if kept else gathered


def digest_of(stream: BinaryIO) -> bytes:
    stream.seek(0)
    digest = hashlib.sha256()
    while chunk := stream.read(files.CHUNK):
        digest.update(chunk)
    return digest.digest()


def _plan(settings: Settings, sought: Identifiers) -> Plan:
    return Plan(profile=settings.profile, subject=settings.subject, uids=settings.uids, identifiers=sought)


def _released(finding: Finding) -> Finding:
    is_releasable = finding.reason in RELEASABLE
    return Finding(reason=finding.reason, severity=Severity.WARNING) if is_releasable else finding


def _held(reason: Reason) -> Outcome:
    return Outcome(
        verdict=Verdict.HELD_BACK,
        findings=[Finding(reason=reason, severity=Severity.HOLD_BACK)],
        record=Record(),
    )
