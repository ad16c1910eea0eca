"""STOW-RS (PS3.18 10.5): store instances; each gets its own answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import structlog
from django.http import HttpRequest, HttpResponse

from access.models import User
from access.queries import may
from archive import services, spool
from archive.domain import pixel_notes
from archive.domain.part10 import Unreadable
from archive.errors import FileTooLarge, OutOfSpace
from archive.inspection import inspect
from archive.models import Archive, Delivery
from archive.services.deliveries import make_durable, write_one
from archive.spool import SpoolWriter
from core.errors import Forbidden
from dicomweb import queries
from dicomweb.domain import levels, media
from dicomweb.domain.media import DICOM
from dicomweb.domain.multipart import MultipartError, PartStream, parts, read_parts
from dicomweb.door import accepted, base_address
from dicomweb.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from dicomweb.payload import READ_BYTES
from dicomweb.xml import as_multipart

logger = structlog.get_logger(__name__)

ADD = "archive.add_images"
DAMAGED_COMMENT = "Stored; the pixel data is not the image that the header describes."
OTHER_STUDY = "The instance belongs to another study than the address names."
MAXIMUM_PARTS = 50_000
OUT_OF_RESOURCES = 0xA700
# So much is synced to disk side by side.
TOGETHER_FILES = 128
TOGETHER_BYTES = 64 << 20
MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
UNSUPPORTED_PART = 0x0110
# A file that replaces another content under the same UID was stored, and the sender should know (PS3.18 table 10.5.3-2).
COERCED = 0xB000
# Stored as it came, though its pixels are not the image that its header describes.
DOES_NOT_MATCH = 0xB007

REFERENCED_SOP_SEQUENCE = "00081199"
FAILED_SOP_SEQUENCE = "00081198"
OTHER_FAILURES_SEQUENCE = "0008119A"
REFERENCED_SOP_CLASS = "00081150"
REFERENCED_SOP_INSTANCE = "00081155"
FAILURE_REASON = "00081197"
WARNING_REASON = "00081196"
ERROR_COMMENT = "00000902"


@dataclass(slots=True)
class Receipt:
    """What became of the parts: spooled names, and those that never got that far."""

    names: list[str] = field(default_factory=list)
    kept_aside: set[str] = field(default_factory=set)
    failed: list[tuple[int, str, str, str]] = field(default_factory=list)
    without_room: int = 0

    @property
    def count(self) -> int:
        return len(self.names) + len(self.failed) - len(self.kept_aside)

    def no_room(self, error: OutOfSpace) -> None:
        self.without_room += 1
        self.fail(OUT_OF_RESOURCES, str(error.message))

    def fail(self, status: int, reason: str, *, sop_class: str = "", sop_instance: str = "") -> None:
        self.failed.append((status, reason, sop_class, sop_instance))


def store(request: HttpRequest, *, archive: Archive, study: str = "") -> HttpResponse:
    """Take the parts into the spool, index them, and say what became of each."""
    _require_right(request, archive=archive)
    content_type = media.parse_media_type(request.headers.get("Content-Type", "") or "application/octet-stream")
    bodies = _bodies(request, content_type)
    choice = media.choose_text(accepted(request), offered=(media.DICOM_JSON, media.JSON, media.DICOM_XML))
    if choice is None:
        raise NotAcceptable
    delivery = services.open_delivery(
        archive=archive, source=Delivery.Source.STOW, actor=cast("User", request.user), request=request
    )
    receipt = Receipt()
    try:
        with SpoolWriter(delivery.pk) as writer:
            _receive(writer=writer, bodies=bodies, study=study, receipt=receipt)
        if not receipt.count:
            raise BadRequest("The request holds no instance.")
        outcomes = services.index_delivery(delivery=delivery, only=receipt.names) if receipt.names else []
    except (MultipartError, BadRequest):
        # Not the payload it says it is: none of it is kept, so that the client can send it again as a whole.
        spool.remove(delivery.pk, receipt.names)
        raise
    finally:
        services.close_delivery(delivery=delivery)
    return _answer(request, archive=archive, study=study, outcomes=outcomes, receipt=receipt, choice=choice)


def _require_right(request: HttpRequest, *, archive: Archive) -> None:
    if may(request.user, ADD, archive):
        return
    queries.require_some_sight(user=request.user, archive=archive)
    raise Forbidden


def _bodies(request: HttpRequest, content_type: media.MediaType) -> Iterator[tuple[str, Iterable[memoryview | bytes]]]:
    """(media type, bytes) of each instance in the request. Raises `UnsupportedMediaType`."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("Send the payload without a content encoding.")
    source = _input(request)
    if content_type.name == DICOM:
        return iter([(DICOM, _alone(source))])
    if content_type.name != media.MULTIPART_RELATED:
        raise UnsupportedMediaType
    kind = content_type.parameters.get("type", "").lower()
    if kind in (media.DICOM_JSON, media.DICOM_XML):
        raise UnsupportedMediaType(
            "Instances as metadata and bulk data are not taken; send whole instances as application/dicom."
        )
    if kind not in ("", DICOM):
        raise UnsupportedMediaType
    boundary = content_type.parameters.get("boundary", "")
    if not boundary:
        raise BadRequest("The Content-Type header names no boundary.")
    return _multipart_bodies(source, boundary=boundary)


