"""How trials, sites, subjects and their images look in JSON."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from archive.models import Study
from trials.api.common import Text
from trials.domain import lifecycle
from trials.models import Site, Subject, SubjectStudy, Trial
from trials.services.common import REASON_LENGTH
from trials.services.containers import SITE_FIELDS, TRIAL_FIELDS
from trials.services.subjects import FIELDS as SUBJECT_FIELDS


class TrialSerializer(serializers.ModelSerializer[Trial]):
    """The face of a trial, with as much of its inside as the caller sees (`context["seen"]`)."""

    archive = serializers.SerializerMethodField(help_text="Archive of its images; null for who reads blinded.")
    is_closed = serializers.BooleanField(read_only=True, help_text="Closed: everything is to be seen, nothing changes.")
    site_count = serializers.SerializerMethodField(help_text="Sites that the caller sees; null when blinded.")
    subject_count = serializers.SerializerMethodField(help_text="Subjects that the caller sees; null when blinded.")

    class Meta:
        model = Trial
        fields = (
            "slug", *TRIAL_FIELDS, "archive", "is_closed", "closed_at", "closed_reason", "site_count", "subject_count",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    def _seen(self, trial: Trial) -> dict[str, int] | None:
        found: dict[str, int] | None = self.context["seen"].get(trial.pk)
        return found

    def get_archive(self, trial: Trial) -> str | None:
        return trial.archive.slug if self._seen(trial) is not None else None

    def get_site_count(self, trial: Trial) -> int | None:
        seen = self._seen(trial)
        return seen.get("sites", 0) if seen is not None else None

    def get_subject_count(self, trial: Trial) -> int | None:
        seen = self._seen(trial)
        return seen.get("subjects", 0) if seen is not None else None


class Wanted(serializers.ModelSerializer[Any]):
    """Input by the model's own rules. What only the database knows is for the service to say."""

    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.TextField: Text,
    }


class WantedTrialSerializer(Wanted):
    class Meta:
        model = Trial
        fields = TRIAL_FIELDS
        validators: tuple[Any, ...] = ()


