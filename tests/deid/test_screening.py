"""What is held back, and why; what passes; the way of the bytes through the file layer."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from deid.domain import files, pipeline, screening
from deid.domain.findings import Reason, Severity, Verdict
from deid.domain.identifiers import DEFINED_TERMS
from deid.reasons import EXPLANATIONS
from tests.deid.builders import make_dataset, make_settings, process, read, to_bytes

STORAGE = "1.2.840.10008.5.1.4.1.1."
HELD: list[tuple[str, dict[str, Any], Reason]] = [
    ("burned in", {"BurnedInAnnotation": "YES"}, Reason.BURNED_IN),
    ("burned in, odd value", {"BurnedInAnnotation": "MAYBE"}, Reason.BURNED_IN),
    ("other modality without a word", {"Modality": "OT"}, Reason.BURNED_IN_LIKELY),
    ("endoscopy", {"Modality": "ES"}, Reason.BURNED_IN_LIKELY),
    ("photo", {"Modality": "XC", "BurnedInAnnotation": "NO"}, Reason.PHOTOGRAPH),
    ("no modality", {"Modality": None}, Reason.BURNED_IN_LIKELY),
    ("ultrasound", {"SOPClassUID": STORAGE + "6.1", "Modality": "US", "BurnedInAnnotation": "NO"}, Reason.ULTRASOUND),
    ("ultrasound multi-frame", {"SOPClassUID": STORAGE + "3.1"}, Reason.ULTRASOUND),
    ("intravascular", {"Modality": "IVUS"}, Reason.ULTRASOUND),
    ("secondary capture", {"SOPClassUID": STORAGE + "7", "BurnedInAnnotation": "NO"}, Reason.SECONDARY_CAPTURE),
    ("multi-frame capture", {"SOPClassUID": STORAGE + "7.4"}, Reason.SECONDARY_CAPTURE),
    ("capture in another class", {"ConversionType": "WSD"}, Reason.SECONDARY_CAPTURE),
    ("screen save", {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, Reason.SCREEN_SAVE),
    ("dose sheet", {"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO", "REPORT"]}, Reason.SCREEN_SAVE),
    ("scanned film", {"ConversionType": "DF"}, Reason.DIGITIZED_FILM),
    ("pdf", {"SOPClassUID": STORAGE + "104.1", "EncapsulatedDocument": b"%PDF"}, Reason.ENCAPSULATED_DOCUMENT),
    ("cda", {"SOPClassUID": STORAGE + "104.2"}, Reason.ENCAPSULATED_DOCUMENT),
    ("report", {"SOPClassUID": STORAGE + "88.11", "Modality": "SR"}, Reason.STRUCTURED_REPORT),
    ("key objects", {"SOPClassUID": STORAGE + "88.59", "Modality": "KO"}, Reason.STRUCTURED_REPORT),
    ("video class", {"SOPClassUID": STORAGE + "77.1.4.1"}, Reason.VIDEO),
    (
        "slide label",
        {"SOPClassUID": STORAGE + "77.1.6", "ImageType": ["ORIGINAL", "PRIMARY", "LABEL"]},
        Reason.SLIDE_LABEL,
    ),
    ("label in image", {"SpecimenLabelInImage": "YES"}, Reason.SLIDE_LABEL),
    ("face", {"RecognizableVisualFeatures": "YES"}, Reason.RECOGNIZABLE_FEATURES),
    ("raw data", {"SOPClassUID": STORAGE + "66"}, Reason.RAW_DATA),
    ("private class", {"SOPClassUID": "1.3.12.2.1107.5.9.1"}, Reason.UNKNOWN_CLASS),
]


@pytest.mark.parametrize(("elements", "reason"), [case[1:] for case in HELD], ids=[case[0] for case in HELD])
def test_held_back(elements: dict[str, Any], reason: Reason) -> None:
    outcome, _output = process(make_dataset(**elements))
    assert outcome.verdict is Verdict.HELD_BACK
    assert reason in outcome.reasons


def test_a_presentation_state_with_text_is_held_back_and_one_without_passes() -> None:
    annotation = Dataset()
    annotation.GraphicLayer, annotation.TextObjectSequence = "L", [Dataset()]
    pr = {"SOPClassUID": STORAGE + "11.1", "Modality": "PR", "PixelData": None, "Rows": None, "Columns": None}
    assert process(make_dataset(GraphicAnnotationSequence=[annotation], **pr))[0].reasons == (Reason.TEXT_ANNOTATION,)
    assert process(make_dataset(**pr))[0].verdict is Verdict.PASS


def test_an_overlay_in_the_pixels_is_held_back() -> None:
    dataset = make_dataset()
    dataset.add(DataElement(0x60000010, "US", 16))
    dataset.add(DataElement(0x60000102, "US", 12))
    assert Reason.OVERLAY_IN_PIXELS in process(dataset)[0].reasons


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"Modality": "CT", "SOPClassUID": STORAGE + "2", "BodyPartExamined": "CHEST"},
        {
            "ImageType": ["DERIVED", "PRIMARY", "ADC"],
            "ImagePositionPatient": [0, 0, 5],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        },
        {"Modality": "MG", "SOPClassUID": STORAGE + "1.2", "BurnedInAnnotation": "NO"},
    ],
)
def test_images_of_the_examination_pass(elements: dict[str, Any]) -> None:
    assert process(make_dataset(**elements))[0].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "CT", "SOPClassUID": STORAGE + "2", "BodyPartExamined": "HEAD"}, Reason.FACE),
        ({"BodyPartExamined": None, "SeriesDescription": "T1 brain"}, Reason.FACE),
        ({"Modality": "CR", "SOPClassUID": STORAGE + "1"}, Reason.BURNED_IN_UNSTATED),
    ],
)
def test_a_warning_lets_it_pass(elements: dict[str, Any], reason: Reason) -> None:
    outcome, output = process(make_dataset(**elements))
    assert (outcome.verdict, outcome.reasons) == (Verdict.PASS_WITH_WARNING, (reason,))
    assert output


def test_every_reason_is_explained_and_says_what_to_do() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    for explanation in EXPLANATIONS.values():
        assert (
            str(explanation.title) and str(explanation.sentence).endswith(".") and str(explanation.remedy).endswith(".")
        )


def test_defined_terms_are_folded() -> None:
    assert all(term == term.casefold() for term in DEFINED_TERMS)


class TestEncodings:
    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
    def test_native_pixels_are_the_same_in_every_encoding(self, syntax: Any) -> None:
        dataset = make_dataset(PatientName="Quixano^Alonso", BitsStored=16, HighBit=15)
        content = _encoded(dataset, syntax=syntax)
        outcome, output = process(content)
        assert outcome.verdict is Verdict.PASS
        after = read(output)
        assert after.file_meta.TransferSyntaxUID == syntax
        assert after.PixelData == read(content).PixelData
        assert (after.pixel_array == read(content).pixel_array).all()
        assert "Quixano" not in str(after)

    def test_fragments_pass_as_they_are(self) -> None:
        frames = [_jpeg(shift=number) for number in range(3)]
        content = _compressed(frames, syntax=JPEGBaseline8Bit)
        outcome, output = process(content)
        assert outcome.verdict is Verdict.PASS
        assert read(output).PixelData == read(content).PixelData
        assert output.endswith(struct.pack("<HHL", 0xFFFE, 0xE0DD, 0))

    def test_what_follows_the_pixel_data_is_left_out(self) -> None:
        dataset = make_dataset()
        dataset.add(DataElement(0xFFFCFFFC, "OB", b"Alonso Quixano"))
        outcome, output = process(dataset)
        assert outcome.verdict is Verdict.PASS and b"Quixano" not in output
        assert 0xFFFCFFFC not in read(output)

    def test_bytes_beside_the_image_are_held_back(self) -> None:
        outcome, _output = process(make_dataset(PixelData=bytes(512) + b"Alonso Quixano"))
        assert outcome.reasons == (Reason.PIXEL_LENGTH,)

    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
    @pytest.mark.parametrize("surplus", [2, 6, 512])
    def test_zeros_behind_the_image_come_off(self, syntax: Any, surplus: int) -> None:
        image = np.arange(256, dtype=np.uint16).tobytes()
        content = _encoded(make_dataset(PixelData=image + bytes(surplus), BitsStored=16, HighBit=15), syntax=syntax)
        outcome, output = process(content)
        assert outcome.verdict is Verdict.PASS, outcome.reasons
        after = read(output)
        assert after.PixelData == read(content).PixelData[:512]
        assert output.endswith(after.PixelData) or syntax == DeflatedExplicitVRLittleEndian

    def test_zeros_behind_an_odd_number_of_bytes_leave_the_one_of_the_standard(self) -> None:
        eight = {"Modality": "CR", "SOPClassUID": STORAGE + "1", "BurnedInAnnotation": "NO", "BitsAllocated": 8,
                 "BitsStored": 8, "HighBit": 7, "Rows": 3, "Columns": 3}  # fmt: skip
        outcome, output = process(make_dataset(**eight, PixelData=bytes(range(1, 10)) + bytes(7)))
        assert outcome.verdict is Verdict.PASS, outcome.reasons
        assert read(output).PixelData == bytes(range(1, 10)) + b"\0"

    def test_one_letter_among_the_zeros_holds_the_image_back(self) -> None:
        for behind in (b"Q" + bytes(63), bytes(63) + b"Q"):
            outcome, _output = process(make_dataset(PixelData=bytes(512) + behind))
            assert outcome.reasons == (Reason.PIXEL_LENGTH,)

    def test_a_private_transfer_syntax_is_held_back(self) -> None:
        content = to_bytes(make_dataset()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")
        assert Reason.PRIVATE_TRANSFER_SYNTAX in process(content)[0].reasons

    def test_a_file_cut_at_any_byte_is_never_passed_as_whole(self) -> None:
        content = to_bytes(make_dataset())
        end = content.index(struct.pack("<HH", 0x7FE0, 0x0010))
        for length in [*range(0, end, 37), *range(end + 1, len(content), 61)]:
            outcome = pipeline.process(
                source=io.BytesIO(content[:length]), target=io.BytesIO(), settings=make_settings()
            )
            assert outcome.verdict is Verdict.HELD_BACK or not _is_image(content[:length]), length

    def test_pixel_data_is_never_wholly_in_memory(self, tmp_path: Path) -> None:
        size = 64 << 20
        dataset = make_dataset(Rows=4096, Columns=4096, BitsAllocated=16, NumberOfFrames=2, PixelData=bytes(size))
        path = tmp_path / "large.dcm"
        path.write_bytes(to_bytes(dataset))
        del dataset
        with path.open("rb") as source, (tmp_path / "out.dcm").open("w+b") as target:
            tracemalloc.start()
            outcome = pipeline.process(source=source, target=target, settings=make_settings())
            _now, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert outcome.verdict is Verdict.PASS
            assert target.seek(0, 2) > size
        assert peak < 12 << 20


def _is_image(content: bytes) -> bool:
    """Whether the header got as far as saying that there is an image."""
    return "Columns" in read(content)


def _encoded(dataset: Dataset, *, syntax: Any) -> bytes:
    if syntax == ExplicitVRBigEndian or "PixelData" in dataset:
        dataset["PixelData"].VR = "OW"
    return to_bytes(dataset, transfer_syntax_uid=syntax)


def _compressed(frames: list[bytes], *, syntax: Any) -> bytes:
    dataset = make_dataset(
        Modality="CR",
        SOPClassUID=STORAGE + "1",
        BurnedInAnnotation="NO",
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        NumberOfFrames=len(frames),
        PixelData=encapsulate(frames),
    )
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return to_bytes(dataset, transfer_syntax_uid=syntax)


def _jpeg(*, shift: int = 0) -> bytes:
    frame = bytes(imagecodecs.jpeg8_encode(((np.arange(256) * 7 + shift * 31) % 256).astype(np.uint8).reshape(16, 16)))
    return frame + b"\0" * (len(frame) % 2)


def test_findings_name_their_severity() -> None:
    found = screening.screen(make_dataset(Modality="US"), transfer_syntax="1.2.840.10008.1.2")
    assert found[0].severity is Severity.HOLD_BACK


def test_one_object_that_cannot_be_written_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "write", lambda **_arguments: next(iter(())))
    outcome, _output = process(make_dataset())
    assert (outcome.reasons, outcome.error) == ((Reason.NOT_PROCESSED,), "StopIteration")
