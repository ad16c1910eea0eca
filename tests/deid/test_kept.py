"""What is to stay does: nothing passes the other tests by dropping everything."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import pytest
from PIL import ImageCms
from pydicom.dataset import Dataset

from deid.domain import binaries, codes, units
from deid.domain.findings import Verdict
from deid.domain.identifiers import Identifiers
from deid.domain.profile import DEFAULT_OPTIONS, Option
from deid.domain.uids import UidMapper
from tests.deid.builders import clean, make_dataset, process, read
from tests.deid.planting import code

STORAGE = "1.2.840.10008.5.1.4.1.1."
OPTIONS = DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}
COMMON: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PositionReferenceIndicator": "SN",
    "PatientPosition": "HFS",
    "PhotometricInterpretation": "MONOCHROME2",
    "LossyImageCompression": "00",
    "WindowCenterWidthExplanation": ["WINDOW1", "WINDOW2"],
    "SeriesNumber": 3,
    "ImagePositionPatient": [-100.0, -100.0, 12.5],
}
HEADERS: dict[str, dict[str, Any]] = {
    "ct of Siemens": {
        "SOPClassUID": STORAGE + "2", "Modality": "CT", "BodyPartExamined": "CHEST", "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "SOMATOM Definition Flash", "SoftwareVersions": ["syngo CT 2012B", "VA44A"],
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"], "ConvolutionKernel": ["B30f", "3"],
        "ScanOptions": "HELICAL MODE", "FilterType": "FLAT", "RotationDirection": "CW",
        "LossyImageCompressionMethod": "ISO_15444_1", "ExposureModulationType": "XYZ_EC",
        "KVP": "120", "SliceThickness": "1.5", "RescaleType": "HU", "ContrastBolusRoute": "IV",
        "ContrastBolusIngredient": "IODINE", "AcquisitionType": "SPIRAL", "GeneratorPower": "38",
    },
    "ct of GE": {
        "SOPClassUID": STORAGE + "2", "Modality": "CT", "Manufacturer": "GE MEDICAL SYSTEMS",
        "ManufacturerModelName": "LightSpeed VCT", "SoftwareVersions": "07MW18.4", "ConvolutionKernel": "STANDARD",
        "FilterType": "BODY FILTER", "ScanOptions": "SCOUT MODE", "BodyPartExamined": "ABDOMEN",
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
    },
    "mr of Philips": {
        "SOPClassUID": STORAGE + "4", "Modality": "MR", "Manufacturer": "Philips Medical Systems",
        "ManufacturerModelName": "Achieva dStream", "SoftwareVersions": ["5.3.1", "5.3.1.2"], "ScanningSequence": ["SE", "IR"],
        "SequenceVariant": ["SK", "SP"], "ScanOptions": ["FC", "FS"], "SequenceName": "T2TSE", "ReceiveCoilName": "SENSE-Head-8",
        "TransmitCoilName": "B", "ImagedNucleus": "1H", "MRAcquisitionType": "3D", "InPlanePhaseEncodingDirection": "ROW",
        "ImageType": ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"], "AngioFlag": "N", "EchoTime": "12.5", "FlipAngle": "90",
        "MagneticFieldStrength": "3", "PulseSequenceName": "T1TFE", "AcquisitionContrast": "DIFFUSION",
        "GradientOutputType": "DB_DT",
    },
    "mr of Siemens": {
        "SOPClassUID": STORAGE + "4", "Modality": "MR", "Manufacturer": "SIEMENS", "ManufacturerModelName": "MAGNETOM Skyra",
        "SoftwareVersions": "syngo MR E11", "SequenceName": "*tfl3d1_16ns", "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
        "ScanOptions": "PFP", "BodyPartExamined": "BRAIN", "ComplexImageComponent": "MAGNITUDE",
    },
    "pet": {
        "SOPClassUID": STORAGE + "128", "Modality": "PT", "ImageType": ["ORIGINAL", "PRIMARY"],
        "Units": "BQML", "CountsSource": "EMISSION",
        "SeriesType": ["WHOLE BODY", "IMAGE"], "CorrectedImage": ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"],
        "DecayCorrection": "START", "ReconstructionMethod": "OSEM3D 4i8s", "AttenuationCorrectionMethod": "CT-derived mu-map",
        "RandomsCorrectionMethod": "DLYD", "CollimatorType": "NONE", "Manufacturer": "SIEMENS", "DoseCalibrationFactor": "1.5",
    },
    "nuclear medicine": {
        "SOPClassUID": STORAGE + "20", "Modality": "NM", "Manufacturer": "GE Healthcare", "ManufacturerModelName": "Discovery 670",
        "ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], "BurnedInAnnotation": "NO",
    },
    "mammography": {
        "SOPClassUID": STORAGE + "1.2", "Modality": "MG", "BurnedInAnnotation": "NO", "Manufacturer": "HOLOGIC, Inc.",
        "ManufacturerModelName": "Selenia Dimensions", "ImageLaterality": "L", "ViewPosition": "MLO", "FilterMaterial": "RHODIUM",
        "AnodeTargetMaterial": "TUNGSTEN", "PresentationIntentType": "FOR PRESENTATION", "PixelIntensityRelationship": "LOG",
        "BreastImplantPresent": "NO", "PaddleDescription": "18x24", "DetectorType": "DIRECT", "Grid": "NONE",
        "ImageType": ["ORIGINAL", "PRIMARY"], "PatientOrientation": ["P", "L"],
    },
    "radiography": {
        "SOPClassUID": STORAGE + "1", "Modality": "CR", "BurnedInAnnotation": "NO", "Manufacturer": "FUJIFILM Corporation",
        "PlateType": "ST", "ViewPosition": "PA", "CassetteOrientation": "PORTRAIT", "CassetteSize": "35CMX35CM",
        "BodyPartExamined": "CHEST", "PhotometricInterpretation": "MONOCHROME1",
    },
}  # fmt: skip

UIDS = UidMapper(key=bytes(32))


@pytest.mark.parametrize("kind", HEADERS)
def test_a_plain_header_keeps_its_technique(kind: str) -> None:
    elements = {**COMMON, **HEADERS[kind]}
    before = make_dataset(
        PatientName="Quixano^Alonso",
        InstitutionName="Siemens Philips General Hospital",
        StationName="ACHIEVA",
        **elements,
    )
    outcome, output = process(before, options=OPTIONS)
    assert outcome.verdict is not Verdict.HELD_BACK, (outcome.reasons, outcome.residue_paths)
    after = read(output)
    changed = {
        keyword: (value, after.get(keyword))
        for keyword, value in elements.items()
        if after.get(keyword) != before[keyword].value
    }
    assert changed == {}


@pytest.mark.parametrize(
    "name", ["Basic", "Clean", "Profile^Option", "Retain^Dates", "Removed^Comment", "Modified", "Pacsweb"]
)
def test_a_patient_with_the_name_of_our_own_words_passes(name: str) -> None:
    outcome, output = process(make_dataset(PatientName=name, SeriesDescription=f"{name} T2 axial"), options=OPTIONS)
    assert outcome.verdict is Verdict.PASS, outcome.residue_paths
    assert name.split("^", maxsplit=1)[0] not in str(read(output).get("SeriesDescription", ""))


@pytest.mark.parametrize("name", ["Head^Axial", "Heart^Tricia", "Philips^Ann", "Liver", "MR^CT", "Se^Ir", "Chest^Lung"])
def test_a_patient_with_the_name_of_a_term_passes(name: str) -> None:
    dataset = make_dataset(
        PatientName=name,
        Modality="MR",
        ScanningSequence=["SE", "IR"],
        BodyPartExamined="CHEST",
        AnatomicRegionSequence=[code("80891009", "SCT", "Heart"), code("10200004", "SCT", "Liver")],
    )
    outcome, output = process(dataset, options=OPTIONS)
    assert outcome.verdict is Verdict.PASS, outcome.residue_paths
    after = read(output)
    assert (after.Modality, list(after.ScanningSequence)) == ("MR", ["SE", "IR"])
    assert [item.CodeMeaning for item in after.AnatomicRegionSequence] == ["Heart", "Liver"]


@pytest.mark.parametrize(
    "unit",
    ["%", "{SUVbw}g/ml", "/min", "mm", "mm2/s", "Bq/ml", "[hnsf'U]", "{counts}", "1", "10*-6.mm2/s", "ml/min/100.g", "kg/m2",
     "mm[Hg]", "um2/ms", "deg", "mGy.cm", "{ratio}", "[degF]"],
)  # fmt: skip
def test_units_stay(unit: str) -> None:
    assert units.is_unit(unit) or codes.standard_meaning(scheme="UCUM", code=unit) is not None
    assert codes.clean_item(code(unit, "UCUM", unit), identifiers=Identifiers(), uids=UIDS) == {}


@pytest.mark.parametrize(
    "unit", ["", "KOWALSKA", "{KOWALSKA}g/ml", "7654321", "mm KOWALSKA", "((mm)", "x" * 60, "{12.3.1961}"]
)
def test_what_is_no_unit_goes(unit: str) -> None:
    assert not units.is_unit(unit)


@pytest.mark.parametrize(
    ("value", "scheme", "meaning"),
    [
        ("80891009", "SCT", "Heart"), ("T-32000", "SRT", "Heart"), ("113100", "DCM", "Basic Application Confidentiality Profile"),
        ("8867-4", "LN", "Heart rate"), ("RID58", "RADLEX", "liver"), ("7088", "FMA", "Heart"), ("5.6.3-9-61", "SCPECG", "P Onset"),
        ("5.10.3-1", "SCPECG", "Lead I"),
        ("C34.1", "ICDO3", "Upper lobe of lung"), ("en", "RFC5646", "english"), ("I50.1", "I10", "Left ventricular failure"),
    ],
)  # fmt: skip
def test_codes_of_known_schemes_stay(value: str, scheme: str, meaning: str) -> None:
    changes = codes.clean_item(code(value, scheme, meaning), identifiers=Identifiers(), uids=UIDS)
    assert not {"CodeValue", "CodingSchemeDesignator"} & set(changes)
    assert changes.get("CodeMeaning") != "Removed" or scheme in ("SCPECG", "RFC5646")


@pytest.mark.parametrize(
    ("value", "meaning", "expected"), [("uV", "microvolt", None), ("uV", "Zofia", "uV"), ("mm", "Zofia", "mm")]
)
def test_units_keep_their_names(value: str, meaning: str, expected: str | None) -> None:
    """The standard's own name of microvolt is not written in every character set."""
    assert (
        codes.clean_item(code(value, "UCUM", meaning), identifiers=Identifiers(), uids=UIDS).get("CodeMeaning")
        == expected
    )


