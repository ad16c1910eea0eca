"""Subjects, and whose images are whose."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from core.models import PUBLIC_ID_ALPHABET, TenantModel, TimeStampedModel, new_public_id
from trials.domain import lifecycle
from trials.models.containers import validate_identifier, validate_long_string


def new_reading_id() -> str:
    """What blinded readers know a subject by: says nothing of site, order or time."""
    return "R-" + "".join(secrets.choice(PUBLIC_ID_ALPHABET) for _unused in range(6)).upper()


class Subject(TenantModel, TimeStampedModel):
    """A person in the trial, under a pseudonym only.

    `subject_id` is Clinical Trial Subject ID (0012,0040); `reading_id` is Clinical Trial Subject Reading ID (0012,0042),
    which stands in blinded copies in its place.
    """

    class Sex(models.TextChoices):
        FEMALE = "F", _("Female")
        MALE = "M", _("Male")
        OTHER = "O", _("Other")

    class State(models.TextChoices):
        SCREENING = lifecycle.SCREENING, _("Screening")
        ENROLLED = lifecycle.ENROLLED, _("Enrolled")
        COMPLETED = lifecycle.COMPLETED, _("Completed")
        WITHDRAWN = lifecycle.WITHDRAWN, _("Withdrawn")

    trial = models.ForeignKey("trials.Trial", on_delete=models.PROTECT, related_name="subjects")
    site = models.ForeignKey("trials.Site", on_delete=models.PROTECT, related_name="subjects")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    subject_id = models.CharField(_("subject ID"), max_length=64, validators=[validate_identifier])
    reading_id = models.CharField(_("reading ID"), max_length=64, default=new_reading_id, editable=False)
    sex = models.CharField(_("sex"), max_length=1, choices=Sex.choices, blank=True)
    birth_year = models.PositiveSmallIntegerField(_("year of birth"), null=True, blank=True)
    enrolled_on = models.DateField(_("enrolled on"), null=True, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.SCREENING)
    state_reason = models.CharField(max_length=300, blank=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    permission_path: ClassVar[str] = "trial"

    class Meta:
        ordering = ("subject_id",)
        default_permissions = ()
        constraints = [
            # "lung-01-001" and "LUNG-01-001" are one person: sites type IDs by hand.
            models.UniqueConstraint("trial", Upper("subject_id"), name="subject_in_trial"),
            models.UniqueConstraint(fields=["trial", "reading_id"], name="reading_id_in_trial"),
            models.CheckConstraint(
                condition=~Q(state=lifecycle.WITHDRAWN) | ~Q(state_reason=""), name="withdrawn_for_a_reason"
            ),
        ]
        indexes = [models.Index(fields=["site", "subject_id"])]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return self.public_id

    @property
    def actions(self) -> tuple[str, ...]:
        """What may be done to the subject in this state."""
        return lifecycle.actions(self.state)


class SubjectStudy(TenantModel):
    """A study of the trial's archive that shows a subject, at a time point."""

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="subject_studies")
    study = models.OneToOneField("archive.Study", on_delete=models.PROTECT, related_name="subject_study")
    #: Clinical Trial Time Point ID (0012,0050).
    time_point = models.CharField(_("time point"), max_length=64, blank=True, validators=[validate_long_string])
    #: None: by what the images themselves say.
    matched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    matched_at = models.DateTimeField()
    #: Why a study that another site's staff sent shows this subject all the same.
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    permission_path: ClassVar[str] = "subject__trial"

    class Meta:
        ordering = ("study__study_date", "pk")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.subject_id}/{self.study_id}"