class SiteSerializer(serializers.ModelSerializer[Site]):
    id = serializers.CharField(source="public_id", read_only=True)
    is_closed = serializers.BooleanField(read_only=True)
    staff_count = serializers.SerializerMethodField(help_text="People who are staff of the site.")
    subject_count = serializers.IntegerField(read_only=True)
    enrolled_count = serializers.IntegerField(read_only=True, help_text="Subjects who are enrolled at the moment.")
    study_count = serializers.IntegerField(read_only=True, help_text="Studies of its subjects.")

    class Meta:
        model = Site
        fields = (
            "id", *SITE_FIELDS, "is_closed", "closed_at", "closed_reason", "staff_count", "subject_count",
            "enrolled_count", "study_count", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_staff_count(self, site: Site) -> int:
        found: int = self.context["staff"].get(site.pk, 0)
        return found


class WantedSiteSerializer(Wanted):
    class Meta:
        model = Site
        fields = SITE_FIELDS
        validators: tuple[Any, ...] = ()


class SubjectSerializer(serializers.ModelSerializer[Subject]):
    """A subject, under a pseudonym only."""

    id = serializers.CharField(source="public_id", read_only=True)
    reading_id = serializers.SerializerMethodField(
        help_text="What blinded readers know the subject by; null for staff of a site."
    )
    site = serializers.CharField(source="site.public_id", read_only=True, help_text="Key of the site.")
    site_number = serializers.CharField(source="site.number", read_only=True, help_text="The site's ID in the trial.")
    study_count = serializers.IntegerField(read_only=True)
    last_study_date = serializers.CharField(
        source="last_study", read_only=True, allow_null=True, help_text="Of the latest study, as sent (DA)."
    )

    class Meta:
        model = Subject
        fields: ClassVar[tuple[str, ...]] = (
            "id", "subject_id", "reading_id", "site", "site_number", "sex", "birth_year", "enrolled_on", "state",
            "state_reason", "study_count", "last_study_date", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_reading_id(self, subject: Subject) -> str | None:
        return subject.reading_id if self.context["sees_all"] else None


class TrialStudySerializer(serializers.ModelSerializer[Study]):
    """A study of the trial's archive."""

    id = serializers.CharField(source="public_id", read_only=True)
    modalities = serializers.ListField(child=serializers.CharField(), read_only=True)
    is_settled = serializers.BooleanField(read_only=True, help_text="Whether the archive takes the study as complete.")
    dicomweb_url = serializers.SerializerMethodField(
        help_text="Where the study is in DICOMweb; a token needs the scope `dicomweb` there."
    )

    class Meta:
        model = Study
        fields: ClassVar[tuple[str, ...]] = (
            "id", "study_instance_uid", "study_date", "study_time", "description", "modalities", "series_count",
            "instance_count", "last_received_at", "is_settled", "dicomweb_url",
        )  # fmt: skip
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_dicomweb_url(self, study: Study) -> str:
        address = {"organisation": study.organisation.slug, "archive": study.archive.slug}
        path = reverse("dicomweb:study", kwargs={**address, "study": study.study_instance_uid})
        return str(self.context["request"].build_absolute_uri(path))


class WaitingStudySerializer(TrialStudySerializer):
    """A study that belongs to no subject yet."""

    patient_id = serializers.CharField(source="patient.patient_id", read_only=True, help_text="As it stands in them.")

    class Meta(TrialStudySerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*TrialStudySerializer.Meta.fields, "patient_id")
        read_only_fields: ClassVar[tuple[str, ...]] = fields


class SubjectStudySerializer(serializers.ModelSerializer[SubjectStudy]):
    """A study that shows the subject, at a time point."""

    study = TrialStudySerializer(read_only=True)
    matched_by = serializers.CharField(
        source="matched_by.username", default=None, read_only=True, allow_null=True,
        help_text="Who said so; null: the images themselves.",
    )  # fmt: skip

    class Meta:
        model = SubjectStudy
        fields = ("study", "time_point", "matched_by", "matched_at", "reason")
        read_only_fields = fields


class SubjectDetailSerializer(SubjectSerializer):
    """A subject with its images in order of time, as far as the caller sees them."""

    added_by = serializers.CharField(source="added_by.username", default=None, read_only=True, allow_null=True)
    actions = serializers.ListField(
        child=serializers.ChoiceField(choices=lifecycle.ACTIONS),
        read_only=True,
        help_text="What may be done in this state.",
    )
    studies = serializers.SerializerMethodField()

    class Meta(SubjectSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*SubjectSerializer.Meta.fields, "added_by", "actions", "studies")
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    @extend_schema_field(SubjectStudySerializer(many=True))
    def get_studies(self, subject: Subject) -> Any:
        return SubjectStudySerializer(self.context["images"], many=True, context=self.context).data


class WantedSubjectSerializer(Wanted):
    class Meta:
        model = Subject
        fields: ClassVar[tuple[str, ...]] = SUBJECT_FIELDS
        validators: tuple[Any, ...] = ()


class NewSubjectSerializer(WantedSubjectSerializer):
    site = Text(max_length=64, help_text="Key of the site, or its ID in the trial.")

    class Meta(WantedSubjectSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = ("site", *SUBJECT_FIELDS)


class ActionSerializer(serializers.Serializer[Any]):
    """What is done to a subject: `withdraw` and `resume` need a reason; `enrol` takes a day, today without one."""

    action = serializers.ChoiceField(choices=lifecycle.ACTIONS)
    reason = Text(max_length=REASON_LENGTH, required=False)
    day = serializers.DateField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What the action would not keep is refused, not lost."""
        action = attrs["action"]
        if attrs.get("reason") and action not in lifecycle.NEEDS_REASON:
            raise serializers.ValidationError({"reason": [_("This action keeps no reason.")]})
        if attrs.get("day") and action != lifecycle.ENROL:
            raise serializers.ValidationError({"day": [_("Only an enrolment has a day.")]})
        return attrs


class WantedMatchSerializer(serializers.Serializer[Any]):
    time_point = Text(
        max_length=64,
        required=False,
        allow_blank=True,
        help_text="As the protocol names it. Left out: what the images say, or what stands there already.",
    )
    reason = Text(
        max_length=REASON_LENGTH,
        required=False,
        allow_blank=True,
        help_text="Needed when staff of another site sent the images (else 400 with the code `across-sites`).",
    )
