"""Pixels that may show the patient wait for a person; what stands beside compressed pixels comes off or waits too."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

from archive.domain import jpeg
from deid.domain import files, screening_pixels
from deid.domain.findings import RELEASABLE, Reason, Verdict
from tests.archive import bombs
from tests.deid.builders import make_dataset, process, read, to_bytes

jpeg.register()

STORAGE = "1.2.840.10008.5.1.4.1.1."
CT = {"Modality": "CT", "SOPClassUID": STORAGE + "2", "BurnedInAnnotation": "NO"}
CR = {"Modality": "CR", "SOPClassUID": STORAGE + "1", "BurnedInAnnotation": "NO"}
MR = {"BurnedInAnnotation": "NO"}
EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": bytes(256)}
PLANE = {"ImagePositionPatient": [0, 0, 5], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
RGB = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8,
       "BitsStored": 8, "HighBit": 7, "PixelData": bytes(768)}  # fmt: skip
SLIDE = {"Modality": "SM", "SOPClassUID": STORAGE + "77.1.6", "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}


def region() -> list[Dataset]:
    item = Dataset()
    item.RegionSpatialFormat = 1
    return [item]


def nested_region() -> list[Dataset]:
    item = Dataset()
    item.SequenceOfUltrasoundRegions = region()
    return [item]


def frames_with_planes() -> dict[str, Any]:
    position, orientation, frame, shared = Dataset(), Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = PLANE["ImagePositionPatient"]
    orientation.ImageOrientationPatient = PLANE["ImageOrientationPatient"]
    frame.PlanePositionSequence, shared.PlaneOrientationSequence = [position], [orientation]
    return {"PerFrameFunctionalGroupsSequence": [frame], "SharedFunctionalGroupsSequence": [shared]}


# Every one says BurnedInAnnotation NO, or something else that proves nothing.
HELD: dict[str, tuple[dict[str, Any], Reason]] = {
    "ultrasound regions in a CT": ({**CT, "SequenceOfUltrasoundRegions": region()}, Reason.ULTRASOUND_REGIONS),
    "ultrasound regions deeper": ({**CT, "DerivationCodeSequence": nested_region()}, Reason.ULTRASOUND_REGIONS),
    "RGB CT": ({**CT, **RGB}, Reason.COLOUR),
    "RGB MR": ({"BurnedInAnnotation": "NO", **RGB}, Reason.COLOUR),
    "palette CT": ({**CT, "PhotometricInterpretation": "PALETTE COLOR"}, Reason.COLOUR),
    "derived secondary CT": ({**CT, "ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}, Reason.SECONDARY_IMAGE),
    "original secondary MR": ({"ImageType": ["ORIGINAL", "SECONDARY"]}, Reason.SECONDARY_IMAGE),
    "dose sheet by its type": ({**CT, "ImageType": ["ORIGINAL", "PRIMARY", "DOSE_INFO"]}, Reason.SCREEN_SAVE),
    "dose report by its series": ({**CT, "SeriesDescription": "Dose Report"}, Reason.SCREEN_SAVE),
    "patient protocol": ({**CT, "SeriesDescription": "Patient Protocol"}, Reason.SCREEN_SAVE),
    "Dosisbericht": ({**CT, "SeriesDescription": "Dosisbericht"}, Reason.SCREEN_SAVE),
    "rapport de dose": ({**CT, "SeriesDescription": "Rapport de dose"}, Reason.SCREEN_SAVE),
    **{
        f"{keyword} in a CT": ({**CT, keyword: value}, Reason.SECONDARY_CAPTURE)
        for keyword, value in {
            "SecondaryCaptureDeviceID": "SC1",
            "HardcopyCreationDeviceID": "HC1",
            "DateOfSecondaryCapture": "20240131",
            "TimeOfSecondaryCapture": "101500",
            "SecondaryCaptureDeviceManufacturer": "ACME",
            "SecondaryCaptureDeviceManufacturerModelName": "Grab 3",
            "SecondaryCaptureDeviceSoftwareVersions": "1.0",
            "HardcopyDeviceManufacturer": "ACME",
            "HardcopyDeviceSoftwareVersion": "1.0",
            "HardcopyDeviceManufacturerModelName": "Print 3",
            "VideoImageFormatAcquired": "NTSC",
            "DigitalImageFormatAcquired": "DVI",
        }.items()
    },
    "empty capture device in an MR": ({**MR, "SecondaryCaptureDeviceManufacturer": ""}, Reason.SECONDARY_CAPTURE),
    **{
        f"image type {value}": ({**CT, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", value]}, Reason.SCREEN_SAVE)
        for value in (
            "SAVE", "SCREEN SAVE", "SCREEN_SAVE", "SCREENSAVE", "SAVED", "SNAPSHOT", "CSA REPORT", "CT_SOM5 PROT",
            "PASTED", "GRAPH", "TABLE", "RESULT_TABLE", "FORM", "DOSE REPORT", "DOSEINFO", "PROTOCOL",
        )
    },
    **{
        f"series {name}": ({**CT, "SeriesDescription": name}, Reason.SCREEN_SAVE)
        for name in (
            "SAVED IMAGES", "Saved_Image", "Screen Save", "ScreenSaves", "Snapshot", "SNAPSHOT 1", "Dose", "Dosis 997",
            "Dose Info", "Bildschirmfoto", "Bildschirmkopie 2", "Dosisprotokoll", "Patientenprotokoll",
            "Gespeicherte Bilder", "Capture d'écran", "Images sauvegardées", "Fiche de dose", "Compte rendu",
            "Captura de pantalla", "Imágenes guardadas", "Informe de dosis", "Resumo da dose", "Captura de tela",
            "Schermata", "Immagini salvate", "Scheda di dose", "Schermafdruk", "Dosisrapport", "Skärmbild",
            "Skjermbilde", "Skærmbillede", "Kuvakaappaus", "Zrzut ekranu", "Raport dawki", "Snímek obrazovky",
            "Képernyőkép", "Ekran görüntüsü", "Отчет о дозе", "ОТЧЁТ О ДОЗЕ", "Снимок экрана", "Скриншот",
            "Сохраненные изображения", "Στιγμιότυπο οθόνης", "線量レポート", "線量 レポート", "スクリーンショット", "保存画像",
            "剂量报告", "劑量報告", "屏幕截图", "선량 보고서", "화면 캡처",
        )
    },
    "8-bit CT without Image Type": ({**CT, **EIGHT, "ImageType": None}, Reason.NOT_ACQUIRED),
    "8-bit CT": ({**CT, **EIGHT}, Reason.NOT_ACQUIRED),
    "CT of 8 bits in 16": ({**CT, "BitsStored": 8, "HighBit": 7}, Reason.NOT_ACQUIRED),
    **{
        f"class {end} without Image Type": ({**MR, "SOPClassUID": STORAGE + end, "ImageType": None}, Reason.NOT_ACQUIRED)
        for end in ("2", "2.1", "2.2", "4", "4.1", "4.4", "20", "128", "128.1", "130")
    },
    "Image Type of one value": ({**MR, "ImageType": "ORIGINAL"}, Reason.NOT_ACQUIRED),
    "Image Type of no defined value": ({**MR, "ImageType": ["COPY", "PRIMARY"], **PLANE}, Reason.NOT_ACQUIRED),
    "derived and nowhere": ({**MR, "ImageType": ["DERIVED", "PRIMARY", "OTHER"]}, Reason.NOT_ACQUIRED),
    "RT image": (
        {"Modality": "RTIMAGE", "SOPClassUID": STORAGE + "481.1", "BurnedInAnnotation": "NO"},
        Reason.RT_IMAGE,
    ),
    "slide without flags": (SLIDE, Reason.SLIDE_UNSTATED),
    "slide with one flag": ({**SLIDE, "BurnedInAnnotation": "NO"}, Reason.SLIDE_UNSTATED),
    "slide with the other": ({**SLIDE, "SpecimenLabelInImage": "NO"}, Reason.SLIDE_UNSTATED),
    "slide thumbnail": ({**SLIDE, "ImageType": ["ORIGINAL", "PRIMARY", "THUMBNAIL"]}, Reason.SLIDE_LABEL),
    "segmentation": (
        {"Modality": "SEG", "SOPClassUID": STORAGE + "66.4", "BurnedInAnnotation": "NO"},
        Reason.SEGMENTATION,
    ),
    "parametric map": ({"SOPClassUID": STORAGE + "30", "BurnedInAnnotation": "NO"}, Reason.UNUSUAL_IMAGE),
    "colour MR class": ({"SOPClassUID": STORAGE + "4.3", "BurnedInAnnotation": "NO"}, Reason.UNUSUAL_IMAGE),
    "capture that says no": ({"SOPClassUID": STORAGE + "7", "BurnedInAnnotation": "NO"}, Reason.SECONDARY_CAPTURE),
    "ultrasound that says no": ({"Modality": "US", "BurnedInAnnotation": "NO"}, Reason.ULTRASOUND),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_pixels_that_may_show_text_wait_for_a_person(name: str) -> None:
    elements, reason = HELD[name]
    outcome, _output = process(make_dataset(**elements))
    assert outcome.verdict is Verdict.HELD_BACK
    assert reason in outcome.reasons
    assert set(outcome.reasons) <= RELEASABLE


@pytest.mark.parametrize("name", HELD)
def test_who_looked_can_release_them(name: str) -> None:
    elements, reason = HELD[name]
    dataset = make_dataset(**elements)
    held = process(dataset)[0].reasons
    outcome, output = process(make_dataset(**elements), released=frozenset(held))
    assert outcome.verdict is Verdict.PASS_WITH_WARNING
    assert reason in outcome.reasons
    assert read(output).PatientIdentityRemoved == "YES"


def test_what_a_picture_does_not_show_is_released_by_nobody() -> None:
    everything = frozenset(Reason)
    for elements in (
        {"SOPClassUID": STORAGE + "104.1", "EncapsulatedDocument": b"%PDF"},
        {"SOPClassUID": STORAGE + "88.11", "Modality": "SR"},
        {"RecognizableVisualFeatures": "YES"},
        {"PixelData": bytes(512) + b"Alonso Quixano"},
        {"SOPClassUID": STORAGE + "66"},
    ):
        assert process(make_dataset(**elements), released=everything)[0].verdict is Verdict.HELD_BACK


@pytest.mark.parametrize(
    "elements",
    [
        CT,
        {**CT, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
        {**CT, "SeriesDescription": "Thorax low dose 1.0"},
        *(
            {**MR, "ImageType": ["ORIGINAL", "PRIMARY", value]}
            for value in (
                "PROTON_DENSITY",
                "PROTON DENSITY",
                "UNIFORM",
                "PERFORMED",
                "ANGIOGRAPHY",
                "TOMOGRAPHY",
                "WAVEFORM",
                "STABLE",
                "TABLE_MOVE",
                "MOVING_TABLE",
                "M_SE",
                "TOMO_PROJ",
                "SCREENING",
            )
        ),
        {**CT, "ImageType": ["DERIVED", "PRIMARY", "REFORMATTED"], **PLANE},
        *(
            {**CT, "SeriesDescription": name}
            for name in (
                "SnapShot Freeze 75%",
                "SNAPSHOT PULSE",
                "SnapShot 70-80%",
                "SnapShot Segment 40%",
                "Low Dose Chest",
                "Baja dosis",
                "Niedrigdosis Thorax",
                "Lung screening",
                "Whole spine screen",
                "低線量CT",
                "低剂量胸部",
                "저선량 흉부",
                "T2 uniform",
                "Proton density",
                "Protocol 3 TOF",
                "ANGIO TABLE",
                "Scanner dosimétrie",
                "Reported pain left",
            )
        ),
        {"SOPClassUID": STORAGE + "4.1", "ImageType": ["MIXED", "PRIMARY", "M", "NONE"], **frames_with_planes()},
        {**SLIDE, "BurnedInAnnotation": "NO", "SpecimenLabelInImage": "NO"},
    ],
)
def test_images_of_a_scanner_still_pass(elements: dict[str, Any]) -> None:
    assert process(make_dataset(**elements))[0].verdict is Verdict.PASS


# -- beside compressed pixels ----------------------------------------------------------------------------------------------

NAME = b"Quixano^Alonso 0007654321"


def grey(shift: int = 0) -> np.ndarray[Any, Any]:
    return ((np.arange(256).reshape(16, 16) * 7 + shift * 31) % 256).astype(np.uint8)


def rle(image: np.ndarray[Any, Any]) -> bytes:
    from pydicom.uid import RLELossless

    dataset = make_dataset(**CR, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=image.tobytes())
    dataset["PixelData"].VR = "OB"
    to_bytes(dataset)
    dataset.compress(RLELossless)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


CODERS: dict[str, tuple[str, Callable[..., Any]]] = {
    "JPEG": (f"{bombs.SYNTAX}50", imagecodecs.jpeg8_encode),
    "JPEG lossless": (f"{bombs.SYNTAX}70", lambda image: imagecodecs.jpeg8_encode(image, lossless=True)),
    "JPEG-LS": (f"{bombs.SYNTAX}80", imagecodecs.jpegls_encode),
    "JPEG 2000": (
        f"{bombs.SYNTAX}90",
        lambda image: imagecodecs.jpeg2k_encode(image, reversible=True, codecformat="j2k"),
    ),
    "HTJ2K": (f"{bombs.SYNTAX}201", lambda image: imagecodecs.htj2k_encode(image, reversible=True)),
    "RLE": (bombs.RLE, rle),
}


def coded(
    frames: list[bytes], *, syntax: str, number: int | None = None, raw: bytes | None = None, **elements: Any
) -> bytes:
    """`raw` is the whole value of the pixel data where it is not to be written properly."""
    dataset = make_dataset(
        BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames=number or len(frames), PixelData=b"", **CR, **elements
    )
    dataset.PixelData = encapsulate(frames) if raw is None else raw
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return to_bytes(dataset, transfer_syntax_uid=UID(syntax))


def items(*values: bytes) -> bytes:
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value for value in values)


def even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def comes_out_clean(content: bytes, *, images: list[np.ndarray[Any, Any]], lossy: bool) -> None:
    outcome, output = process(content)
    assert outcome.verdict is Verdict.PASS, outcome.reasons
    for part in (b"Quixano", b"Alonso", b"0007654321"):
        assert part not in output
    dataset = read(output)
    pixels = dataset.pixel_array.reshape(len(images), 16, 16)
    for image, found in zip(images, pixels, strict=True):
        assert np.abs(found.astype(int) - image).max() <= (60 if lossy else 0)
    opened = files.open_source(io.BytesIO(output))
    assert screening_pixels.screen(opened) == []
    assert opened.coded is not None and opened.pixels is not None
    assert b"".join(opened.coded.write(opened.stream)) == output[opened.pixels.start :], "clean stays as it is"


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("name", CODERS)
def test_bytes_behind_the_end_of_the_image_come_off(name: str) -> None:
    syntax, encode = CODERS[name]
    frame = bytes(encode(grey()))
    comes_out_clean(coded([even(frame + NAME)], syntax=syntax), images=[grey()], lossy=name == "JPEG")


@pytest.mark.parametrize("name", CODERS)
def test_offset_tables_and_extra_fragments_come_off(name: str) -> None:
    syntax, encode = CODERS[name]
    frame = even(bytes(encode(grey())))
    lossy = name == "JPEG"
    for raw in (
        items(even(NAME + b"...."), frame),
        items(b"", frame, even(NAME)),
        items(struct.pack("<I", 0), frame, even(NAME), even(NAME)),
    ):
        comes_out_clean(coded([frame], syntax=syntax, raw=raw), images=[grey()], lossy=lossy)
    second = even(bytes(encode(grey(3))))
    raw = items(struct.pack("<II", 0, len(frame) + 8), frame, second, even(NAME))
    comes_out_clean(coded([frame], syntax=syntax, number=2, raw=raw), images=[grey(), grey(3)], lossy=lossy)


@pytest.mark.parametrize("name", ["JPEG", "RLE"])
def test_extended_offset_tables_are_not_taken_over(name: str) -> None:
    syntax, encode = CODERS[name]
    frame = even(bytes(encode(grey())))
    table = even(NAME).ljust(32, b"\0")
    content = coded(
        [frame, frame], syntax=syntax, raw=items(b"", frame, frame), ExtendedOffsetTable=table,
        ExtendedOffsetTableLengths=table,
    )  # fmt: skip
    comes_out_clean(content, images=[grey(), grey()], lossy=name == "JPEG")


@pytest.mark.parametrize("marker", [0xFE, *range(0xE0, 0xF0)])
@pytest.mark.parametrize("name", ["JPEG", "JPEG lossless", "JPEG-LS"])
def test_comments_and_application_data_come_off(name: str, marker: int) -> None:
    syntax, encode = CODERS[name]
    plain = bytes(encode(grey()))
    frame = plain[:2] + segment(marker, NAME) + plain[2:]
    comes_out_clean(coded([even(frame)], syntax=syntax), images=[grey()], lossy=name == "JPEG")


@pytest.mark.parametrize("name", ["JPEG 2000", "HTJ2K"])
def test_comments_and_boxes_of_jpeg_2000_come_off(name: str) -> None:
    syntax, encode = CODERS[name]
    plain = bytes(encode(grey()))
    at = plain.index(b"\xff\x52")
    frame = plain[:at] + segment(0x64, b"\0\1Kakadu " + NAME) + plain[at:]
    comes_out_clean(coded([even(frame)], syntax=syntax), images=[grey()], lossy=False)
    if name == "JPEG 2000":
        boxed = bytes(imagecodecs.jpeg2k_encode(grey(), reversible=True, codecformat="jp2"))
        told = boxed + struct.pack(">I", 8 + len(NAME)) + b"xml " + NAME
        comes_out_clean(coded([even(told)], syntax=syntax), images=[grey()], lossy=False)


def test_what_cannot_be_taken_apart_is_held_back_and_a_look_does_not_release_it() -> None:
    frame = even(bytes(imagecodecs.jpegxl_encode(grey(), lossless=True)))
    jpeg_xl = coded([frame], syntax="1.2.840.10008.1.2.4.102").replace(b"1.2.4.102", b"1.2.4.110")
    outcome, _output = process(jpeg_xl, released=frozenset(Reason))
    assert outcome.verdict is Verdict.HELD_BACK
    assert Reason.COMPRESSED_COMMENT in outcome.reasons
    for syntax, encode in CODERS.values():
        broken = even(bytes(encode(grey()))[:-20])
        assert process(coded([broken], syntax=syntax))[0].verdict is Verdict.HELD_BACK


@pytest.mark.parametrize("name", bombs.FRAMES)
def test_a_bomb_is_held_back_before_anything_decodes_it(name: str) -> None:
    syntax, make, _bits = bombs.FRAMES[name]
    content = coded([even(make(30_000))], syntax=syntax if name != "JPEG XL" else f"{bombs.SYNTAX}80")
    assert process(content)[0].reasons == (Reason.DAMAGED_PIXELS,)
