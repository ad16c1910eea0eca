"""One patient planted in more than thirty places of a file, in the header and beside it: nothing may be left."""

from __future__ import annotations

import ast
import io
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from deid.domain import screening, texts, verify
from deid.domain.findings import Reason, Verdict
from deid.domain.identifiers import gather
from deid.domain.profile import Option
from tests.deid.builders import clean, make_dataset, make_settings, process, read, stored_values, to_bytes

NAME = "Quixano^Alonso"
SECRETS = ("quixano", "alonso", "lm19470926", "acc-552200", "19470926", "la mancha", "cervantes", "4.552200.1")
UID = "1.2.3.4.552200.1"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def plant() -> tuple[bytes, list[str]]:
    """A valid MR file with the patient in every place facts name, and the list of these places."""
    places: list[str] = []
    dataset = make_dataset(
        PatientName=NAME,
        PatientID="LM19470926",
        PatientBirthDate="19470926",
        AccessionNumber="ACC-552200",
        InstitutionName="Hospital La Mancha",
        ReferringPhysicianName="Cervantes^Miguel",
        BurnedInAnnotation="NO",
    )

    def put(place: str, **values: Any) -> None:
        places.append(place)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    places += ["patient name", "patient ID", "birth date", "accession number", "institution", "referring physician"]
    put("other names", OtherPatientNames=["Quixote^Don", NAME], OtherPatientIDs=["LM19470926"])
    put("address and telephone", PatientAddress="1 Quixano Way, La Mancha", PatientTelephoneNumbers="552200-19470926")
    put("study description", StudyDescription="MR knee for Alonso Quixano, La Mancha")
    put("series description", SeriesDescription="T2 sag QUIXANO")
    put("image comments", ImageComments="Patient Alonso fell off his horse", PatientComments="LM19470926")
    put("admission", AdmissionID="ACC-552200", AdmittingDiagnosesDescription="Quixano, delusional")
    put("requesting", RequestingPhysician="Cervantes^Miguel", RequestedProcedureDescription="Knee of Quixano")
    put("protocol name", ProtocolName="Knee QUIXANO 19470926")
    put("performed procedure step", PerformedProcedureStepDescription="Alonso", PerformedProcedureStepID="ACC-552200")
    put("station", StationName="LA MANCHA 1", DeviceSerialNumber="ACC-552200")
    put("a UID with the number", SeriesInstanceUID=f"{UID}.2", FrameOfReferenceUID=f"{UID}.3")
    put("kept text: software versions", SoftwareVersions=["1.0", "Quixano special"])
    put("kept text: manufacturer's model", ManufacturerModelName="QUIXANO_ALONSO scanner")
    put("kept text: image type", ImageType=["ORIGINAL", "PRIMARY", "QUIXANO"])
    put("kept text: position reference", PositionReferenceIndicator="LM 1947 0926")
    put("a number as text", SequenceName="acc552200")

    request = Dataset()
    request.RequestedProcedureID = "ACC-552200"
    request.ScheduledProcedureStepDescription = "Quixano"
    put("request attributes", RequestAttributesSequence=[request])

    nested = Dataset()
    nested.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    nested.ReferencedSOPInstanceUID = f"{UID}.9"
    nested.PatientName = NAME
    deeper = Dataset()
    deeper.OperatorsName = NAME
    deeper.add(DataElement(0x00104000, "LT", "Quixano again"))
    nested.PurposeOfReferenceCodeSequence = [deeper]
    put("a name in a nested sequence", ReferencedImageSequence=[nested])

    put(
        "code meaning and scheme as free text",
        ProcedureCodeSequence=[code("K1", "99LAMANCHA", "Knee of Alonso Quixano")],
        AnatomicRegionSequence=[code("T-D9200", "Quixano scheme", "Knee LM19470926")],
    )
    view = code("G-A138", "SRT", "Cervantes view")
    put("code meaning beside a known code", ViewCodeSequence=[view])

    original = Dataset()
    original.ModifyingSystem = "La Mancha PACS"
    modified = Dataset()
    modified.PatientName = NAME
    original.ModifiedAttributesSequence = [modified]
    original.AttributeModificationDateTime = "20240131101500"
    original.SourceOfPreviousValues = "Hospital La Mancha"
    original.ReasonForTheAttributeModification = "COERCE"
    put("original attributes", OriginalAttributesSequence=[original])

    icon = Dataset()
    icon.Rows = icon.Columns = 8
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.BitsAllocated = icon.BitsStored = 8
    icon.HighBit, icon.PixelRepresentation = 7, 0
    icon.PixelData = b"Alonso Quixano, LM19470926".ljust(64, b"\0")
    put("icon image", IconImageSequence=[icon])

    dataset.add(DataElement(0x60000010, "US", 16))
    dataset.add(DataElement(0x60000011, "US", 16))
    dataset.add(DataElement(0x60000022, "LO", "Overlay of Quixano"))
    dataset.add(DataElement(0x60000040, "CS", "G"))
    dataset.add(DataElement(0x60000050, "SS", [1, 1]))
    dataset.add(DataElement(0x60000100, "US", 1))
    dataset.add(DataElement(0x60000102, "US", 0))
    dataset.add(DataElement(0x60001500, "LO", "Alonso"))
    dataset.add(DataElement(0x60003000, "OW", b"Alonso Quixano".ljust(32, b"\0")))
    dataset.add(DataElement(0x60024000, "LT", "Overlay comment: Quixano"))
    dataset.add(DataElement(0x50000022, "LO", "Curve of Quixano"))
    dataset.add(DataElement(0x50003000, "OW", b"Alonso Quixano".ljust(32, b"\0")))
    places += ["overlay label", "overlay data", "overlay comments", "curve description", "curve data"]

    block = dataset.private_block(0x0009, "LA MANCHA IMAGING", create=True)
    block.add_new(0x01, "LO", "Alonso Quixano")
    private_item = Dataset()
    private_item.PatientName = NAME
    block.add_new(0x02, "SQ", Sequence([private_item]))
    dataset.add(DataElement(0x00110001, "UN", b"Quixano, no creator "))
    places += ["private element", "private sequence", "private element without creator", "private creator"]

    dataset.add(DataElement(0x00180099, "LO", "Quixano in an unknown element"))
    dataset.add(DataElement(0x00081070, "UN", b"Quixano^Alonso"))
    places += ["unknown element", "a person's name in UN"]

    dataset.add(DataElement(0x00041500, "CS", ["QUIXANO", "LM19470926"]))
    dataset.add(DataElement(0xFFFCFFFC, "OB", b"Alonso Quixano padding"))
    places += ["file ID of a DICOMDIR", "data set trailing padding"]
    signature = Dataset()
    signature.CertificateOfSigner = b"CN=Alonso Quixano "
    put("digital signature", DigitalSignaturesSequence=[signature])
    put("where it came from", RetrieveURL="https://lamancha.example/quixano", StationAETitle="LA_MANCHA")
    put("time zone and responsible person", ResponsiblePerson=NAME, TimezoneOffsetFromUTC="+0100")
    put("identifying dates", LastMenstrualDate="20240101", AdmittingDate="19470926")
    put("numbers as dates", PatientAge="076Y", PatientSize="1.80", MedicalAlerts="Quixano")

    content = bytearray(to_bytes(dataset))
    content[:128] = b"Alonso Quixano, LM19470926, La Mancha".ljust(128, b" ")
    places.append("preamble")
    return bytes(content), places


