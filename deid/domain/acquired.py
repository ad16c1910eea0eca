"""Whether an image of a scanner's class shows that the scanner acquired it.

CT, MR, PET and nuclear medicine classes are also used by workstations for what they captured from a screen. Nothing
forbids a sender that, so the class proves nothing: the image has to show what a capture does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset

from deid.domain.elements import terms_of
from deid.domain.words import words

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
SCANNER_CLASSES: Final = frozenset(_STORAGE + end for end in words("2 2.1 2.2 4 4.1 4.4 20 128 128.1 130"))

# PS3.3 C.8.6.1 SC Equipment and the retired Hardcopy Equipment: what captured, printed or digitised the image, and when.
_CAPTURE_DEVICE: Final = (*range(0x00181010, 0x0018101C), 0x00181022, 0x00181023)

# Where the position of an image stands: at the top, in functional groups, in the detector's item (PS3.3 C.8.4.11).
_PLACES: Final = words(
    """
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PlanePositionSequence PlaneOrientationSequence
    DetectorInformationSequence
    """
)


def was_captured(dataset: Dataset) -> bool:
    """Whether a device that captures, digitises or prints is named. The elements count even when they are empty: in an
    image of an examination they have no place."""
    return any(tag in dataset for tag in _CAPTURE_DEVICE)


def is_shown(dataset: Dataset) -> bool:
    """Image Type (0008,0008) of the scanner, and more than the 8 bits of a screen.

    An image derived from others (C.7.6.1.1.2) must also say where in the patient it lies; so must `MIXED` frames.
    """
    image_type = terms_of(dataset, "ImageType")
    pixels, examination = (*image_type, "", "")[:2]
    if examination != "PRIMARY" or not _is_deep(dataset):
        return False
    return pixels == "ORIGINAL" or (pixels in ("DERIVED", "MIXED") and _has_geometry(dataset))


def _is_deep(dataset: Dataset) -> bool:
    allocated, stored = terms_of(dataset, "BitsAllocated"), terms_of(dataset, "BitsStored")
    return all(len(bits) == 1 and bits[0].isdecimal() and int(bits[0]) > 8 for bits in (allocated, stored or allocated))


def _has_geometry(dataset: Dataset) -> bool:
    return all(
        any(len(terms_of(place, keyword)) == number for place in _places(dataset))
        for keyword, number in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6))
    )


def _places(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for keyword in _PLACES:
        if keyword not in dataset:
            continue
        try:
            items = list(dataset[keyword].value or ())
        except Exception:  # noqa: BLE001, S112 -- the engine removes a value that cannot be read
            continue
        for item in items:
            if isinstance(item, Dataset):
                yield from _places(item)
