"""Images with known values, made here: what the viewer measures on them is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import compress, set_pixel_data
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

Pixels = NDArray[Any]


def uid(*parts: object) -> str:
    """A UID that is the same for the same words."""
    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


def image(
    pixels: Pixels,
    *,
    series: str,
    number: int = 1,
    study: str = "study",
    modality: str = "CT",
    sop_class: str = CTImageStorage,
    series_number: int = 1,
    description: str = "",
    photometric: str = "MONOCHROME2",
    bits_stored: int | None = None,
    spacing: tuple[float, float] | None = (1.0, 1.0),
    position: Sequence[float] | None = None,
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    frame_of_reference: str | None = "frame-of-reference",
    slope: float | None = None,
    intercept: float | None = None,
    window: tuple[float, float] | None = None,
    thickness: float | None = None,
    **more: Any,
) -> Dataset:
    """One instance. `pixels` is rows × columns, frames × rows × columns, or with a last axis of 3 for colour."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = uid(study, series, number)
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = uid(study)
    dataset.SeriesInstanceUID = uid(study, series)
    dataset.StudyDate = "20240229"
    dataset.Modality = modality
    dataset.SeriesNumber = series_number
    dataset.SeriesDescription = description
    dataset.InstanceNumber = number
    dataset.PatientName = "Phantom^Test"
    dataset.PatientID = "P1"
    if frame_of_reference and position is not None:
        dataset.FrameOfReferenceUID = uid(frame_of_reference)
    if position is not None:
        dataset.ImagePositionPatient = [float(v) for v in position]
        dataset.ImageOrientationPatient = [float(v) for v in orientation]
    if spacing:
        dataset.PixelSpacing = [float(v) for v in spacing]
    if thickness:
        dataset.SliceThickness = thickness
    if slope is not None:
        dataset.RescaleSlope = slope
        dataset.RescaleIntercept = intercept or 0
    if window:
        dataset.WindowCenter, dataset.WindowWidth = window
    bits = bits_stored or pixels.dtype.itemsize * 8
    set_pixel_data(dataset, pixels, photometric, bits, generate_instance_uid=False)
    for name, value in more.items():
        setattr(dataset, name, value)
    return dataset


def compressed(dataset: Dataset, transfer_syntax: str, **options: Any) -> Dataset:
    compress(dataset, transfer_syntax, generate_instance_uid=False, **options)
    return dataset


def measuring_ct(*, slices: int = 12) -> list[Dataset]:
    """A CT of air (-1000 HU) with a disc of 60 HU and a bar whose ends lie exactly 60 mm apart.

    Pixels are 0.5 mm wide and 0.8 mm high, so that exchanging rows and columns shows. Slices are 3 mm apart; slice k
    (from the head) has a dot of value 100 + k at column 10, row 10.
    """
    found = []
    rows, columns = 200, 320
    for k in range(slices):
        hounsfield = np.full((rows, columns), -1000, dtype=np.int16)
        y, x = np.mgrid[0:rows, 0:columns]
        hounsfield[((x - 160) * 0.5) ** 2 + ((y - 100) * 0.8) ** 2 <= 20**2] = 60
        hounsfield[40, 100:221] = 500
        hounsfield[10, 10] = 100 + k
        found.append(
            image(
                (hounsfield + 1024).astype(np.uint16),
                series="measuring",
                number=k + 1,
                description="Measuring phantom",
                spacing=(0.8, 0.5),
                position=(-80.0, -80.0, 300.0 - 3.0 * k),
                slope=1,
                intercept=-1024,
                window=(40, 400),
                bits_stored=12,
                thickness=3,
            )
        )
    return found


