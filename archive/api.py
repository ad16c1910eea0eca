"""REST: archives, studies, series, instances, deliveries, quarantine, and uploads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.db.models import Q
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.models import User
from archive import lists, queries, reading, services
from archive.models import Archive, Delivery, Instance, QuarantinedFile, Series, Study
from archive.permissions import ADD, VIEW
from archive.services import uploads
from core.errors import Invalid, NotFound
from core.models import Job

PROBLEMS_SHOWN = 2000


class ArchiveMixin:
    """Loads the archive of the address for the caller; `permission` is what the view needs."""

    permission = VIEW
    request: Any
    kwargs: dict[str, Any]

    def get_archive(self) -> Archive:
        return queries.get_archive(user=self.request.user, slug=self.kwargs["archive"], permission=self.permission)

    @property
    def is_schema(self) -> bool:
        return bool(getattr(self, "swagger_fake_view", False))


class ArchiveSerializer(serializers.ModelSerializer[Archive]):
    class Meta:
        model = Archive
        fields = (
            "slug",
            "name",
            "ae_title",
            "purpose",
            "overwrite",
            "settle_seconds",
            "is_open_to_dimse",
            "created_at",
        )


class StudySerializer(serializers.ModelSerializer[Study]):
    id = serializers.CharField(source="public_id")
    patient = serializers.CharField(source="patient.public_id", help_text="Key of the patient in this archive.")
    patient_id = serializers.CharField(source="patient.patient_id")
    patient_name = serializers.CharField(source="patient.patient_name", help_text="As sent, with all groups (PN).")
    patient_birth_date = serializers.CharField(source="patient.birth_date", help_text="As sent (DA).")
    patient_sex = serializers.CharField(source="patient.sex")
    modalities = serializers.ListField(child=serializers.CharField())
    body_parts = serializers.ListField(child=serializers.CharField())
    is_settled = serializers.BooleanField(help_text="Whether the archive takes the study as complete.")

    class Meta:
        model = Study
        fields = (
            "id",
            "study_instance_uid",
            "patient",
            "patient_id",
            "patient_name",
            "patient_birth_date",
            "patient_sex",
            "study_date",
            "study_time",
            "accession_number",
            "study_id",
            "description",
            "referring_physician_name",
            "modalities",
            "body_parts",
            "series_count",
            "instance_count",
            "size_bytes",
            "last_received_at",
            "settled_at",
            "is_settled",
        )


class SeriesSerializer(serializers.ModelSerializer[Series]):
    id = serializers.CharField(source="public_id")
    thumbnail = serializers.SerializerMethodField(help_text="Address of a picture, or null.")

    class Meta:
        model = Series
        fields = (
            "id",
            "series_instance_uid",
            "series_number",
            "modality",
            "description",
            "body_part",
            "laterality",
            "instance_count",
            "size_bytes",
            "thumbnail",
        )

    def get_thumbnail(self, series: Series) -> str | None:
        return lists.thumbnail_url(series) if series.thumbnail_key else None


class InstanceSerializer(serializers.ModelSerializer[Instance]):
    digest = serializers.SerializerMethodField(help_text="SHA-256 of the stored file, hexadecimal.")

    class Meta:
        model = Instance
        fields = (
            "sop_instance_uid",
            "sop_class_uid",
            "transfer_syntax_uid",
            "instance_number",
            "rows",
            "columns",
            "number_of_frames",
            "size_bytes",
            "digest",
            "received_at",
        )

    def get_digest(self, instance: Instance) -> str:
        return bytes(instance.digest).hex()


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)

    class Meta:
        model = Delivery
        fields = (
            "id",
            "source",
            "state",
            "actor",
            "calling_ae_title",
            "address",
            "received",
            "stored",
            "replaced",
            "duplicate",
            "refused",
            "skipped",
            "opened_at",
            "closed_at",
            "indexed_at",
        )


class QuarantinedFileSerializer(serializers.ModelSerializer[QuarantinedFile]):
    id = serializers.CharField(source="public_id")
    digest = serializers.SerializerMethodField(help_text="SHA-256 of the bytes, hexadecimal.")

    class Meta:
        model = QuarantinedFile
        fields = (
            "id",
            "delivery",
            "original_name",
            "code",
            "reason",
            "state",
            "sop_instance_uid",
            "size_bytes",
            "digest",
            "received_at",
            "decided_at",
        )

    def get_digest(self, file: QuarantinedFile) -> str:
        return bytes(file.digest).hex()


class StudyFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Words in name, patient ID, accession, description or UID.")
    study_instance_uid = filters.CharFilter()
    patient_id = filters.CharFilter(field_name="patient__patient_id")
    accession_number = filters.CharFilter()
    modality = filters.CharFilter(method="has_modality")
    date_from = filters.DateFilter(field_name="study_date_parsed", lookup_expr="gte")
    date_to = filters.DateFilter(field_name="study_date_parsed", lookup_expr="lte")
    received_since = filters.IsoDateTimeFilter(field_name="last_received_at", lookup_expr="gte")
    settled = filters.BooleanFilter(method="is_settled")
    ordering = filters.OrderingFilter(
        fields=("study_date", "last_received_at", "description", "instance_count", "size_bytes")
    )

    def search(self, queryset: Any, name: str, value: str) -> Any:
        archive = self.request.archive
        for word in value.replace("\x00", "").split()[:8]:
            queryset = queryset.filter(pk__in=lists.matching_studies(archive=archive, word=word[:64]))
        return queryset

    def has_modality(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(modalities__contains=[value])

    def is_settled(self, queryset: Any, name: str, value: bool) -> Any:
        return queryset.filter(settled_at__isnull=not value)


class DeliveryFilter(filters.FilterSet):
    source = filters.ChoiceFilter(choices=Delivery.Source.choices)
    state = filters.ChoiceFilter(choices=Delivery.State.choices)
    opened_since = filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="gte")


class QuarantineFilter(filters.FilterSet):
    code = filters.CharFilter()
    state = filters.ChoiceFilter(choices=QuarantinedFile.State.choices)
    delivery = filters.UUIDFilter(field_name="delivery_id")


class Archives(generics.ListAPIView[Archive]):
    """Archives that the caller may read."""

    serializer_class = ArchiveSerializer
    filter_backends: tuple[Any, ...] = ()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Archive.objects.none()
        return queries.archives(user=self.request.user)


class ArchiveDetail(ArchiveMixin, generics.RetrieveAPIView[Archive]):
    """One archive."""

    serializer_class = ArchiveSerializer

    def get_object(self) -> Archive:
        return self.get_archive()


class Studies(ArchiveMixin, generics.ListAPIView[Study]):
    """Studies of an archive, newest first."""

    serializer_class = StudySerializer
    filterset_class = StudyFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Study.objects.none()
        archive = self.request.archive = self.get_archive()
        return queries.studies(user=self.request.user, archive=archive).order_by("-last_received_at", "-pk")


class StudyDetail(ArchiveMixin, generics.RetrieveAPIView[Study]):
    """One study by its key or Study Instance UID."""

    serializer_class = StudySerializer

    def get_object(self) -> Study:
        return self.get_study(self.get_archive())

    def get_study(self, archive: Archive) -> Study:
        key = self.kwargs["study"]
        rows = queries.studies(user=self.request.user, archive=archive)
        study = rows.filter(Q(public_id=key) | Q(study_instance_uid=key)).first()
        if study is None:
            raise NotFound
        return study


class StudySeries(StudyDetail):
    """Series of a study in their order."""

    serializer_class = SeriesSerializer  # type: ignore[assignment]
    queryset = Study.objects.none()

    @extend_schema(responses=SeriesSerializer(many=True))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        study = self.get_study(self.get_archive())
        rows = queries.series_of(user=request.user, study=study).select_related("organisation")
        return Response(SeriesSerializer(rows, many=True).data)


class SeriesInstances(ArchiveMixin, generics.ListAPIView[Instance]):
    """Instances of a series in their order."""

    serializer_class = InstanceSerializer
    filter_backends: tuple[Any, ...] = ()

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Instance.objects.none()
        study = StudyDetail.get_study(self, self.get_archive())  # type: ignore[arg-type]
        key = self.kwargs["series"]
        series = queries.series_of(user=self.request.user, study=study).filter(
            Q(public_id=key) | Q(series_instance_uid=key)
        )
        found = series.first()
        if found is None:
            raise NotFound
        return queries.instances_of(user=self.request.user, series=found).defer("attributes", "frame_table")


class Deliveries(ArchiveMixin, generics.ListAPIView[Delivery]):
    """What came in, newest first."""

    permission = ADD
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Delivery.objects.none()
        return Delivery.objects.filter(archive=self.get_archive()).select_related("actor").order_by("-opened_at")


class Quarantine(ArchiveMixin, generics.ListAPIView[QuarantinedFile]):
    """Files that were refused, newest first."""

    permission = ADD
    serializer_class = QuarantinedFileSerializer
    filterset_class = QuarantineFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return QuarantinedFile.objects.none()
        return QuarantinedFile.objects.filter(archive=self.get_archive()).order_by("-received_at", "-pk")


# Uploads --------------------------------------------------------------------------------------------------------------


class OutcomeSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The sender's own name for the file.")
    name = serializers.CharField()
    status = serializers.ChoiceField(
        choices=["stored", "duplicate", "replaced", "refused", "skipped", "unpacking"],
        help_text="`unpacking`: a zip file that the named job unpacks; its files are reported there.",
    )
    code = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    study_instance_uid = serializers.CharField(allow_blank=True)
    sop_instance_uid = serializers.CharField(allow_blank=True)
    job = serializers.UUIDField(allow_null=True)


class UploadStudySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    study_instance_uid = serializers.CharField()
    description = serializers.CharField()
    patient_name = serializers.CharField()
    study_date = serializers.CharField()
    modalities = serializers.ListField(child=serializers.CharField())
    instance_count = serializers.IntegerField()
    url = serializers.CharField(help_text="Page of the study.")


class UnpackingSerializer(serializers.Serializer[Any]):
    job = serializers.UUIDField()
    state = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    message = serializers.CharField()
    problems = serializers.ListField(child=serializers.DictField())


class UploadSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.CharField()
    received = serializers.IntegerField()
    stored = serializers.IntegerField()
    replaced = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    refused = serializers.IntegerField()
    skipped = serializers.IntegerField()
    unpacking = UnpackingSerializer(many=True)
    studies = UploadStudySerializer(many=True)


class PieceSerializer(serializers.Serializer[Any]):
    size = serializers.IntegerField(help_text="Bytes of the file that are here: where the next piece begins.")
    outcome = OutcomeSerializer(allow_null=True)


class StreamParser(BaseParser):
    """Hands the body on as a stream: nothing of it is held in memory."""

    media_type = "application/octet-stream"

    def parse(  # type: ignore[override]
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> IO[Any]:
        return stream


def person(request: Request) -> User:
    """The signed-in person; the permission classes let nobody else in."""
    if not isinstance(request.user, User):
        raise NotFound
    return request.user


def body_of(request: Request) -> Any:
    """The unread body of a streamed request."""
    return request._request


def outcome_json(received: uploads.Received) -> dict[str, Any]:
    outcome = received.outcome
    return {
        "id": received.reference,
        "name": outcome.original_name if outcome else "",
        "status": outcome.status if outcome else uploads.UNPACKING,
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
        return uploads.get_upload(user=self.request.user, archive=archive, delivery_id=self.kwargs["upload"])


class Uploads(UploadMixin, APIView):
    """Begin an upload: a delivery that takes any number of files until it is closed."""

    @extend_schema(request=None, responses={201: UploadSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delivery = services.open_delivery(
            archive=self.get_archive(), source=Delivery.Source.UPLOAD, actor=person(request), request=request._request
        )
        return Response(upload_json(delivery), status=status.HTTP_201_CREATED)


class UploadDetail(UploadMixin, APIView):
    """How far an upload is: counts, zip files being unpacked, studies that got images."""

    token_scope = "read"

    @extend_schema(responses=UploadSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(upload_json(self.get_upload()))


class UploadClose(UploadMixin, APIView):
    """No further files come. Zip files that are being unpacked go on."""

    @extend_schema(request=None, responses=UploadSerializer)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delivery = self.get_upload()
        services.close_delivery(delivery=delivery)
        return Response(upload_json(self.get_upload()))


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
        organisation = delivery.organisation.slug
        return Response([study_json(study, archive=delivery.archive, organisation=organisation) for study in rows])


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
        received = uploads.take_files(
            delivery=self.get_upload(), files=uploads.read_pack(body_of(request)), actor=person(request)
        )
        return Response([outcome_json(one) for one in received])


class UploadPieces(UploadMixin, APIView):
    """Send one large file piece by piece. A lost connection loses one piece: ask where to go on, and go on."""

    parser_classes = (StreamParser,)

    @extend_schema(responses=PieceSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        size = uploads.piece_size(delivery=self.get_upload(), upload_id=self.kwargs["file"])
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
        offset, total = _number(request, "offset"), _number(request, "total")
        size, received = uploads.take_piece(
            delivery=self.get_upload(),
            upload_id=self.kwargs["file"],
            offset=offset,
            total=total,
            name=request.query_params.get("name", "")[:1000],
            chunks=body_of(request),
            actor=person(request),
        )
        document = {"size": size, "outcome": outcome_json(received) if received else None}
        refused = received is None and size <= offset and total > 0
        return Response(document, status=status.HTTP_409_CONFLICT if refused else status.HTTP_200_OK)


def _number(request: Request, name: str) -> int:
    words = request.query_params.get(name, "")
    if not (words.isascii() and words.isdigit() and len(words) < 16):
        raise Invalid(fields={name: ["a whole number"]})
    return int(words)


def upload_json(delivery: Delivery) -> dict[str, Any]:
    studies = Study.objects.filter(instances__delivery=delivery).distinct().select_related("patient")[:200]
    jobs = Job.objects.filter(kind="archive.unpack", owner=delivery.actor, result__delivery=str(delivery.pk))
    organisation = delivery.organisation.slug
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
        "studies": [study_json(study, archive=delivery.archive, organisation=organisation) for study in studies],
    }


def study_json(study: Study, *, archive: Archive, organisation: str) -> dict[str, Any]:
    return {
        "id": study.public_id,
        "study_instance_uid": study.study_instance_uid,
        "description": study.description,
        "patient_name": reading.person_name(study.patient.patient_name),
        "study_date": reading.shown_date(study.study_date),
        "modalities": study.modalities,
        "instance_count": study.instance_count,
        "url": lists.detail_url(organisation=organisation, archive=archive, study=study),
    }
