"""What in a data set tells who the patient is, in a form that can be looked for elsewhere.

The names, numbers and places of the source are gathered before it is de-identified. The engine looks for them in text
that the profile keeps; the residue check looks for them in everything that came out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from deid.domain import moments, names, uids
from deid.domain.words import words

# Words that stand in name and number fields without naming anybody.
PLACEHOLDERS: Final = words(
    """
    anon anonym anonymized anonymised anonymous case deidentified dummy empty false male female name nobody noname
    none null other patient phantom removed subject test testing true unknown unnamed volunteer xxx dr prof med mrs
    mister doctor professor van der den von the und and de la le el al di da do du des del dos das des ten ter te st jr sr
    ii iii iv md ms mr dr bin ibn ben abu mc mac zu zur af av na nd rd phd dds
    """
)

# Defined terms and the like: as the value of a code string (CS) they say nothing of a person, even of one called Head.
DEFINED_TERMS: Final = words(
    """
    abdomen absent active adc additive ahead ankle arm average axial bone brain breast chest clavicle closed code
    color contains contrast coronal coded constant cor cross crossed derived diff diffusion dixon dynamic ear elbow
    equal eye face feet female film finger flair foot fov general geometry gradient ground hand head hfs hip hips
    image inverse iso jaw knee label leg lin linear localizer lumbar lut magnitude male manual mask maximum mean
    median mip mixed monochrome mono multi neck negative no none normal oblique open original orbit other over
    panoramic patient perfusion phase pixel plus point pos positive prefix primary prone real reformatted removed
    resampled rgb right left ring sag sagittal scout secondary segment shoulder sigmoid single skull slab slice
    spine spiral standard static sternum stress sum supine swallow thigh thorax tof total toe uniform unknown volume
    water fat wrist yes young dose dual energy lossless lossy magnitude modified paired palette palm prior rest
    """
)

NAME: Final = "name"
PATIENT_ID: Final = "patient-id"
NUMBER: Final = "number"
INSTITUTION: Final = "institution"
ADDRESS: Final = "address"
BIRTH_DATE: Final = "birth-date"
UID: Final = "uid"
DEVICE: Final = "device"

SHORTEST_NUMBER: Final = 5
SHORTEST_DATE: Final = 6

_NUMBER_KEYWORDS: Final = words(
    """
    AccessionNumber AdmissionID ServiceEpisodeID MedicalRecordLocator StudyID FillerOrderNumberImagingServiceRequest
    PlacerOrderNumberImagingServiceRequest RequestedProcedureID ScheduledProcedureStepID PerformedProcedureStepID
    PatientTelephoneNumbers ReferringPhysicianTelephoneNumbers PersonTelephoneNumbers PatientTelecomInformation
    OrderCallbackPhoneNumber InsurancePlanIdentification MilitaryRank ClinicalTrialSubjectID SpecimenIdentifier
    ContainerIdentifier IssuerOfPatientID
    """
)
_PATIENT_ID_KEYWORDS: Final = frozenset(("PatientID", "OtherPatientIDs", "OtherPatientNames"))
_INSTITUTION_KEYWORDS: Final = frozenset(
    (
        "InstitutionName",
        "InstitutionAddress",
        "InstitutionalDepartmentName",
        "ClinicalTrialSiteName",
        "VerifyingOrganization",
    )
)
_ADDRESS_KEYWORDS: Final = frozenset(
    [
        "PatientAddress",
        "ReferringPhysicianAddress",
        "PersonAddress",
        "CountryOfResidence",
        "RegionOfResidence",
        "CurrentPatientLocation",
        "PatientInstitutionResidence",
    ]
)
_OTHER_CALENDARS: Final = frozenset(("PatientBirthDateInAlternativeCalendar", "PatientDeathDateInAlternativeCalendar"))
_DEVICE_KEYWORDS: Final = frozenset(("DeviceSerialNumber", "StationName", "DetectorID", "GantryID"))

TEXT_VRS: Final = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))

_WORD: Final = re.compile(r"[^\W\d_]+", re.UNICODE)
_NOT_ALNUM: Final = re.compile(r"[\W_]+", re.UNICODE)
_EAST_ASIAN: Final = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af]")


def fold(text: str) -> str:
    """Text for comparison: compatibility forms, accents and case put aside."""
    decomposed = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c))).casefold()


def squeeze(text: str) -> str:
    """Folded text, letters and digits only."""
    return _NOT_ALNUM.sub("", fold(text))


@dataclass(slots=True)
class Identifiers:
    """What is looked for.

    `words` match as whole words, `runs` as any part of the squeezed text, `exact` as a value, `stems` as the beginning
    of a word's sound, `numbers` as a figure without leading zeros, `dates` as a date however it is written.
    """

    words: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    dates: set[moments.Moment] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    _persons: Identifiers | None = field(default=None, repr=False, compare=False)

    def add_name(self, value: str) -> None:
        for group in value.split("="):
            components = [part for part in group.split("^") if part.strip()]
            parts = [
                part for component in components for part in _WORD.findall(unicodedata.normalize("NFKC", component))
            ]
            for part in parts:
                self._add_name_part(part)
            folded = [fold(part) for part in parts]
            for given_first in (folded[:2], folded[:2][::-1]):
                run = "".join(given_first)
                if PLACEHOLDERS.issuperset(given_first):
                    continue
                if len(given_first) == 2 and (len(run) >= 6 or (_EAST_ASIAN.search(run) and len(run) >= 2)):
                    self._add_run(run, NAME)
            if any(character.isdigit() for character in group):
                self.add_number(group, kind=NAME)

    def _add_name_part(self, part: str) -> None:
        if fold(part) in PLACEHOLDERS:
            return
        for spelling in names.spellings(part):
            self._add_word(spelling, NAME)
            if len(spelling) >= 5 and not _EAST_ASIAN.search(spelling):
                self._add_word(spelling[::-1], NAME)
            key = names.sound(names.stem(spelling))
            if len(key) >= names.SHORTEST_STEM and not _EAST_ASIAN.search(key):
                self.stems.setdefault(key, NAME)

    def add_number(self, value: str, *, kind: str) -> None:
        """A number or code: a long one is found with other separators and inside words, a short one as a whole."""
        run = squeeze(value)
        if not run or run in PLACEHOLDERS or set(run) == {"0"}:
            return
        for digits in {*_DIGITS.findall(fold(value)), "".join(_DIGITS.findall(run))}:
            self._add_figure(digits, kind=kind)
        if len(run) >= 6:
            self._add_run(run, kind)
        elif len(run) >= 4:
            self._add_word(run, kind)
        elif len(run) >= (2 if kind == PATIENT_ID else 3):
            # Anything shorter is a counter that says nothing by itself.
            self.exact.setdefault(fold(value).strip(), kind)

    def _add_figure(self, digits: str, *, kind: str) -> None:
        """The figure in a number, which lists and displays show without its zeros and letters."""
        figure = digits.lstrip("0")
        if len(figure) >= SHORTEST_NUMBER:
            self.numbers.setdefault(figure, kind)
        if len(figure) >= 6:
            self._add_run(figure, kind)

    def add_phrase(self, value: str, *, kind: str) -> None:
        """A place or address: found as a whole, and each of its lines."""
        for line in (value, *re.split(r"[\r\n,;]+", value)):
            run = squeeze(line)
            if len(run) >= 6 and not run.isdigit():
                self._add_run(run, kind)
            elif len(run) >= 4:
                self._add_word(run, kind)

    def add_birth_date(self, value: str) -> None:
        digits = re.sub(r"\D", "", value)
        if len(digits) != 8:
            return
        year, month, day = digits[:4], digits[4:6], digits[6:]
        for written in (year + month + day, day + month + year, month + day + year):
            self.runs.setdefault(written, BIRTH_DATE)
            self.numbers.setdefault(written.lstrip("0"), BIRTH_DATE)
        for y, (m, d) in product((year, year[2:]), ((month, day), (month.lstrip("0"), day.lstrip("0")))):
            for figure in (y + m + d, d + m + y, m + d + y):
                # A shorter one is met by chance in measured values.
                if len(figure.lstrip("0")) >= SHORTEST_DATE:
                    self.numbers.setdefault(figure.lstrip("0"), BIRTH_DATE)
        self.dates |= moments.variants(value)

    def add_date_of_another_calendar(self, value: str) -> None:
        """A birth date as its calendar writes it: the figures are looked for as any date is."""
        self.dates |= moments.of(value)
        self.add_phrase(value, kind=BIRTH_DATE)

    def _add_word(self, word: str, kind: str) -> None:
        if word in PLACEHOLDERS:
            return
        if _EAST_ASIAN.search(word):
            if len(word) >= 2:
                self.runs.setdefault(word, kind)
        elif len(word) >= 6:
            self.runs.setdefault(word, kind)
        elif len(word) >= 2:
            self.words.setdefault(word, kind)

    def _add_run(self, run: str, kind: str) -> None:
        if run not in PLACEHOLDERS:
            self.runs.setdefault(run, kind)

    def merge(self, other: Identifiers) -> None:
        for mine, theirs in (
            (self.words, other.words),
            (self.runs, other.runs),
            (self.exact, other.exact),
            (self.stems, other.stems),
            (self.numbers, other.numbers),
        ):
            for key, kind in theirs.items():
                mine.setdefault(key, kind)
        self.dates |= other.dates
        self.uids |= other.uids
        self._persons = None

    def without(self, kinds: Iterable[str]) -> Identifiers:
        """A copy that does not look for some kinds: those an option keeps on purpose."""
        left_out = frozenset(kinds)

        def kept(entries: dict[str, str]) -> dict[str, str]:
            return {key: kind for key, kind in entries.items() if kind not in left_out}

        return Identifiers(
            words=kept(self.words),
            runs=kept(self.runs),
            exact=kept(self.exact),
            stems=kept(self.stems),
            numbers=kept(self.numbers),
            dates=set() if BIRTH_DATE in left_out else set(self.dates),
            uids=set() if UID in left_out else set(self.uids),
        )

    def of_persons(self) -> Identifiers:
        """Those of people alone: a maker's name may well be part of a hospital's or a station's."""
        if self._persons is None:
            self._persons = self.without((INSTITUTION, DEVICE))
        return self._persons

    def find(self, text: str) -> str | None:
        """The kind of the first identifier found in a text value, None when there is none."""
        folded = fold(text)
        stripped = folded.strip(" \0")
        if not stripped:
            return None
        found = self.exact.get(stripped)
        if found is not None:
            return found
        squeezed = _NOT_ALNUM.sub("", folded)
        for run, kind in self.runs.items():
            if run in squeezed:
                return kind
        for word in _words(folded):
            found = self.words.get(word) or (self._by_sound(word) if self.stems and word.isalpha() else None)
            if found is not None:
                return found
        for digits in _DIGITS.findall(folded) if self.numbers else ():
            found = self.numbers.get(digits.lstrip("0"))
            if found is not None:
                return found
        if self.dates and any(character.isdigit() for character in folded) and self.dates & moments.of(text):
            return BIRTH_DATE
        for uid in _UID_LIKE.findall(text):
            if uid in self.uids:
                return UID
        return None

    def _by_sound(self, word: str) -> str | None:
        """A name declined or in another table's letters: Kowalskiej, Iwanowu."""
        if len(word) < names.SHORTEST_STEM:
            return None
        heard = names.sound(word)
        for key, kind in self.stems.items():
            if heard.startswith(key) and len(heard) - len(key) <= names.LONGEST_ENDING:
                return kind
        return None

    def find_in_element(self, *, vr: str, values: Iterable[str]) -> str | None:
        """As `find`, for the values of an element. A defined term in a code string is no identifier."""
        for value in values:
            if vr == "CS" and all(word in DEFINED_TERMS for word in _words(fold(value))):
                continue
            found = self.find(value)
            if found is not None:
                return found
        return None