def test_earlier_methods_of_de_identification_stay() -> None:
    """PS3.15 E.1.1 step 6: each de-identification adds its code."""
    earlier = code("113106", "DCM", "Retain Longitudinal Temporal Information Full Dates Option")
    stranger = code("K1", "99ACME", "By Zofia Nowakowa")
    dataset = make_dataset(DeidentificationMethodCodeSequence=[earlier, stranger])
    clean(dataset)
    values = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert values == ["113106", "113100", "113107"]


def test_the_colours_of_an_icc_profile_stay_and_its_texts_go() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    outcome, output = process(make_dataset(ICCProfile=profile), options=OPTIONS)
    assert outcome.verdict is Verdict.PASS
    after = ImageCms.ImageCmsProfile(io.BytesIO(read(output).ICCProfile))
    before = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert after.profile.red_primary == before.profile.red_primary
    assert after.profile.profile_description == "Removed"
    assert not any(text in output for text in (b"sRGB", b"lcms", "sRGB".encode("utf-16-be")))


def lut(entries: list[int], *, bits: int = 16) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTExplanation = [len(entries), 0, bits], "HU"
    item.add_new(0x00283006, "OW", b"".join(entry.to_bytes(2, "little") for entry in entries))
    return item


@pytest.mark.parametrize(
    "entries", [list(range(0, 65536, 16)), list(range(4096, 0, -1)), [i * i // 256 for i in range(4096)]]
)
def test_look_up_tables_stay(entries: list[int]) -> None:
    outcome, output = process(make_dataset(VOILUTSequence=[lut(entries)]), options=OPTIONS)
    assert outcome.verdict is Verdict.PASS, outcome.residue_paths
    assert len(read(output).VOILUTSequence[0].LUTData) == 2 * len(entries)


def test_a_palette_of_colours_stays() -> None:
    red = bytes(value for entry in range(256) for value in (0, entry * 7 % 256))
    dataset = make_dataset(
        RedPaletteColorLookupTableDescriptor=[256, 0, 16],
        GreenPaletteColorLookupTableDescriptor=[256, 0, 16],
        BluePaletteColorLookupTableDescriptor=[256, 0, 16],
        RedPaletteColorLookupTableData=red,
        GreenPaletteColorLookupTableData=red,
        BluePaletteColorLookupTableData=red,
    )
    outcome, output = process(dataset, options=OPTIONS)
    assert outcome.verdict is Verdict.PASS, outcome.residue_paths
    assert read(output).RedPaletteColorLookupTableData == red


@pytest.mark.parametrize(
    ("institution", "maker", "is_kept"),
    [
        ("Philips Hospital", "Philips Medical Systems", True),
        ("Siemens, Erlangen", "SIEMENS", True),
        ("ACME", "ACME", True),
        ("General Hospital", "General Hospital", False),
        ("Heart Centre", "Heart Centre", False),
    ],
)
def test_a_maker_may_share_its_name_with_the_hospital(institution: str, maker: str, is_kept: bool) -> None:
    outcome, output = process(make_dataset(InstitutionName=institution, Manufacturer=maker), options=OPTIONS)
    assert outcome.verdict is Verdict.PASS, outcome.residue_paths
    assert (read(output).Manufacturer == maker) is is_kept


def test_a_model_may_share_its_name_with_the_station_and_never_its_number() -> None:
    elements = {"StationName": "ACHIEVA", "DeviceSerialNumber": "1752", "ManufacturerModelName": "Achieva"}
    _outcome, output = process(make_dataset(SoftwareVersions=["5.3", "1752"], **elements), options=OPTIONS)
    assert read(output).ManufacturerModelName == "Achieva"
    assert "1752" not in list(read(output).SoftwareVersions)


def test_measured_values_are_no_text() -> None:
    """Bytes of floating point numbers are printable by chance, a few in a row."""
    chance = random.Random(7)
    values = struct.pack("<30000f", *(chance.gauss(0, 40) for _unused in range(30000)))
    sought = Identifiers()
    sought.add_name("Kowalska^Jadwiga")
    sought.add_number("7654321", kind="patient-id")
    assert not binaries.tells(values, identifiers=sought)
    assert binaries.tells(
        values[:4000] + b"Zofia Nowakowa z Lipowej 12 tel. 555-0177" + values[4000:8000], identifiers=sought
    )


def test_palettes_of_colours_by_chance_are_no_text() -> None:
    chance = random.Random(7)
    palettes = [bytes(chance.randrange(256) for _unused in range(512)) for _palette in range(200)]
    assert sum(binaries.tells(palette, identifiers=Identifiers()) for palette in palettes) <= 1