class _Payload:
    """The payload as it comes in. A client that leaves or is too slow has sent a payload that ends early."""

    def __init__(self, stream: HttpRequest | BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            raise BadRequest("The payload ended early.") from error


def _input(request: HttpRequest) -> _Payload:
    """Without a length (chunked) the server's own stream knows where the payload ends."""
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower() and not request.META.get("CONTENT_LENGTH"):
        return _Payload(request.META["wsgi.input"])
    return _Payload(request)


def _alone(source: _Payload) -> Iterator[bytes]:
    while data := source.read(READ_BYTES):
        yield data


def _multipart_bodies(source: _Payload, *, boundary: str) -> Iterator[tuple[str, PartStream]]:
    for headers, stream in parts(read_parts(source, boundary=boundary)):
        text = headers.get("content-type", DICOM)
        try:
            kind = media.parse_media_type(text).name
        except media.HeaderError:
            kind = ""
        yield kind, stream


def _receive(
    *,
    writer: SpoolWriter,
    bodies: Iterator[tuple[str, Iterable[memoryview | bytes]]],
    study: str,
    receipt: Receipt,
) -> None:
    waiting: list[services.SpooledFile] = []
    waiting_bytes = 0
    for kind, chunks in bodies:
        if receipt.count + len(waiting) >= MAXIMUM_PARTS:
            raise BadRequest(f"A request holds at most {MAXIMUM_PARTS} instances.")
        if kind != DICOM:
            receipt.fail(UNSUPPORTED_PART, "The part is not application/dicom.")
            continue
        try:
            waiting.append(write_one(writer=writer, chunks=chunks, durable=False))  # type: ignore[arg-type]
        except OutOfSpace as error:
            receipt.no_room(error)
            continue
        except FileTooLarge as error:
            receipt.fail(OUT_OF_RESOURCES, str(error.message))
            continue
        waiting_bytes += waiting[-1].size_bytes
        if len(waiting) >= TOGETHER_FILES or waiting_bytes >= TOGETHER_BYTES:
            _settle(writer=writer, waiting=waiting, study=study, receipt=receipt)
            waiting, waiting_bytes = [], 0
    _settle(writer=writer, waiting=waiting, study=study, receipt=receipt)


def _settle(*, writer: SpoolWriter, waiting: list[services.SpooledFile], study: str, receipt: Receipt) -> None:
    """Make instances durable together; what the disk does not take fails, each for itself."""
    try:
        make_durable(writer=writer)
    except OutOfSpace as error:
        for _one in waiting:
            receipt.no_room(error)
        return
    for spooled in waiting:
        if study and not _belongs(spooled=spooled, study=study, receipt=receipt):
            spool.write_refusal(writer.delivery_id, spooled.name, code="study-mismatch", reason=OTHER_STUDY)
            receipt.kept_aside.add(spooled.name)
        receipt.names.append(spooled.name)


def _belongs(*, spooled: services.SpooledFile, study: str, receipt: Receipt) -> bool:
    """Whether the instance is of the study in the address (PS3.18 10.5.1); what cannot be read is left to the index."""
    try:
        header = inspect(path=spool.path_of(spooled.delivery_id, spooled.name), name=spooled.name).header
    except Unreadable:
        return True
    if header is None or header.study_instance_uid == study:
        return True
    receipt.fail(
        MISMATCH,
        OTHER_STUDY,
        sop_class=header.sop_class_uid,
        sop_instance=header.sop_instance_uid,
    )
    return False


def _answer(
    request: HttpRequest,
    *,
    archive: Archive,
    study: str,
    outcomes: list[services.Outcome],
    receipt: Receipt,
    choice: media.Choice,
) -> Any:
    base = base_address(request, archive)
    # What was left out, as a DICOMDIR, is no fault of an upload's, but neither was it stored: here only that counts.
    stored = [outcome for outcome in outcomes if outcome.is_stored]
    model: dict[str, Any] = {}
    studies = {outcome.study_instance_uid for outcome in stored if outcome.study_instance_uid} or ({study} - {""})
    if len(studies) == 1 and stored:
        model[levels.RETRIEVE_URL] = {"vr": "UR", "Value": [f"{base}/studies/{studies.pop()}"]}
    if stored:
        model[REFERENCED_SOP_SEQUENCE] = {"vr": "SQ", "Value": [_stored_item(one, base=base) for one in stored]}
    failures = [
        (one.dicom_status or CANNOT_UNDERSTAND, one.reason, one.sop_class_uid, one.sop_instance_uid)
        for one in outcomes
        if not one.is_stored and one.name not in receipt.kept_aside
    ] + receipt.failed
    named = [_failed_item(*failure) for failure in failures if failure[3]]
    unnamed = [_failed_item(*failure) for failure in failures if not failure[3]]
    if named:
        model[FAILED_SOP_SEQUENCE] = {"vr": "SQ", "Value": named}
    if unnamed:
        model[OTHER_FAILURES_SEQUENCE] = {"vr": "SQ", "Value": unnamed}
    # PS3.18 10.5.3.1: 200 is for what was stored without a warning.
    warned = any(pixel_notes.DAMAGED in one.notes for one in stored)
    status = 409 if not stored and failures else 202 if failures or warned else 200
    if receipt.without_room == receipt.count:
        # Not the payload's fault: the same request may succeed later.
        status = OutOfSpace.status_code
    if choice.media_type == media.DICOM_XML:
        response = as_multipart(request, models=[model])
        response.status_code = status
        return response
    body = json.dumps(dict(sorted(model.items())), separators=(",", ":"), ensure_ascii=False)
    return HttpResponse(body.encode(), status=status, content_type=choice.media_type)


def _stored_item(outcome: services.Outcome, *, base: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        REFERENCED_SOP_CLASS: {"vr": "UI", "Value": [outcome.sop_class_uid]},
        REFERENCED_SOP_INSTANCE: {"vr": "UI", "Value": [outcome.sop_instance_uid]},
        levels.RETRIEVE_URL: {
            "vr": "UR",
            "Value": [
                f"{base}/studies/{outcome.study_instance_uid}/series/{outcome.series_instance_uid}"
                f"/instances/{outcome.sop_instance_uid}"
            ],
        },
    }
    if pixel_notes.DAMAGED in outcome.notes:
        item[WARNING_REASON] = {"vr": "US", "Value": [DOES_NOT_MATCH]}
        item[ERROR_COMMENT] = {"vr": "LO", "Value": [DAMAGED_COMMENT]}
    return dict(sorted(item.items()))


def _failed_item(status: int, reason: str, sop_class: str, sop_instance: str) -> dict[str, Any]:
    item: dict[str, Any] = {}
    if reason:
        item[ERROR_COMMENT] = {"vr": "LO", "Value": [reason]}
    if sop_class:
        item[REFERENCED_SOP_CLASS] = {"vr": "UI", "Value": [sop_class]}
    if sop_instance:
        item[REFERENCED_SOP_INSTANCE] = {"vr": "UI", "Value": [sop_instance]}
    item[FAILURE_REASON] = {"vr": "US", "Value": [status]}
    return item
