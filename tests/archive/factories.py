"""Archives, deliveries and DICOM files for tests, made the way the doors make them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from access.models import Organisation, User
from archive import services
from archive.models import Archive, Delivery
from core.tenancy import tenant
from tests.access.factories import make_organisation

_numbers = itertools.count(1)


def make_archive(organisation: Organisation | None = None, **fields: Any) -> Archive:
    """An archive. A clinical one lets any calling AE title in unless callers are named."""
    number = next(_numbers)
    actor: User | None = fields.pop("actor", None)
    is_clinical = fields.get("purpose", Archive.Purpose.CLINICAL) == Archive.Purpose.CLINICAL
    fields.setdefault("is_open_to_any_caller", is_clinical and not fields.get("calling_ae_titles"))
    return services.create_archive(
        actor=actor,
        organisation=organisation or make_organisation(),
        slug=fields.pop("slug", f"archive-{number}"),
        name=fields.pop("name", f"Archive {number}"),
        ae_title=fields.pop("ae_title", f"AE{number}"),
        **fields,
    )


def make_dataset(**elements: Any) -> Dataset:
    """A small, valid MR image (16 x 16, 16 bit); any element may be overridden or, with None, left out."""
    number = next(_numbers)
    dataset = Dataset()
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "StudyDate": "20240131",
        "StudyTime": "101500",
        "AccessionNumber": f"A{number}",
        "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "StudyDescription": "Knee left",
        "SeriesDescription": "PD TSE sagittal",
        "BodyPartExamined": "KNEE",
        "PatientName": f"Test^Person{number}",
        "PatientID": f"P{number}",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "StudyID": "1",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 16,
        "Columns": 16,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        **elements,
    }
    if "PixelData" not in values:
        values["PixelData"] = (np.arange(256, dtype=np.uint16) + number).tobytes()
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def to_bytes(dataset: Dataset, *, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """The data set as a Part 10 file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", MRImageStorage)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "") or "1.2.3"
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def make_file(**elements: Any) -> bytes:
    return to_bytes(make_dataset(**elements))


def make_series(*, count: int, **elements: Any) -> list[bytes]:
    """Files of one series of one study."""
    shared: dict[str, Any] = {
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "PatientID": f"P{next(_numbers)}",
        "PatientName": "Series^Person",
        **elements,
    }
    return [make_file(InstanceNumber=index + 1, **shared) for index in range(count)]


def deliver(
    archive: Archive,
    files: Iterable[bytes],
    *,
    source: str = Delivery.Source.UPLOAD,
    close: bool = True,
    **opening: Any,
) -> tuple[Delivery, list[services.Outcome]]:
    """Send files through the spool and index them here and now.

    Without a sender, what goes into a de-identified archive counts as let in by a person: most tests need images there and
    do not try the gate.
    """
    if archive.is_gated and source == Delivery.Source.UPLOAD and opening.get("actor") is None:
        opening.setdefault("admission", Delivery.Admission.RELEASED)
    delivery = services.open_delivery(archive=archive, source=source, **opening)
    for number, content in enumerate(files, start=1):
        services.receive(delivery=delivery, chunks=[content], name=f"file{number}.dcm")
    if close:
        services.close_delivery(delivery=delivery)
    outcomes = services.index_delivery(delivery=delivery)
    with tenant(archive.organisation):
        delivery.refresh_from_db()
    return delivery, outcomes
