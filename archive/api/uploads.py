"""REST: uploads, as packs of small files and as large files in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.models import User
from access.queries import may
from archive import lists, queries, reading, services
from archive.api.common import ArchiveMixin, body_of, person, whole_number
from archive.api.serializers import OutcomeSerializer, PieceSerializer, UploadSerializer, UploadStudySerializer
from archive.domain.text import clean
from archive.models import Archive, Delivery, Instance, Study
from archive.permissions import ADD, VIEW
from archive.services import uploads as uploading
from core.models import Job

PROBLEMS_SHOWN = 2000


class StreamParser(BaseParser):
    """Hands the body on as a stream: nothing of it is held in memory."""

    media_type = "application/octet-stream"

    def parse(  # type: ignore[override]
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> IO[Any]:
        return stream


def outcome_json(received: uploading.Received) -> dict[str, Any]:
    outcome = received.outcome
    return {
        "id": received.reference,
        "name": outcome.original_name if outcome else "",
        "status": outcome.status if outcome else uploading.UNPACKING,
        "code": outcome.code if outcome else "",
        "reason": outcome.reason if outcome else "",
        "study_instance_uid": outcome.study_instance_uid if outcome else "",
        "sop_instance_uid": outcome.sop_instance_uid if outcome else "",
        "job": str(received.job.pk) if received.job else None,
    }


class UploadMixin(ArchiveMixin):
    permission = ADD
    token_scope = "write"

    def get_upload(self) -> Delivery:
        archive = self.get_archive()
        return uploading.get_upload(user=self.request.user, archive=archive, delivery_id=self.kwargs["upload"])


class Uploads(UploadMixin, APIView):
    """Begin an upload: a delivery that takes any number of files until it is closed."""

    @extend_schema(request=None, responses={201: UploadSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delivery = services.open_delivery(
            archive=self.get_archive(), source=Delivery.Source.UPLOAD, actor=person(request), request=request._request
        )
        return Response(upload_json(delivery, user=person(request)), status=status.HTTP_201_CREATED)


class UploadDetail(UploadMixin, APIView):
    """How far an upload is: counts, zip files being unpacked, studies that got images."""

    token_scope = "read"

    @extend_schema(responses=UploadSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(upload_json(self.get_upload(), user=person(request)))


class UploadClose(UploadMixin, APIView):
    """No further files come. Zip files that are being unpacked go on."""

    @extend_schema(request=None, responses=UploadSerializer)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delivery = self.get_upload()
        services.close_delivery(delivery=delivery)
        return Response(upload_json(self.get_upload(), user=person(request)))


class UploadStudies(UploadMixin, APIView):
    """Studies of the archive by Study Instance UID, as the upload page shows them."""

    token_scope = "read"

    @extend_schema(
        parameters=[OpenApiParameter("study", str, many=True, description="Study Instance UIDs, at most 50.")],
        responses=UploadStudySerializer(many=True),
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delivery = self.get_upload()
        uids = request.query_params.getlist("study")[:50]
        rows = queries.studies(user=request.user, archive=delivery.archive).filter(study_instance_uid__in=uids)
        return Response(studies_json(rows, user=person(request), archive=delivery.archive))


class UploadFiles(UploadMixin, APIView):
    """Send several small files in one request.

    The body is, for each file, one line of JSON `{"id": …, "name": …, "size": …}` and then `size` bytes. The answer
    says for each file what became of it; one that is refused does not stop the others.
    """

    parser_classes = (StreamParser,)

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY}, responses={200: OutcomeSerializer(many=True)}
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        received = uploading.take_files(
            delivery=self.get_upload(), files=uploading.read_pack(body_of(request)), actor=person(request)
        )
        return Response([outcome_json(one) for one in received])


class UploadPieces(UploadMixin, APIView):
    """Send one large file piece by piece. A lost connection loses one piece: ask where to go on, and go on."""

    parser_classes = (StreamParser,)

    @extend_schema(responses=PieceSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        size = uploading.piece_size(delivery=self.get_upload(), upload_id=self.kwargs["file"])
        return Response({"size": size, "outcome": None})

    @extend_schema(
        parameters=[
            OpenApiParameter("offset", int, required=True, description="Where the piece begins."),
            OpenApiParameter("total", int, required=True, description="Size of the whole file."),
            OpenApiParameter("name", str, description="The file's name."),
        ],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={
            200: PieceSerializer,
            409: OpenApiResponse(PieceSerializer, description="The file ends elsewhere: go on at `size`."),
        },
    )
    def put(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delivery = self.get_upload()
        offset, total = whole_number(request, "offset"), whole_number(request, "total")
        size, received = uploading.take_piece(
            delivery=delivery,
            upload_id=self.kwargs["file"],
            offset=offset,
            total=total,
            name=clean(request.query_params.get("name", ""))[:1000],
            chunks=body_of(request),
            actor=person(request),
        )
        document = {"size": size, "outcome": outcome_json(received) if received else None}
        refused = received is None and size <= offset and total > 0
        return Response(document, status=status.HTTP_409_CONFLICT if refused else status.HTTP_200_OK)


def upload_json(delivery: Delivery, *, user: User) -> dict[str, Any]:
    came_here = Instance.objects.filter(delivery=delivery).order_by().values("study")
    studies = queries.studies(user=user, archive=delivery.archive).filter(pk__in=came_here)[:200]
    jobs = Job.objects.filter(kind="archive.unpack", owner=delivery.actor, result__delivery=str(delivery.pk))
    return {
        "id": str(delivery.pk),
        "state": delivery.state,
        "received": delivery.received,
        "stored": delivery.stored,
        "replaced": delivery.replaced,
        "duplicate": delivery.duplicate,
        "refused": delivery.refused,
        "skipped": delivery.skipped,
        "unpacking": [
            {
                "job": str(job.pk),
                "state": job.state,
                "done": job.done,
                "total": job.total,
                "message": job.error or job.message,
                "problems": job.result.get("problems", [])[:PROBLEMS_SHOWN],
            }
            for job in jobs.order_by("created_at")[:100]
        ],
        "studies": studies_json(studies, user=user, archive=delivery.archive),
    }


def studies_json(studies: Iterable[Study], *, user: User, archive: Archive) -> list[dict[str, Any]]:
    # The page of a study is the archive's own: who sees the study for another reason has no way in there.
    organisation = archive.organisation.slug if may(user, VIEW, archive) else ""
    return [_study_json(study, archive=archive, organisation=organisation) for study in studies]


def _study_json(study: Study, *, archive: Archive, organisation: str) -> dict[str, Any]:
    return {
        "id": study.public_id,
        "study_instance_uid": study.study_instance_uid,
        "description": study.description,
        "patient_name": reading.person_name(study.patient_name),
        "study_date": reading.shown_date(study.study_date),
        "modalities": study.modalities,
        "instance_count": study.instance_count,
        "url": lists.detail_url(organisation=organisation, archive=archive, study=study) if organisation else "",
    }