def with_meta(content: bytes) -> bytes:
    """Source AE titles and private information in the file meta information."""
    dataset = read(content)
    dataset.file_meta.SourceApplicationEntityTitle = "LA_MANCHA"
    dataset.file_meta.SendingApplicationEntityTitle = "QUIXANO"
    dataset.file_meta.ImplementationVersionName = "QUIXANO_1"
    dataset.file_meta.PrivateInformationCreatorUID = f"{UID}.77"
    dataset.file_meta.PrivateInformation = b"Alonso Quixano"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    result = bytearray(buffer.getvalue())
    result[:128] = content[:128]
    # After the pixel data, where a reader that stops there does not look.
    return bytes(result)


def test_nothing_planted_is_left() -> None:
    content, places = plant()
    assert len(places) >= 30
    outcome, output = process(with_meta(content))
    assert outcome.verdict is Verdict.PASS, (outcome.findings, outcome.residue_paths)
    text = output.decode("latin-1").lower() + str(read(output)).lower() + str(read(output).file_meta).lower()
    assert [secret for secret in SECRETS if secret in text] == []
    assert not any(output[:128])


def test_the_image_itself_survives() -> None:
    content, _places = plant()
    _outcome, output = process(with_meta(content))
    before, after = read(content), read(output)
    assert stored_values(after) == stored_values(before)
    assert stored_values(after, bits=16) == stored_values(after), "bits that are not stored say nothing"
    for keyword in ("Rows", "Columns", "BitsAllocated", "Modality", "BodyPartExamined", "SeriesNumber"):
        assert after[keyword].value == before[keyword].value
    assert list(after.ImageType[:2]) == ["ORIGINAL", "PRIMARY"]


