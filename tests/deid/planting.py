"""Identity planted in images: who the patient is, how people write it, and where they put it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from tests.deid.builders import make_dataset

LIMITS = {"SH": 16, "CS": 16, "AE": 16, "LO": 64}
TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")

# Another person, of whom no header says anything: only the place of the text can give her away.
STRANGER = (
    "Aunt Zofia Nowakowa tel 555-0177 Lipowa 12",
    "Zofia",
    "ZOFIA",
    "Z. Nowakowa",
    "Nowakowa^Zofia",
    "tel 555-0177",
    "Lipowa 12",
    "Zofia 555-0177",
    "5550177",
    "zofia@nowakowa.example",
    "12 March 1961",
    "3. März 61",
    "12.3.1961",
    "1961-03-12",
    "le 12 mars 1961",
    "12 марта 1961",
    "born 1961",
    "93 y/o",
    "93-jährig",
    "093Y",
    "aged 93",
)
STRANGER_MARKS = ("zofia", "nowakowa", "0177", "lipowa", "1961", "93", "61")


@dataclass(frozen=True)
class Person:
    """A patient and the ways in which the same person is written down."""

    header: dict[str, str]
    written: tuple[str, ...]


PERSONS: dict[str, Person] = {
    "two letters": Person(
        {"PatientName": "NG^AN"}, ("NG", "AN", "NG AN", "NG^AN", "An Ng", "ng_an", "AN,NG", "Ng/3T", "T1 NG", "(AN)")
    ),
    "three letters": Person({"PatientName": "Kim^Li"}, ("Kim", "KIM 3T", "li kim", "kim_8ch", "T2 Li")),
    "umlauts": Person(
        {"PatientName": "Müller^Jürgen"},
        ("Mueller", "MULLER", "Müllers", "muellers", "Juergen", "Jurgens", "JUERGEN MUELLER", "Mueller_3T", "relleum"),
    ),
    "umlauts spelt": Person({"PatientName": "MUELLER^JUERGEN"}, ("Müller", "Jürgen", "muller", "Jürgens")),
    "crossed letters": Person({"PatientName": "Łukasz^Bjørn"}, ("Lukasz", "Bjorn", "BJOERN", "Łukasza", "Lukaszowi")),
    "Polish cases": Person(
        {"PatientName": "KOWALSKA^JADWIGA"},
        ("Kowalskiej", "KOWALSKI", "Kowalską", "Jadwigi", "Jadwidze", "akslawok", "agiwdaj", "jadwigakowalska"),
    ),
    "Cyrillic": Person(
        {"PatientName": "Иванова^Юлия"}, ("Ivanova", "Iwanowa", "IVANOV", "Иванову", "Иванов", "Yulia", "Julija", "Iuliia")
    ),
    "Cyrillic sibilants": Person({"PatientName": "Щербаков^Чеслав"}, ("Shcherbakov", "Schtscherbakow", "SHERBAKOVA")),
    "Greek": Person({"PatientName": "Παπαδόπουλος^Γιώργος"}, ("Papadopoulos", "PAPADOPOULOU", "Papadopulos")),
    "Hangul": Person({"PatientName": "김^희중"}, ("Kim", "KIM 3T", "희중")),
    "kana": Person({"PatientName": "やまだ^たろう"}, ("Yamada", "YAMADA TAROU")),
    "Han": Person({"PatientName": "张^小东"}, ("Zhang", "ZHANG 3T", "张")),
    "groups": Person({"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}, ("Yamada", "山田", "太郎", "やまだ", "TAROU")),
    "zeros": Person({"PatientID": "0007654321"}, ("7654321", "MR7654321", "7 654 321", "7-654-321", "(7654321)", "07654321")),
    "prefix": Person({"PatientID": "MRN0007654321"}, ("7654321", "7654321-2", "ID7654321", "MRN7654321")),
    "separators": Person({"PatientID": "76-543-21"}, ("7654321", "76 543 21", "765.4321")),
    "accession": Person({"AccessionNumber": "A99887766"}, ("99887766", "A 99887766", "a-99887766")),
    "short number": Person({"PatientID": "55443"}, ("55443", "MR55443", "55443_8ch")),
    "birth date": Person(
        {"PatientBirthDate": "19430217"},
        (
            "17.02.1943", "17.2.43", "2/17/43", "43-02-17", "170243", "430217", "17 Feb 1943", "17. Februar 43",
            "February 17th, 1943", "17 февраля 1943", "17 lutego 1943", "le 17 février 1943", "17 de febrero de 1943",
            "1943年2月17日", "昭和18年2月17日", "17FEB1943", "b.17.02.43", "born 17 2 1943",
        ),
    ),
}  # fmt: skip

# Attributes that keep technical text, each with one value that may stay.
TECHNICAL: dict[str, str] = {
    "Manufacturer": "Philips Medical Systems",
    "ManufacturerModelName": "Achieva dStream",
    "SoftwareVersions": "5.3.1",
    "ConvolutionKernel": "B30f",
    "SequenceName": "*tfl3d1_16",
    "ReceiveCoilName": "SENSE-Head-8",
    "WindowCenterWidthExplanation": "WINDOW1",
    "SegmentLabel": "Liver",
    "FilterType": "BODY FILTER",
    "ImageComments": "T2 axial",
    "SeriesDescription": "T2 sagittal",
    "Radiopharmaceutical": "Fluorodeoxyglucose",
    "TextValue": "lung",
    "ImageFilter": "sharp",
}


def put(dataset: Dataset, keyword: str, value: Any) -> None:
    tag = Tag(keyword)
    dataset[tag] = DataElement(tag, DicomDictionary[tag][0], value)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def image(person: Person, **elements: Any) -> Dataset:
    """A CT image of a person; who they are stands in the header alone."""
    header = {"PatientName": "Doe^Jane", "PatientID": "Q1", "PatientBirthDate": "", "AccessionNumber": ""}
    return make_dataset(SpecificCharacterSet="ISO_IR 192", **{**header, **person.header, **elements})


def places(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, elements) with a text in one kind of place after another."""
    for keyword, usual in TECHNICAL.items():
        vr = DicomDictionary[Tag(keyword)][0]
        yield keyword, {keyword: text[: LIMITS.get(vr, 1000)]}
        yield f"{keyword}, among words", {keyword: f"{usual} {text}"[: LIMITS.get(vr, 1000)]}
    if text.isascii():
        yield "image type", {"ImageType": ["ORIGINAL", "PRIMARY", text.upper()[:16]]}
        yield "scan options", {"ScanOptions": text.upper()[:16]}
        yield "body part", {"BodyPartExamined": text.upper()[:16]}
    for name, item in {
        "meaning of a known code": code("80891009", "SCT", text),
        "meaning of an unknown code": code("123", "SCT", text),
        "meaning of a private code": code("K1", "99ACME", text),
        "a code": code(text[:16], "SCT", "Heart"),
        "a private code": code(text[:16], "99ACME", "Heart"),
        "a code of a scheme without a form": code(text[:16], "MDC", "Heart"),
        "a scheme": code("K1", text[:16], "Heart"),
        "a unit": code("{" + text + "}/min", "UCUM", text),
    }.items():
        yield name, {"ProcedureCodeSequence": [item]}
    nested = Dataset()
    nested.ReferencedSOPClassUID, nested.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    put(nested, "SequenceName", text[:16])
    yield "nested", {"ReferencedImageSequence": [nested]}


def text_attributes() -> Iterator[tuple[BaseTag, str]]:
    for number, (vr, _vm, _name, _retired, _keyword) in DicomDictionary.items():
        if number >> 16 > 0x0004 and vr in TEXT_VRS and number != 0x00080005:
            yield Tag(number), vr


def every_attribute(text: str, *, is_nested: bool) -> tuple[Dataset, Dataset]:
    """(image, holder): a text in every text attribute of the dictionary at once, at the top or in an item."""
    dataset = make_dataset(PatientName="Doe^Jane", PatientID="Q1")
    holder = Dataset() if is_nested else dataset
    for tag, vr in text_attributes():
        holder[tag] = DataElement(tag, vr, text[: LIMITS.get(vr, 1000)])
    if is_nested:
        dataset.ReferencedSeriesSequence = Sequence([holder])
    return dataset, holder