_UID_LIKE: Final = re.compile(r"[0-9]+(?:\.[0-9]+){4,}")
_ALNUM_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
_DIGITS: Final = re.compile(r"\d+")


def _words(folded: str) -> Iterator[str]:
    yield from _WORD.findall(folded)
    yield from _ALNUM_WORD.findall(folded)


def strings_of(element: DataElement) -> list[str]:
    """The values of a text element as strings, one a value."""
    value = element.value
    if value is None:
        return []
    if isinstance(value, str | bytes | int | float) or not hasattr(value, "__iter__") or element.VR == "PN":
        values = value if element.VM > 1 else [value]
    else:
        values = list(value)
    return [one.decode("latin-1") if isinstance(one, bytes) else str(one) for one in values if one is not None]


def gather(dataset: Dataset) -> Identifiers:
    """All that identifies in a data set, nested sequences included."""
    found = Identifiers()
    _gather(dataset, found)
    return found


def _gather(dataset: Dataset, found: Identifiers) -> None:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: BLE001, S112 -- the engine removes what cannot be read, whatever it holds
            continue
        if element.VR == "SQ":
            for item in element.value or ():
                _gather(item, found)
            continue
        if element.VR == "UI":
            for uid in strings_of(element):
                plain = uids.clean(uid)
                if plain and not uids.is_registered(plain):
                    found.uids.add(plain)
            continue
        keyword = element.keyword
        if element.VR == "PN":
            for name in strings_of(element):
                found.add_name(name)
        elif keyword in _PATIENT_ID_KEYWORDS:
            for number in strings_of(element):
                found.add_number(number, kind=PATIENT_ID)
        elif keyword in _NUMBER_KEYWORDS:
            for number in strings_of(element):
                found.add_number(number, kind=NUMBER)
        elif keyword in _INSTITUTION_KEYWORDS:
            for phrase in strings_of(element):
                found.add_phrase(phrase, kind=INSTITUTION)
        elif keyword in _ADDRESS_KEYWORDS:
            for phrase in strings_of(element):
                found.add_phrase(phrase, kind=ADDRESS)
        elif keyword in _DEVICE_KEYWORDS:
            for number in strings_of(element):
                found.add_number(number, kind=DEVICE)
        elif keyword == "PatientBirthDate":
            for date in strings_of(element):
                found.add_birth_date(date)
        elif keyword in _OTHER_CALENDARS:
            for date in strings_of(element):
                found.add_date_of_another_calendar(date)
