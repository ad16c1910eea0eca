"""What a phantom is: people, visits, studies of encoded files, and the truth that was built into them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: Every identifier of the demo content derives from this name, so that building it twice gives the same objects.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pacsweb.org/demo-phantoms/1")


def uid(*parts: object) -> str:
    """Return the UUID-derived UID (PS3.5 B.2) that belongs to a path of names."""
    return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, parts))).int}"


def seed_of(*parts: object) -> int:
    """Return a 64-bit seed that belongs to a path of names."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


@dataclass(frozen=True)
class Person:
    """An invented patient. ``name`` is a DICOM PN value, with its ideographic and phonetic groups where it has them."""

    patient_id: str
    name: str
    birth_date: str
    sex: str
    character_set: str = "ISO_IR 192"
    issuer: str = "DEMO HOSPITAL"
    height_m: float = 1.72
    weight_kg: float = 74.0
    comments: str = ""
    #: Goes by a code and never had another name: such images may go to archives of de-identified images.
    is_pseudonym: bool = False


#: Stands in when nobody cares whose study it is (unit tests, measuring phantoms).
PHANTOM = Person("PHANTOM-0001", "Phantom^Known Truth", "19700101", "O", "ISO_IR 100", "PHANTOM", 1.75, 75.0)


@dataclass(frozen=True)
class Visit:
    """One examination: who, when, why. ``key`` names it and decides its UIDs."""

    key: str
    person: Person = PHANTOM
    date: str = "20250310"
    time: str = "093000"
    accession: str = "A0000001"
    referring: str = "Phantom^Referrer"
    institution: str = "Demo Hospital"
    indication: str = ""
    description: str = ""

    @property
    def study_uid(self) -> str:
        return uid(self.key, "study")

    @property
    def age(self) -> str:
        """Return the patient's age at the visit as a DICOM AS value."""
        born, seen = self.person.birth_date, self.date
        years = int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:])
        if years >= 2:
            return f"{years:03d}Y"
        months = (int(seen[:4]) - int(born[:4])) * 12 + int(seen[4:6]) - int(born[4:6]) - (seen[6:] < born[6:])
        return f"{months:03d}M"


@dataclass(frozen=True)
class Lesion:
    """The truth about one finding.

    centre_px: (column, row) of the centre in the image named by ``sop_instance_uid``, counted from 0 at the centre of
        the first pixel; centre_mm: the same point in the patient system (LPS), or None where an image has none;
    radius_px / radius_mm: radius of the circle that encloses the finding in that image;
    outline_px: a closed polygon (column, row) for findings that are no circle;
    extent: every SOP Instance UID on which the finding can be seen.
    """

    label: str
    kind: str
    sop_instance_uid: str
    series_instance_uid: str
    centre_px: tuple[float, float]
    radius_px: float
    radius_mm: float
    centre_mm: tuple[float, float, float] | None = None
    frame: int = 1
    value: float | None = None
    outline_px: tuple[tuple[float, float], ...] = ()
    extent: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhantomInstance:
    """One encoded DICOM file."""

    sop_instance_uid: str
    number: int
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class PhantomSeries:
    series_instance_uid: str
    number: int
    modality: str
    description: str
    instances: tuple[PhantomInstance, ...]


@dataclass(frozen=True)
class PhantomStudy:
    """Everything one examination made, as files, with its truth."""

    visit: Visit
    series: tuple[PhantomSeries, ...]
    lesions: tuple[Lesion, ...] = ()

    @property
    def study_instance_uid(self) -> str:
        return self.visit.study_uid

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield relative file names and contents, in acquisition order."""
        for series in self.series:
            for instance in series.instances:
                yield (
                    f"{self.visit.key}/{series.number:03d}-{series.modality}/{instance.number:04d}.dcm",
                    instance.content,
                )

    @property
    def size(self) -> int:
        return sum(len(content) for _, content in self.files())

    def digest(self) -> str:
        """Return the SHA-256 over all files in order."""
        total = hashlib.sha256()
        for _, content in self.files():
            total.update(content)
        return total.hexdigest()

    def write(self, folder: Path) -> list[Path]:
        """Write the files below ``folder`` and return their paths."""
        paths = []
        for name, content in self.files():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            paths.append(path)
        return paths
