"""Numbers of the patient that stand as the value of a numeric element (DS, IS, US, FD …).

A number is told by its figures, however it is written: 120463, 120463.0, 1.20463E5. So that measured values stay, it takes
five figures (`SHORTEST_NUMBER`), eight where a decimal point is among them, and seven where it is part of a longer number.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from pydicom.dataset import Dataset

from deid.domain import moments
from deid.domain.elements import has_pixels
from deid.domain.identifiers import BIRTH_DATE, SHORTEST_NUMBER, Identifiers
from deid.domain.words import words

SHORTEST_JOINED: Final = 6
SHORTEST_PART: Final = 7
SHORTEST_FRACTION: Final = 8
#: Longer lists are coordinates and tables, in which figures come together by chance.
LONGEST_LIST: Final = 8
_SHORT_DATE, _LONG_DATE = 6, 8
#: What the pixel data was measured against (`deid.domain.screening_pixels`, as descriptors in `deid.domain.tables`): it cannot
#: say anything else, and the image is nothing without it.
_DESCRIBES_PIXELS: Final = words("Rows Columns NumberOfFrames")


def is_of_the_image(dataset: Dataset, *, keyword: str, path: str) -> bool:
    """Whether a number describes the pixels at the top of an image, or a table beside it: it is true of them and of nobody."""
    if keyword.endswith(("LUTDescriptor", "LookupTableDescriptor")):
        return keyword.replace("Descriptor", "Data") in dataset
    return not path and keyword in _DESCRIBES_PIXELS and has_pixels(dataset)


def hits(values: list[str], *, identifiers: Identifiers) -> list[str | None]:
    """The kind of identifier that each value is; all of them, where they spell one together."""
    is_list = len(values) > LONGEST_LIST
    found = [_find(value, identifiers=identifiers, has_fractions=not is_list) for value in values]
    if len(values) > 1 and not is_list and not any(found):
        together = _find_joined(values, identifiers=identifiers)
        return [together] * len(values)
    return found


def is_whole_date(value: str) -> bool:
    """Whether eight figures are a date with its full year, in any order."""
    number = _number(value)
    figure = str(abs(int(number))) if number is not None and number == number.to_integral_value() else ""
    return len(figure) in (7, 8) and moments.tells(figure.zfill(8))


def _number(value: str) -> Decimal | None:
    if sum(character.isdigit() for character in value) < SHORTEST_NUMBER and "e" not in value.lower():
        return None
    try:
        number = Decimal(value.strip(" \0"))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**18 else None


def _find(value: str, *, identifiers: Identifiers, has_fractions: bool) -> str | None:
    number = _number(value)
    if number is None or not identifiers.numbers:
        return None
    if number == number.to_integral_value():
        figure = str(abs(int(number)))
        found = identifiers.numbers.get(figure)
        if found is not None or len(figure) <= SHORTEST_PART:
            return found
        longer = (
            kind for known, kind in identifiers.numbers.items() if len(known) >= SHORTEST_PART and known in figure
        )
        return next(longer, None)
    if not has_fractions:
        return None
    figures = "".join(map(str, number.as_tuple().digits)).strip("0")
    fractions = (
        kind
        for known, kind in identifiers.numbers.items()
        if len(known) >= SHORTEST_FRACTION and known.rstrip("0") == figures
    )
    return next(fractions, None)


def _find_joined(values: list[str], *, identifiers: Identifiers) -> str | None:
    """A number in parts (1204\\63), or a day of birth as year, month and day."""
    parts = [value.strip(" \0").removesuffix(".0") for value in values]
    if not all(part.isdecimal() for part in parts):
        return None
    joined = "".join(parts).lstrip("0")
    if len(joined) >= SHORTEST_JOINED and joined in identifiers.numbers:
        return identifiers.numbers[joined]
    is_date = len(parts) == 3 and any(len(part) == 4 for part in parts)
    return BIRTH_DATE if is_date and identifiers.dates & moments.of(" ".join(parts)) else None


def is_known(digits: str, *, identifiers: Identifiers) -> bool:
    """Whether a run of figures is a known number, zeros before it put aside, or a day of birth in six figures."""
    if digits.lstrip("0") in identifiers.numbers:
        return True
    return len(digits) == _SHORT_DATE and bool(identifiers.dates & moments.of(digits))


def is_known_in_parts(digits: str, *, identifiers: Identifiers) -> bool:
    """Whether a time and its fraction hold a number that is longer than either, or a day of birth in eight figures."""
    if len(digits) <= _SHORT_DATE:
        return False
    if any(len(known) > _SHORT_DATE and known in digits for known in identifiers.numbers):
        return True
    starts = range(len(digits) - _LONG_DATE + 1)
    return any(identifiers.dates & moments.of(digits[start : start + _LONG_DATE]) for start in starts)