def test_the_residue_check_finds_what_is_planted_again() -> None:
    """The check is of use only if it fails: put each secret back, one at a time, and it must be found."""
    content, _places = plant()
    sought = gather(read(content))
    _outcome, output = process(content)
    settings = make_settings()

    def left(change: Any) -> list[verify.Residue]:
        dataset = read(output)
        change(dataset)
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        return verify.residues(buffer, identifiers=sought, profile=settings.profile, source_dates={})

    assert left(lambda dataset: None) == []
    for keyword, value in {
        "SoftwareVersions": "v Quixano",
        "ManufacturerModelName": "cervantes 3T",
        "PatientComments": "see lm-1947-0926",
        "ContentLabel": "ALONSO",
        "SOPInstanceUID": f"{UID}.2",
        "StationName": "Hospital, La-Mancha",
        "ImplementationVersionName": "",
    }.items():
        if value:
            assert left(lambda dataset, k=keyword, v=value: setattr(dataset, k, v)), keyword
    assert left(lambda d: d.add(DataElement(0x00282000, "OB", b"\1\2ALONSO QUIXANO\3\4")))
    assert left(lambda d: d.add(DataElement(0x60003000, "OW", bytes(32))))
    assert left(lambda d: d.private_block(0x0009, "X", create=True).add_new(1, "LO", "y"))
    assert left(lambda d: setattr(d.file_meta, "SourceApplicationEntityTitle", "A"))
    assert left(lambda d: setattr(d, "PixelData", b"Quixano".ljust(512, b"\0")))
    assert left(lambda d: setattr(d, "PatientIdentityRemoved", "NO"))


def test_a_residue_holds_the_image_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine forgets, the instance does not pass."""
    monkeypatch.setattr(texts, "is_kept", lambda **_arguments: True)
    outcome, _output = process(make_dataset(PatientName=NAME, ManufacturerModelName="Quixano 3T"))
    assert outcome.verdict is Verdict.HELD_BACK
    assert outcome.reasons[-1] is Reason.RESIDUE
    assert any("ManufacturerModelName" in path for path in outcome.residue_paths)
    assert not any("uixano" in path for path in outcome.residue_paths), "the place is told, never the value"


class TestUnknownThingsAreRemoved:
    def test_unknown_elements_and_odd_groups(self) -> None:
        dataset = make_dataset()
        for tag in (0x00180099, 0x00110001, 0x00091001, 0x7FE10010, 0x00071234, 0x6001_3000):
            dataset.add(DataElement(Tag(tag), "LO" if tag != 0x00110001 else "UN", "x" if tag != 0x00110001 else b"x "))
        clean(dataset)
        for tag in (0x00180099, 0x00110001, 0x00091001, 0x7FE10010, 0x00071234, 0x6001_3000):
            assert tag not in dataset

    def test_values_that_are_not_of_their_vr(self) -> None:
        dataset = read(to_bytes(make_dataset()))
        from pydicom.dataelem import RawDataElement

        for tag, vr, value in (
            (0x00180050, "DS", b"Quixano "),
            (0x00200012, "IS", b"Quixano "),
            (0x00080030, "TM", b"Quixano "),
            (0x00080022, "DA", b"Quixano "),
            (0x00101010, "AS", b"Quix"),
        ):
            dataset[Tag(tag)] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True, True)
        clean(dataset, options=[Option.RETAIN_MODIFIED_DATES, Option.RETAIN_PATIENT_CHARACTERISTICS])
        assert "Quix" not in str(dataset)

    def test_a_uid_that_is_none(self) -> None:
        dataset = make_dataset(FrameOfReferenceUID="QUIXANO.1")
        clean(dataset)
        assert dataset.FrameOfReferenceUID.startswith("2.25.")


@pytest.mark.parametrize(
    "name",
    ["Müller^Jürgen", "Иванов^Иван", "山田^太郎", "김희중=金熙中=Kim^Heejung", "Ωμέγα^Άλφα", "O'Brien-Smith^Mary Ann"],
)
def test_names_in_any_script_are_found_in_kept_text(name: str) -> None:
    parts = [part for group in name.split("=") for part in group.split("^")]
    for part in parts:
        dataset = make_dataset(PatientName=name, ManufacturerModelName=f"Model {part} 3000")
        clean(dataset)
        assert part not in str(dataset.get("ManufacturerModelName", "")), part


def test_screening_comes_first_and_reads_no_pixels() -> None:
    dataset = make_dataset(BurnedInAnnotation="YES")
    findings = screening.screen(dataset, transfer_syntax="1.2.840.10008.1.2.1")
    assert [finding.reason for finding in findings] == [Reason.BURNED_IN]


def test_the_residue_check_uses_nothing_by_which_the_engine_decides() -> None:
    """What it says of itself: beside reading, identifiers and profile only tables of the standard are shared."""
    shared = {
        "codes": {"is_standard_item"},
        "texts": {"PRODUCTS", "is_defined"},
        "uids": {"DERIVED_ROOT", "clean", "is_registered"},
    }
    tree = ast.parse(Path(verify.__file__).read_text(encoding="utf-8"))
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deid"):
            inner = (node.module or "").removeprefix("deid.domain").removeprefix(".")
            modules |= {inner} if inner else {alias.name for alias in node.names}
    assert modules == {*shared, "files", "identifiers", "numbers", "profile"}
    used: dict[str, set[str]] = {name: set() for name in shared}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in shared:
            used[node.value.id].add(node.attr)
    assert used == shared
