"""What became of a received file, and the reasons it can be refused for."""

from __future__ import annotations

from dataclasses import dataclass

from archive.domain.screening import NOT_OF_A_RUN, SCREENING_CODES

STORED, DUPLICATE, REPLACED, REFUSED, SKIPPED = "stored", "duplicate", "replaced", "refused", "skipped"


# PS3.4 B.2.3 and PS3.18 10.5: A7xx out of resources, A9xx mismatch, Cxxx cannot understand.
DICOM_STATUS = {
    "out-of-space": 0xA700,
    "uid-missing": 0xA900,
    "uid-invalid": 0xA900,
    "sop-class-missing": 0xA900,
    "identity-mismatch": 0xA900,
    "command-mismatch": 0xA900,
    "study-mismatch": 0xA900,
    "other-content": 0xA901,
    "instance-elsewhere": 0xA902,
    "series-elsewhere": 0xA903,
    "patient-mismatch": 0xA904,
    "dicomdir": 0x0122,
    "companion": 0x0122,
    "outcome-unknown": 0x0110,
    # PS3.7 C.5.12: the archive's policy does not let the sender store this object there.
    **dict.fromkeys((*SCREENING_CODES, NOT_OF_A_RUN), 0x0124),
}

#: Left out without being put into quarantine: nothing that anybody would have to decide on.
NEVER_KEPT = frozenset({"dicomdir", "companion", NOT_OF_A_RUN})


CANNOT_UNDERSTAND = 0xC000


REASONS = {
    "outcome-unknown": "Another process took the file, and it is not in the archive under its name: send it again.",
    "identity-mismatch": "The SOP Instance UID it was sent under is not the one in its data set.",
    "other-content": "Another content is already stored under this SOP Instance UID; this archive keeps the first.",
    "instance-elsewhere": "This SOP Instance UID is already stored in another study or series.",
    "series-elsewhere": "This Series Instance UID already belongs to another study.",
    "patient-mismatch": "The study is already stored under another Patient ID.",
    "dicomdir": "A DICOMDIR is the table of contents of a disc; its images are taken, not it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one received file. `name` is the spool's, `original_name` the sender's."""

    name: str
    status: str
    original_name: str = ""
    code: str = ""
    reason: str = ""
    dicom_status: int = 0
    sop_class_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    size_bytes: int = 0
    # Codes of `archive.domain.pixel_notes`: stored, with a fault.
    notes: tuple[str, ...] = ()

    @property
    def is_success(self) -> bool:
        return self.status in (STORED, DUPLICATE, REPLACED, SKIPPED)

    @property
    def is_stored(self) -> bool:
        """Whether the archive holds the instance now."""
        return self.status in (STORED, DUPLICATE, REPLACED)