def sagittal_mr(*, slices: int = 9) -> list[Dataset]:
    """An MR in sagittal planes in the frame of reference of `measuring_ct`."""
    found = []
    for k in range(slices):
        pixels = np.tile(np.arange(160, dtype=np.uint16) * 6, (120, 1)) + np.uint16(k)
        found.append(
            image(
                pixels,
                series="sagittal",
                number=k + 1,
                series_number=2,
                modality="MR",
                sop_class=MRImageStorage,
                description="Sagittal T2",
                spacing=(1.0, 1.0),
                position=(-20.0 + 5.0 * k, -80.0, 330.0),
                orientation=(0, 1, 0, 0, 0, -1),
                window=(480, 960),
            )
        )
    return found


def second_axial(*, slices: int = 24) -> list[Dataset]:
    """Axial planes again, 1.5 mm apart: for linked scrolling by position."""
    return [
        image(
            np.full((100, 160), 1024 + k, dtype=np.uint16),
            series="thin",
            number=k + 1,
            series_number=3,
            description="Thin",
            spacing=(1.6, 1.0),
            position=(-80.0, -80.0, 300.0 - 1.5 * k),
            slope=1,
            intercept=-1024,
            window=(40, 400),
            bits_stored=12,
        )
        for k in range(slices)
    ]


def ultrasound_clip(*, frames: int = 20) -> Dataset:
    """A colour clip without geometry: lengths are in pixels."""
    pixels = np.zeros((frames, 120, 160, 3), dtype=np.uint8)
    for k in range(frames):
        pixels[k, 40:80, 4 + 6 * k : 24 + 6 * k] = (200, 120, 40)
    return image(
        pixels,
        series="clip",
        series_number=4,
        modality="US",
        sop_class=UltrasoundMultiFrameImageStorage,
        description="Clip",
        photometric="RGB",
        spacing=None,
        FrameTime=40.0,
    )


def report() -> Dataset:
    """A small structured report."""

    def code(value: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        return item

    def text(concept: Dataset, words: str) -> Dataset:
        item = Dataset()
        item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
        item.ConceptNameCodeSequence = DicomSequence([concept])
        item.TextValue = words
        return item

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    dataset.SOPInstanceUID = uid("study", "report", 1)
    dataset.StudyInstanceUID = uid("study")
    dataset.SeriesInstanceUID = uid("study", "report")
    dataset.Modality = "SR"
    dataset.SeriesNumber = 9
    dataset.InstanceNumber = 1
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = DicomSequence([code("121060", "Imaging report")])
    dataset.ContentSequence = DicomSequence([text(code("121071", "Finding"), "A disc of 60 HU in air.")])
    return dataset


def enhanced_ct(*, frames: int = 6) -> Dataset:
    """One enhanced CT object: geometry per frame in functional groups (PS3.3 C.7.6.16)."""
    pixels = np.stack([np.full((64, 64), 1024 + 10 * k, dtype=np.uint16) for k in range(frames)])
    dataset = image(
        pixels,
        series="enhanced",
        series_number=5,
        sop_class=EnhancedCTImageStorage,
        description="Enhanced CT",
        spacing=None,
        position=None,
        bits_stored=12,
        FrameOfReferenceUID=uid("enhanced-frame-of-reference"),
    )
    shared = Dataset()
    orientation, measures, rescale, voi = Dataset(), Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.7], 2
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, -1024, "HU"
    voi.WindowCenter, voi.WindowWidth = 40, 400
    shared.PlaneOrientationSequence = DicomSequence([orientation])
    shared.PixelMeasuresSequence = DicomSequence([measures])
    shared.PixelValueTransformationSequence = DicomSequence([rescale])
    shared.FrameVOILUTSequence = DicomSequence([voi])
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    groups = []
    for k in range(frames):
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 2.0 * k]
        group.PlanePositionSequence = DicomSequence([position])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
    return dataset


def capture(pixels: Pixels, *, series: str, number: int = 1, **options: Any) -> Dataset:
    return image(
        pixels,
        series=series,
        number=number,
        study="codecs",
        modality="OT",
        sop_class=SecondaryCaptureImageStorage,
        spacing=None,
        **options,
    )
