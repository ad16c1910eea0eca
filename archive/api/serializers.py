"""How archives, studies, deliveries and uploads look in JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from archive import lists
from archive.models import Archive, Delivery, Instance, QuarantinedFile, Series, Study


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
    patient_name = serializers.CharField(help_text="As sent, with all groups (PN).")
    patient_birth_date = serializers.CharField(source="birth_date", help_text="As sent (DA).")
    patient_sex = serializers.CharField(source="sex")
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
            "notes",
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
    url = serializers.CharField(help_text="Page of the study; empty for who may send to the archive and not see it.")


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
