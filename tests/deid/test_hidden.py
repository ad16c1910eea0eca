"""Identity where text is not looked for: numbers, bytes, compressed streams, VRs that lie, sound and drawings."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from deid.domain import binaries, deflated, files, pipeline
from deid.domain.findings import Reason, Verdict
from deid.domain.identifiers import Identifiers
from deid.domain.profile import DEFAULT_OPTIONS, Option
from tests.deid.builders import clean, make_dataset, make_settings, process, read, to_bytes
from tests.deid.planting import code, put

STORAGE = "1.2.840.10008.5.1.4.1.1."
OPTIONS = DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}
RETAINING = {
    Option.RETAIN_PATIENT_CHARACTERISTICS,
    Option.RETAIN_DEVICE_IDENTITY,
    Option.RETAIN_INSTITUTION_IDENTITY,
}
PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
NAME, NUMBER = "Kowalska^Jadwiga", "0007654321"


def image(**elements: Any) -> Dataset:
    return make_dataset(PatientName=NAME, PatientID=NUMBER, **elements)


class TestNumbers:
    @pytest.mark.parametrize(
        ("keyword", "value"),
        [
            ("SliceThickness", "7654321"), ("SliceThickness", "7654321.0"), ("SliceThickness", "7.654321E6"),
            ("TableHeight", "07654321"), ("AcquisitionNumber", "7654321"), ("InstanceNumber", "7654321"),
            ("BeamNumber", 7654321), ("ReferencePixelX0", 7654321), ("RealWorldValueSlope", 7654321.0),
            ("FrameTimeVector", ["10", "7654321"]), ("DiffusionBValue", 7654321.0), ("MetersetExposure", "7654321"),
        ],
    )  # fmt: skip
    def test_the_patient_s_number_is_no_measure(self, keyword: str, value: Any) -> None:
        outcome, output = process(image(**{keyword: value}), options=OPTIONS)
        assert outcome.verdict is Verdict.PASS, outcome.residue_paths
        element = read(output).get(keyword)
        assert "7654321" not in str(element).replace(".0", "")
        assert b"7654321" not in output and struct.pack("<d", 7654321.0) not in output

    def test_a_birth_date_is_no_number_either(self) -> None:
        outcome, output = process(image(PatientBirthDate="19430217", TableHeight="19430217"), options=OPTIONS)
        assert outcome.verdict is Verdict.PASS and b"19430217" not in output

    @pytest.mark.parametrize("options", [OPTIONS, OPTIONS | RETAINING], ids=["default", "retaining"])
    def test_no_numeric_attribute_of_the_dictionary_keeps_it(self, options: Any) -> None:
        dataset = make_dataset(PatientID="Q1")
        for number, (vrs, *_rest) in DicomDictionary.items():
            vr = vrs.partition(" ")[0]
            # The number of frames is measured against the pixel data before.
            is_measured = number == 0x00280008
            if number >> 16 > 0x0004 and not is_measured and vr in ("DS", "IS", "FD", "FL", "SL", "SV", "UL", "UV"):
                dataset[number] = DataElement(Tag(number), vr, "7654321" if vr in ("DS", "IS") else 7654321)
        assert len(dataset) > 1400
        clean(dataset, options=options, known=image())
        assert [element.keyword for element in dataset if element.VR != "UI" and "7654321" in str(element.value)] == []

    @pytest.mark.parametrize(
        "text",
        ["555-0177", "12.3.1961", "1961-03-12", "19610312", "1961 03 12", "12.3.61", "1-2-3", "5550177e", "2020.01.02"],
    )
    @pytest.mark.parametrize("keyword", ["SliceThickness", "AcquisitionNumber", "TableHeight"])
    def test_figures_that_are_no_number_go(self, keyword: str, text: str) -> None:
        dataset = read(to_bytes(image()))
        value = text.encode().ljust(12)
        vr = DicomDictionary[Tag(keyword)][0]
        dataset._dict[Tag(keyword)] = RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True, True)
        outcome, output = process(dataset, options=OPTIONS)
        assert outcome.verdict is Verdict.HELD_BACK or text.encode() not in output

    @pytest.mark.parametrize("value", ["12.5", "-100", "7654320", "1E3"])
    def test_other_numbers_stay(self, value: str) -> None:
        _outcome, output = process(image(TableHeight=value), options=OPTIONS)
        assert float(read(output).TableHeight) == float(value)

    def test_a_number_in_several_values_is_put_together(self) -> None:
        dataset = image(SoftwareVersions=["765", "4321"])
        clean(dataset, options=OPTIONS)
        assert "4321" not in str(dataset.SoftwareVersions)


class TestVrsThatLie:
    @pytest.mark.parametrize("text", ["Zofia Nowakowa", "Kowalska", "tel 555-0177"])
    @pytest.mark.parametrize("vr", ["LO", "LT", "UT", "SH", "PN", "CS"])
    @pytest.mark.parametrize(
        "keyword",
        ["RepetitionTime", "InstanceNumber", "DiffusionBValue", "SmallestImagePixelValue", "PixelAspectRatio", "ImageType",
         "StudyTime", "AcquisitionDateTime", "ReferencedImageSequence", "LUTData", "FrameIncrementPointer", "FrameOfReferenceUID"],
    )  # fmt: skip
    def test_text_under_another_tag_s_vr_goes(self, keyword: str, vr: str, text: str) -> None:
        dataset = read(to_bytes(image()))
        tag = Tag(keyword)
        value = text[:16].encode().ljust(16)
        dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True, True)
        outcome, output = process(dataset, options=OPTIONS)
        if outcome.verdict is not Verdict.HELD_BACK:
            assert not any(word.encode() in output for word in ("Zofia", "Nowakowa", "Kowalska", "555-0177"))

    @pytest.mark.parametrize("vr", ["OB", "UN", "OW"])
    def test_bytes_under_a_text_s_tag_go(self, vr: str) -> None:
        dataset = image()
        dataset.add(DataElement(Tag("Manufacturer"), vr, b"Zofia Nowakowa"))
        outcome, output = process(dataset, options=OPTIONS)
        assert outcome.verdict is Verdict.HELD_BACK or b"Zofia" not in output

    def test_a_sequence_under_a_text_s_tag_goes(self) -> None:
        item = Dataset()
        put(item, "ImageComments", "Zofia")
        dataset = image()
        dataset.add(DataElement(Tag("Manufacturer"), "SQ", [item]))
        clean(dataset, options=OPTIONS)
        assert "Manufacturer" not in dataset

    def test_vrs_of_one_nature_may_be_mixed_up(self) -> None:
        dataset = image()
        dataset.add(DataElement(Tag("Manufacturer"), "SH", "SIEMENS"))
        dataset.add(DataElement(Tag("SmallestImagePixelValue"), "SS", -5))
        clean(dataset, options=OPTIONS)
        assert dataset.Manufacturer == "SIEMENS" and dataset.SmallestImagePixelValue == -5


def lut(content: bytes) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(content) // 2, 0, 16]
    item.add_new(0x00283006, "OW", content)
    return item


SPELT = [
    b"KOWALSKA JADWIGA",
    b"\0\1\2\3kowalska\4\5\6\7",
    b"ID 7654321 ",
    "Kowalska".encode("utf-16-le"),
    "7654321 ".encode("utf-16-be"),
    b"Aunt Zofia Nowakowa tel 555-0177",
    "Zofia Nowakowa z Lipowej".encode("utf-16-le"),
]


class TestBytes:
    @pytest.mark.parametrize("content", SPELT, ids=range(len(SPELT)))
    @pytest.mark.parametrize("place", ["LUT", "palette", "LUT as US", "floats", "waveform padding"])
    def test_a_table_that_spells_is_held_back(self, place: str, content: bytes) -> None:
        content = content.ljust(48, b"\0")
        dataset = image()
        if place == "LUT":
            dataset.VOILUTSequence = [lut(content)]
        elif place == "palette":
            dataset.RedPaletteColorLookupTableData = content
        elif place == "LUT as US":
            item = lut(content)
            item.add_new(0x00283006, "US", list(struct.unpack(f"<{len(content) // 2}H", content)))
            dataset.VOILUTSequence = [item]
        elif place == "floats":
            dataset.add_new(Tag("VectorGridData"), "OF", content)
        else:
            dataset.add_new(Tag("ChannelMinimumValue"), "OB", content)
        outcome, output = process(dataset, options=OPTIONS)
        assert outcome.reasons == (Reason.TEXT_IN_BINARY,)
        assert outcome.residue_paths and not output

    @pytest.mark.parametrize("is_nested", [False, True], ids=["top", "nested"])
    def test_no_binary_attribute_of_the_dictionary_passes_text(self, is_nested: bool) -> None:
        left = []
        tried = 0
        for number, (vrs, _vm, _name, _retired, keyword) in DicomDictionary.items():
            vr = vrs.rpartition(" ")[2]
            if number >> 16 <= 0x0004 or vr not in binaries.BYTE_VRS or number in PIXELS:
                continue
            for content in (
                b"Zofia Nowakowa z Lipowej 12, tel. 555-0177 ....",
                b"\0\0\1\2kowalska\3\4".ljust(48, b"\5"),
            ):
                dataset = image()
                holder = dataset
                if is_nested:
                    holder = Dataset()
                    dataset.ReferencedSeriesSequence = [holder]
                holder[number] = DataElement(Tag(number), vr, content)
                outcome, output = process(dataset, options=OPTIONS)
                tried += 1
                if outcome.verdict is not Verdict.HELD_BACK and (b"Zofia" in output or b"kowalska" in output):
                    left.append(keyword)
        assert left == [] and tried > 120

    @pytest.mark.parametrize(
        "keyword", ["BadPixelImage", "DetectorCalibrationData", "RecordKey", "EncryptedContent", "Signature"]
    )
    def test_bytes_that_nobody_can_check_go(self, keyword: str) -> None:
        dataset = image()
        dataset.add_new(Tag(keyword), "OB", b"anything at all!")
        clean(dataset, options=OPTIONS)
        assert keyword not in dataset

    @pytest.mark.parametrize(
        "profile",
        [b"", b"Kowalska Jadwiga", b"\0" * 200, b"\0\0\0\x84" + bytes(32) + b"acsp" + b"Kowalska" * 12 + bytes(100)],
    )
    def test_what_is_no_colour_profile_goes(self, profile: bytes) -> None:
        assert binaries.clean_icc(profile, identifiers=Identifiers()) is None
        dataset = image(ICCProfile=profile)
        clean(dataset, options=OPTIONS)
        assert "ICCProfile" not in dataset


def deflate(dataset: Dataset, *, behind: bytes = b"") -> bytes:
    return to_bytes(dataset, transfer_syntax_uid=DeflatedExplicitVRLittleEndian) + behind


class TestDeflated:
    def test_text_is_gone_from_the_inflated_stream(self) -> None:
        dataset = image(SequenceName="Kowalska", ICCProfile=b"Kowalska Jadwiga, ul. Lipowa 12 ", ImageComments="Zofia")
        outcome, output = process(deflate(dataset), options=OPTIONS)
        assert outcome.verdict is Verdict.PASS, outcome.residue_paths
        plain = deflated.inflate(io.BytesIO(output), scratch=None)
        plain.seek(0)
        content = plain.read().lower()
        assert not any(word in content for word in (b"kowalska", b"lipowa", b"zofia", b"7654321"))
        assert read(output).PixelData == dataset.PixelData

    def test_bytes_behind_the_stream_are_left_out(self) -> None:
        outcome, output = process(deflate(image(), behind=b"Kowalska Jadwiga 7654321"), options=OPTIONS)
        assert outcome.verdict is Verdict.PASS and b"Kowalska" not in output

    def test_bytes_beside_the_image_are_held_back(self) -> None:
        outcome, _output = process(deflate(image(PixelData=bytes(512) + b"Kowalska Jadwiga")), options=OPTIONS)
        assert outcome.reasons == (Reason.PIXEL_LENGTH,)

    def test_a_name_in_the_pixels_is_held_back(self) -> None:
        named = image(PixelData=b"Kowalska".ljust(512, b"\0"), BitsStored=16, HighBit=15)
        outcome, _output = process(deflate(named), options=OPTIONS)
        assert outcome.reasons == (Reason.RESIDUE,)

    def test_a_stream_that_is_cut_or_broken_is_unreadable(self) -> None:
        content = deflate(image())
        for broken in (content[:-60], content[:-60] + b"\xff" * 60):
            assert process(broken)[0].reasons == (Reason.UNREADABLE,)

    def test_a_bomb_is_not_inflated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deflated, "LARGEST", 1 << 20)
        content = deflate(image(Rows=2048, Columns=2048, PixelData=bytes(2 * 2048 * 2048)))
        assert len(content) < 1 << 15
        assert process(content)[0].reasons == (Reason.UNREADABLE,)

    def test_the_output_is_deflated_as_the_standard_says(self) -> None:
        _outcome, output = process(deflate(image()))
        opened = files.open_source(io.BytesIO(output))
        assert opened.is_deflated and len(output) % 2 == 0
        meta_length = struct.unpack("<L", output[140:144])[0]
        assert zlib.decompressobj(-15).decompress(output[144 + meta_length :])


def waveform(*, frequency: float = 500, interpretation: str = "SS") -> Dataset:
    group = Dataset()
    group.SamplingFrequency, group.WaveformSampleInterpretation = frequency, interpretation
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.WaveformBitsAllocated = 1, 8, 16
    group.WaveformOriginality = "ORIGINAL"
    group.add_new(Tag("WaveformData"), "OW", struct.pack("<8h", *range(8)))
    return group


NO_PIXELS: dict[str, Any] = {"PixelData": None, "Rows": None, "Columns": None}


def drawing() -> Dataset:
    line, annotation = Dataset(), Dataset()
    line.GraphicType, line.GraphicData, line.GraphicDimensions = "POLYLINE", [1.0, 1.0, 2.0, 2.0], 2
    annotation.GraphicLayer, annotation.GraphicObjectSequence = "L", [line]
    return annotation


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SOPClassUID": STORAGE + "9.4.1", "Modality": "AU", "WaveformSequence": [waveform()]}, Reason.SOUND),
        ({"SOPClassUID": STORAGE + "9.4.2", "WaveformSequence": [waveform()]}, Reason.SOUND),
        ({"SOPClassUID": STORAGE + "9.1.1", "Modality": "ECG", "WaveformSequence": [waveform(frequency=8000)]}, Reason.SOUND),
        ({"SOPClassUID": STORAGE + "9.1.2", "Modality": "ECG", "WaveformSequence": [waveform(interpretation="MB")]}, Reason.SOUND),
        ({"SOPClassUID": STORAGE + "4", "WaveformSequence": [waveform()]}, Reason.SOUND),
        ({"SOPClassUID": STORAGE + "4", "Modality": "AU"}, Reason.SOUND),
        ({"SOPClassUID": STORAGE + "66.5", "Modality": "SEG"}, Reason.SURFACE),
        ({"SOPClassUID": STORAGE + "68.1", "Modality": "M3D"}, Reason.SURFACE),
        ({"SOPClassUID": STORAGE + "68.2"}, Reason.SURFACE),
        ({"SurfaceSequence": [Dataset()]}, Reason.SURFACE),
        ({"HPGLDocumentSequence": [Dataset()]}, Reason.SURFACE),
        ({"SOPClassUID": STORAGE + "104.3", "Modality": "M3D"}, Reason.ENCAPSULATED_DOCUMENT),
        ({"SOPClassUID": STORAGE + "104.4", "Modality": "M3D"}, Reason.ENCAPSULATED_DOCUMENT),
        ({"SOPClassUID": STORAGE + "104.5", "Modality": "M3D"}, Reason.ENCAPSULATED_DOCUMENT),
        ({"SOPClassUID": STORAGE + "11.1", "Modality": "PR", "GraphicAnnotationSequence": [drawing()]}, Reason.DRAWING),
        ({"SOPClassUID": STORAGE + "91.1", "Modality": "ANN"}, Reason.DRAWING),
        ({"AnnotationGroupSequence": [Dataset()]}, Reason.DRAWING),
    ],
)  # fmt: skip
def test_what_speaks_or_draws_is_held_back(elements: dict[str, Any], reason: Reason) -> None:
    outcome, output = process(image(**{**NO_PIXELS, **elements}), options=OPTIONS)
    assert outcome.verdict is Verdict.HELD_BACK and reason in outcome.reasons and not output


def test_an_electrocardiogram_is_no_speech() -> None:
    dataset = image(SOPClassUID=STORAGE + "9.1.1", Modality="ECG", WaveformSequence=[waveform()], **NO_PIXELS)
    outcome, output = process(dataset, options=OPTIONS)
    assert outcome.verdict is Verdict.PASS, (outcome.reasons, outcome.residue_paths)
    assert len(read(output).WaveformSequence[0].WaveformData) == 16


def test_contours_of_a_structure_set_are_pointed_out() -> None:
    contours = Dataset()
    contours.ReferencedROINumber = 1
    dataset = image(SOPClassUID=STORAGE + "481.3", Modality="RTSTRUCT", ROIContourSequence=[contours], **NO_PIXELS)
    outcome, _output = process(dataset, options=OPTIONS)
    assert (outcome.verdict, outcome.reasons) == (Verdict.PASS_WITH_WARNING, (Reason.CONTOURS,))


class TestOtherCalendars:
    ELEMENTS = {
        "PatientBirthDate": "19430217",
        "PatientBirthDateInAlternativeCalendar": "Showa 18-02-17",
        "PatientDeathDateInAlternativeCalendar": "Heisei 30-01-01",
        "PatientAlternativeCalendar": "JAPANESE",
    }

    @pytest.mark.parametrize("options", [frozenset(), OPTIONS, {Option.RETAIN_PATIENT_CHARACTERISTICS}])
    def test_their_dates_go(self, options: Any) -> None:
        dataset = image(**self.ELEMENTS)
        clean(dataset, options=options)
        assert not any(keyword in dataset for keyword in self.ELEMENTS if "Alternative" in keyword)

    @pytest.mark.parametrize("text", ["Showa 18.2.17", "S18-02-17", "昭和18年2月17日", "2486-02-17", "17.2.1943"])
    def test_a_birth_date_is_found_in_the_years_of_another(self, text: str) -> None:
        sought = Identifiers()
        sought.add_birth_date("19430217")
        assert sought.find(text) == "birth-date"


@pytest.mark.parametrize(
    "keyword", ["CodingSchemeName", "CodingSchemeResponsibleOrganization", "CodingSchemeExternalID"]
)
def test_who_registered_a_scheme_of_codes_is_not_told(keyword: str) -> None:
    item = code("", "99ACME", "")
    del item.CodeValue, item.CodeMeaning
    put(item, keyword, "Zofia Nowakowa, Lipowa 12")
    dataset = image(CodingSchemeIdentificationSequence=[item])
    clean(dataset, options=OPTIONS)
    assert "Zofia" not in str(dataset) and "Lipowa" not in str(dataset)


@pytest.mark.parametrize("root", ["2.16.840.1.113883.3.9021.5", "1.2.840.10008.7654321", "1.2.840.10008.1.2.1"])
def test_uids_under_a_registry_s_root_are_replaced_together(root: str) -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = STORAGE + "4", f"{root}.20200102.2.3"
    before = image(
        SeriesInstanceUID=f"{root}.20200102.2",
        SOPInstanceUID=f"{root}.20200102.2.3",
        FrameOfReferenceUID=f"{root}.9",
        ReferencedImageSequence=[reference],
    )
    outcome, output = process(before, options=OPTIONS)
    after = read(output)
    assert outcome.verdict is Verdict.PASS and root.encode() + b".20200102" not in output
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == after.SOPInstanceUID
    assert after.SOPClassUID == before.SOPClassUID


def test_the_reason_names_the_place_and_never_the_value() -> None:
    dataset = image(VOILUTSequence=[lut(b"Kowalska Jadwiga")])
    outcome = pipeline.process(
        source=io.BytesIO(to_bytes(dataset)), target=io.BytesIO(), settings=make_settings(options=OPTIONS)
    )
    assert outcome.residue_paths == ("VOILUTSequence[1].LUTData",)
