"""Turning arrays into valid DICOM files (PS3.3): the modules each kind of image needs, and lossless encoding."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
)

from pacsweb.demo.phantoms.model import Lesion, PhantomInstance, PhantomSeries, Visit, uid

IMPLEMENTATION = UID(uid("implementation"))

__all__ = ["ExplicitVRLittleEndian", "HTJ2KLossless", "JPEGLSLossless", "RLELossless"]


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return a code sequence item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


@dataclass(frozen=True)
class Equipment:
    manufacturer: str
    model: str
    station: str
    software: str = "1.0"
    serial: str = "000001"


CT_SCANNER = Equipment("PACSWeb Phantom Works", "Rotor 128", "CT01", "4.2", "30117")
MR_SCANNER = Equipment("PACSWeb Phantom Works", "Larmor 3T", "MR01", "7.0", "20881")
DX_ROOM = Equipment("PACSWeb Phantom Works", "Planar DR", "DX02", "2.9", "11902")
CR_READER = Equipment("PACSWeb Phantom Works", "Plate CR", "CR01", "1.8", "10233")
US_SCANNER = Equipment("PACSWeb Phantom Works", "Echo 9", "US03", "5.1", "40710")
MG_ROOM = Equipment("PACSWeb Phantom Works", "Senses FFDM", "MG01", "3.3", "50444")


@dataclass
class SeriesPlan:
    """What is common to the instances of one series."""

    visit: Visit
    number: int
    modality: str
    description: str
    sop_class: UID
    equipment: Equipment
    body_part: str
    transfer_syntax: UID = ExplicitVRLittleEndian
    laterality: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def series_uid(self) -> str:
        return uid(self.visit.key, "series", self.number)

    def instance_uid(self, number: int) -> str:
        return uid(self.visit.key, "series", self.number, "instance", number)

    @property
    def frame_of_reference_uid(self) -> str:
        return uid(self.visit.key, "frame-of-reference")


def _clock(visit: Visit, plus_seconds: float) -> str:
    start = int(visit.time[:2]) * 3600 + int(visit.time[2:4]) * 60 + int(visit.time[4:6])
    at = (start + plus_seconds) % 86400
    return f"{int(at // 3600):02d}{int(at % 3600 // 60):02d}{int(at % 60):02d}.{int(at % 1 * 1000):03d}"


def base_dataset(plan: SeriesPlan, number: int) -> Dataset:
    """Return patient, study, series, equipment and SOP common modules for one instance."""
    visit, person = plan.visit, plan.visit.person
    ds = Dataset()
    sets = person.character_set.split("\\")
    ds.SpecificCharacterSet = sets if len(sets) > 1 else sets[0]
    ds.SOPClassUID = plan.sop_class
    ds.SOPInstanceUID = plan.instance_uid(number)
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = visit.date
    ds.StudyTime = _clock(visit, 0)
    ds.SeriesTime = _clock(visit, 60 * plan.number)
    ds.AcquisitionTime = ds.ContentTime = _clock(visit, 60 * plan.number + 0.4 * number)
    ds.AccessionNumber = visit.accession
    ds.Modality = plan.modality
    ds.Manufacturer = plan.equipment.manufacturer
    ds.InstitutionName = visit.institution
    ds.ReferringPhysicianName = visit.referring
    ds.StationName = plan.equipment.station
    ds.StudyDescription = visit.description
    ds.SeriesDescription = plan.description
    ds.ManufacturerModelName = plan.equipment.model
    ds.DeviceSerialNumber = plan.equipment.serial
    ds.SoftwareVersions = plan.equipment.software
    ds.PatientName = person.name
    ds.PatientID = person.patient_id
    ds.IssuerOfPatientID = person.issuer
    ds.PatientBirthDate = person.birth_date
    ds.PatientSex = person.sex
    ds.PatientAge = visit.age
    ds.PatientSize = f"{person.height_m:.2f}"
    ds.PatientWeight = f"{person.weight_kg:.0f}"
    if person.comments:
        ds.PatientComments = person.comments
    if visit.indication:
        ds.AdditionalPatientHistory = visit.indication
    ds.BodyPartExamined = plan.body_part
    ds.StudyInstanceUID = visit.study_uid
    ds.SeriesInstanceUID = plan.series_uid
    ds.StudyID = visit.accession[-8:]
    ds.SeriesNumber = plan.number
    ds.InstanceNumber = number
    for keyword, value in plan.extra.items():
        setattr(ds, keyword, value)
    if person.is_pseudonym:
        _name_nobody(ds)
    return ds


def _name_nobody(ds: Dataset) -> None:
    """A subject that goes by a code: what an archive of de-identified images wants to see on arrival."""
    ds.PatientName = ds.PatientID
    for keyword in ("PatientBirthDate", "AccessionNumber", "StudyID", "ReferringPhysicianName"):
        setattr(ds, keyword, "")
    del ds.InstitutionName
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Phantom: never a person"


def encode(ds: Dataset, pixels: npt.NDArray[Any], transfer_syntax: UID, *, bits_stored: int) -> bytes:
    """Return the complete file: image pixel module, lossless pixel data and file meta information.

    ``pixels`` is rows × columns or frames × rows × columns, with integer values that fit ``bits_stored``.
    """
    frames = pixels[None] if pixels.ndim == 2 else pixels
    signed = frames.dtype.kind == "i"
    ds.SamplesPerPixel = 1
    if "PhotometricInterpretation" not in ds:
        ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = frames.shape[1:]
    ds.BitsAllocated = frames.dtype.itemsize * 8
    ds.BitsStored = bits_stored
    ds.HighBit = bits_stored - 1
    ds.PixelRepresentation = int(signed)
    if transfer_syntax == ExplicitVRLittleEndian:
        data = np.ascontiguousarray(frames).astype(frames.dtype.newbyteorder("<")).tobytes()
        ds.PixelData = data if len(data) % 2 == 0 else data + b"\0"
        ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    else:
        ds.PixelData = encapsulate([_encode_frame(frame, transfer_syntax, bits_stored) for frame in frames])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "PACSWEB_DEMO_1"
    ds.file_meta = meta
    out = io.BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def _encode_frame(frame: npt.NDArray[Any], transfer_syntax: UID, bits_stored: int) -> bytes:
    frame = np.ascontiguousarray(frame)
    if transfer_syntax == JPEGLSLossless:
        # JPEG-LS carries samples without a sign; two's complement within BitsStored keeps the bits.
        unsigned = frame.view(f"u{frame.dtype.itemsize}")
        if frame.dtype.kind == "i":
            unsigned = unsigned & np.array((1 << bits_stored) - 1, unsigned.dtype)
        return bytes(imagecodecs.jpegls_encode(unsigned))
    if transfer_syntax == HTJ2KLossless:
        return bytes(imagecodecs.htj2k_encode(frame, reversible=True))
    if transfer_syntax == RLELossless:
        from pydicom.pixels.encoders.base import get_encoder

        return get_encoder(RLELossless).encode(
            frame.tobytes(),
            encoding_plugin="pylibjpeg",
            rows=frame.shape[0],
            columns=frame.shape[1],
            samples_per_pixel=1,
            photometric_interpretation="MONOCHROME2",
            bits_allocated=frame.dtype.itemsize * 8,
            bits_stored=bits_stored,
            pixel_representation=int(frame.dtype.kind == "i"),
            number_of_frames=1,
        )
    raise ValueError(f"no encoder for {transfer_syntax.name}")


@dataclass(frozen=True)
class VolumeGeometry:
    """Where an axial stack lies: first pixel of the first (topmost) slice, spacing downwards."""

    origin: tuple[float, float, float]
    pixel: float
    spacing: float
    thickness: float

    def position(self, index: int) -> tuple[float, float, float]:
        """Return the patient position of the first pixel of slice ``index``."""
        return (self.origin[0], self.origin[1], self.origin[2] - index * self.spacing)


def _plane(ds: Dataset, geometry: VolumeGeometry, index: int, frame_of_reference: str) -> None:
    position = geometry.position(index)
    ds.FrameOfReferenceUID = frame_of_reference
    ds.PositionReferenceIndicator = ""
    ds.PatientPosition = "HFS"
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [f"{value:.4f}" for value in position]
    ds.SliceLocation = f"{position[2]:.4f}"
    ds.PixelSpacing = [f"{geometry.pixel:.6f}"] * 2
    ds.SliceThickness = f"{geometry.thickness:g}"
    if ds.Modality == "MR":
        ds.SpacingBetweenSlices = f"{geometry.spacing:g}"


def ct_series(
    plan: SeriesPlan,
    volume: npt.NDArray[np.int16],
    geometry: VolumeGeometry,
    *,
    windows: Sequence[tuple[str, float, float]],
    kernel: str,
    kvp: float = 120,
    contrast: str = "",
) -> PhantomSeries:
    """Return a CT series from Hounsfield units[slice, row, column], topmost slice first."""
    instances = []
    for index in range(volume.shape[0]):
        number = index + 1
        ds = base_dataset(plan, number)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        _plane(ds, geometry, index, plan.frame_of_reference_uid)
        ds.AcquisitionNumber = 1
        ds.KVP = f"{kvp:g}"
        ds.ScanOptions = "HELICAL MODE"
        ds.DataCollectionDiameter = "500"
        ds.ReconstructionDiameter = f"{geometry.pixel * volume.shape[2]:.1f}"
        ds.GantryDetectorTilt = "0"
        ds.TableHeight = "160"
        ds.RotationDirection = "CW"
        ds.ExposureTime = 500
        ds.XRayTubeCurrent = 210
        ds.Exposure = 105
        ds.FilterType = "BODY"
        ds.ConvolutionKernel = kernel
        if contrast:
            ds.ContrastBolusAgent = contrast
            ds.ContrastBolusRoute = "IV"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
        ds.WindowCenterWidthExplanation = [name for name, _, _ in windows]
        ds.WindowCenter = [f"{centre:g}" for _, centre, _ in windows]
        ds.WindowWidth = [f"{width:g}" for _, _, width in windows]
        stored = np.clip(volume[index].astype(np.int32) + 1024, 0, 4095).astype(np.uint16)
        content = encode(ds, stored, plan.transfer_syntax, bits_stored=12)
        instances.append(PhantomInstance(ds.SOPInstanceUID, number, content))
    return PhantomSeries(plan.series_uid, plan.number, "CT", plan.description, tuple(instances))


@dataclass(frozen=True)
class PulseSequence:
    """How an MR series was acquired."""

    name: str
    scanning: str
    variant: str
    repetition: float
    echo: float
    inversion: float | None = None
    echo_train: int = 1
    flip: float = 90
    contrast: str = ""


def mr_series(
    plan: SeriesPlan,
    volume: npt.NDArray[np.uint16],
    geometry: VolumeGeometry,
    *,
    sequence: PulseSequence,
    window: tuple[float, float],
) -> PhantomSeries:
    """Return an MR series from signal intensities[slice, row, column], topmost slice first."""
    instances = []
    for index in range(volume.shape[0]):
        number = index + 1
        ds = base_dataset(plan, number)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        _plane(ds, geometry, index, plan.frame_of_reference_uid)
        ds.AcquisitionNumber = plan.number
        ds.ScanningSequence = sequence.scanning.split("\\")
        ds.SequenceVariant = sequence.variant.split("\\")
        ds.SequenceName = sequence.name
        ds.ScanOptions = ""
        ds.MRAcquisitionType = "2D"
        ds.RepetitionTime = f"{sequence.repetition:g}"
        ds.EchoTime = f"{sequence.echo:g}"
        ds.EchoTrainLength = sequence.echo_train
        if sequence.inversion is not None:
            ds.InversionTime = f"{sequence.inversion:g}"
        ds.FlipAngle = f"{sequence.flip:g}"
        ds.MagneticFieldStrength = "3"
        ds.ImagingFrequency = "123.2"
        ds.ImagedNucleus = "1H"
        ds.NumberOfAverages = "1"
        ds.EchoNumbers = 1
        ds.InPlanePhaseEncodingDirection = "ROW"
        ds.ReceiveCoilName = "HEAD_32"
        if sequence.contrast:
            ds.ContrastBolusAgent = sequence.contrast
            ds.ContrastBolusRoute = "IV"
        ds.WindowCenter, ds.WindowWidth = f"{window[0]:g}", f"{window[1]:g}"
        content = encode(ds, volume[index], plan.transfer_syntax, bits_stored=12)
        instances.append(PhantomInstance(ds.SOPInstanceUID, number, content))
    return PhantomSeries(plan.series_uid, plan.number, "MR", plan.description, tuple(instances))


def lesion_in_stack(
    plan: SeriesPlan,
    geometry: VolumeGeometry,
    count: int,
    *,
    label: str,
    kind: str,
    centre: tuple[float, float, float],
    radius: float,
    value: float | None = None,
    outline: Sequence[tuple[float, float]] = (),
    half_height: float | None = None,
) -> Lesion:
    """Return the truth of a finding in an axial stack. ``centre`` and ``outline`` are in patient millimetres."""

    def to_pixel(x: float, y: float) -> tuple[float, float]:
        return (
            round((x - geometry.origin[0]) / geometry.pixel, 3),
            round((y - geometry.origin[1]) / geometry.pixel, 3),
        )

    index = min(max(round((geometry.origin[2] - centre[2]) / geometry.spacing), 0), count - 1)
    reach = half_height if half_height is not None else radius
    extent = tuple(
        plan.instance_uid(i + 1)
        for i in range(count)
        if abs(geometry.position(i)[2] - centre[2]) <= max(reach, geometry.spacing / 2)
    )
    return Lesion(
        label=label,
        kind=kind,
        sop_instance_uid=plan.instance_uid(index + 1),
        series_instance_uid=plan.series_uid,
        centre_px=to_pixel(centre[0], centre[1]),
        radius_px=round(radius / geometry.pixel, 3),
        radius_mm=radius,
        centre_mm=(round(centre[0], 3), round(centre[1], 3), round(geometry.position(index)[2], 3)),
        value=value,
        outline_px=tuple(to_pixel(x, y) for x, y in outline),
        extent=extent,
    )


@dataclass(frozen=True)
class Projection:
    """One radiograph: how it was taken and what the pixels mean."""

    view: str
    orientation: tuple[str, str]
    pixel: float
    window: tuple[float, float]
    anatomy: tuple[str, str, str]
    laterality: str = "U"
    kvp: float = 110
    exposure_mas: int = 3
    inverted: bool = False
    view_code: tuple[str, str, str] | None = None


def radiograph(
    plan: SeriesPlan, number: int, pixels: npt.NDArray[np.uint16], projection: Projection
) -> PhantomInstance:
    """Return one DX (for presentation) or CR image; 12 bits, bright = dense, stored inverted for MONOCHROME1."""
    ds = base_dataset(plan, number)
    ds.ImageType = ["ORIGINAL" if plan.modality == "CR" else "DERIVED", "PRIMARY"]
    stored = pixels
    if projection.inverted:
        ds.PhotometricInterpretation = "MONOCHROME1"
        stored = (np.uint16(4095) - pixels).astype(np.uint16)
    centre = 4095 - projection.window[0] if projection.inverted else projection.window[0]
    ds.WindowCenter, ds.WindowWidth = f"{centre:g}", f"{projection.window[1]:g}"
    ds.PatientOrientation = list(projection.orientation)
    ds.ViewPosition = projection.view
    ds.KVP = f"{projection.kvp:g}"
    ds.Exposure = projection.exposure_mas
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.ImagerPixelSpacing = [f"{projection.pixel:.4f}"] * 2
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "INVERSE" if projection.inverted else "IDENTITY"
    ds.AcquisitionNumber = 1
    if plan.sop_class == ComputedRadiographyImageStorage:
        del ds.PresentationLUTShape, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType
        ds.PlateType, ds.PlateID, ds.CassetteSize = "STANDARD", "P-118", "35CMX43CM"
        ds.PixelSpacing = ds.ImagerPixelSpacing
        if projection.laterality in ("L", "R"):
            ds.Laterality = projection.laterality
    else:
        ds.PresentationIntentType = "FOR PRESENTATION"
        ds.PixelIntensityRelationship = "LOG"
        ds.PixelIntensityRelationshipSign = -1 if projection.inverted else 1
        ds.ImageLaterality = projection.laterality
        region = code(*projection.anatomy)
        ds.AnatomicRegionSequence = [region]
        ds.AcquisitionContextSequence = []
        ds.DetectorType = "DIRECT"
        ds.DetectorID = "DET-7"
        ds.DetectorTemperature = "31"
        ds.PositionerType = "MAMMOGRAPHIC" if plan.modality == "MG" else "NONE"
        if plan.modality == "MG":
            _mammography(ds, projection)
        elif projection.view_code is not None:
            ds.ViewCodeSequence = [code(*projection.view_code)]
    content = encode(ds, stored, plan.transfer_syntax, bits_stored=12)
    return PhantomInstance(ds.SOPInstanceUID, number, content)


def _mammography(ds: Dataset, projection: Projection) -> None:
    ds.OrganExposed = "BREAST"
    ds.BreastImplantPresent = "NO"
    ds.BodyPartThickness = "54"
    ds.CompressionForce = "98"
    ds.FilterMaterial, ds.AnodeTargetMaterial = "RHODIUM", "TUNGSTEN"
    ds.PositionerPrimaryAngle = "0" if projection.view == "CC" else "45"
    names = {"CC": ("399162004", "SCT", "cranio-caudal"), "MLO": ("399368009", "SCT", "medio-lateral oblique")}
    view = code(*names[projection.view])
    view.ViewModifierCodeSequence = []
    ds.ViewCodeSequence = [view]
    del ds.ViewPosition
    ds.ViewPosition = projection.view


def ultrasound_clip(
    plan: SeriesPlan,
    number: int,
    frames: npt.NDArray[np.uint8],
    *,
    frame_time_ms: float,
    region: tuple[int, int, int, int],
    reference: tuple[int, int],
    mm_per_pixel: float,
) -> PhantomInstance:
    """Return a multi-frame ultrasound loop with its calibrated region; text burned in by the device is declared."""
    ds = base_dataset(plan, number)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]
    ds.BurnedInAnnotation = "YES"
    ds.LossyImageCompression = "00"
    ds.NumberOfFrames = frames.shape[0]
    ds.FrameTime = f"{frame_time_ms:g}"
    ds.FrameIncrementPointer = 0x00181063
    ds.CineRate = round(1000 / frame_time_ms)
    ds.RecommendedDisplayFrameRate = round(1000 / frame_time_ms)
    ds.TransducerData = ["C5-1", "", ""]
    ds.ProcessingFunction = "ABD_GEN"
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region
    item.ReferencePixelX0, item.ReferencePixelY0 = reference
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.ReferencePixelPhysicalValueX = item.ReferencePixelPhysicalValueY = 0.0
    item.PhysicalDeltaX = item.PhysicalDeltaY = mm_per_pixel / 10
    item.TransducerFrequency = 3500
    ds.SequenceOfUltrasoundRegions = [item]
    ds.PatientOrientation = ""
    content = encode(ds, frames, plan.transfer_syntax, bits_stored=8)
    return PhantomInstance(ds.SOPInstanceUID, number, content)


CT = CTImageStorage
MR = MRImageStorage
CR = ComputedRadiographyImageStorage
DX = DigitalXRayImageStorageForPresentation
MG = DigitalMammographyXRayImageStorageForPresentation
US = UltrasoundMultiFrameImageStorage
