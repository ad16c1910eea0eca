"""Pseudonym domains, the runs that de-identify a study, and what became of each instance.

A run. Who acts is in brackets; *end* is `completed`, `partially held` or `held` by what is stored and held back, and only a
release leads out of it. A round is *later* when an earlier one stored images (`rounds.is_later`).

=================  ===================================  ==============================================================
state              act                                  → state
=================  ===================================  ==============================================================
draft              start [worker]                       running
draft              cancel                               cancelled
running            screen, transform, check [worker]    running (repeatable; stores where no second person is asked)
running            finish [worker]                      end, or awaiting approval where images wait for a second person
running            cancel · the right ends at start     cancelled; in a later round: end, its images held again
running            fail [worker]                        failed
awaiting approval  approve [second person]              storing
awaiting approval  reject [second person]               rejected; in a later round: end, its images left out
awaiting approval  release · take a release back        running
awaiting approval  drop · take a drop back              awaiting approval
awaiting approval  cancel                               as when running
storing            store what was approved [worker]     storing (repeatable; an image without approval stays out)
storing            finish [worker]                      end
storing            cancel · fail                        as when running
partially held     release                              running (a later round)
partially held     drop · take a drop back              partially held
held               release                              running
held               drop · take a drop back              held
completed          nothing
failed             retry                                running, or storing where it was approved
cancelled          retry                                the same
rejected           nothing; nothing was stored
=================  ===================================  ==============================================================

Images that are stored stay stored and proven in every state: the receipt of the last end lists them.
Where no second person is asked for, a run stores while it is running and never waits for approval.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from archive.models import Archive, Delivery, Instance, Study
from core.models import Job, TenantModel, TimeStampedModel, new_public_id
from deid.domain.dates import DEFAULT_WINDOW_DAYS
from deid.domain.findings import RELEASABLE
from deid.domain.profile import Option

OPTION_LABELS: dict[str, Any] = {
    Option.RETAIN_MODIFIED_DATES: _("Keep intervals: dates shifted by one number of days per patient"),
    Option.RETAIN_PATIENT_CHARACTERISTICS: _("Keep patient characteristics: sex, age, size, weight"),
    Option.RETAIN_DEVICE_IDENTITY: _("Keep device identity: station, serial numbers"),
    Option.RETAIN_INSTITUTION_IDENTITY: _("Keep institution identity"),
    Option.RETAIN_SAFE_PRIVATE: _("Keep safe private attributes (PS3.15 Table E.3.10-1)"),
    Option.CLEAN_DESCRIPTORS: _("Clean descriptors: keep words of technique and anatomy"),
}


class PseudonymDomain(TenantModel, TimeStampedModel):
    """Where pseudonyms hold: one per target archive, so that a patient is the same person in all studies of it.

    The key itself is not in the database. It is derived from the installation's secret and `key_salt`; `key_check`
    tells whether the secret is still the one the domain was made with.
    """

    archive = models.OneToOneField(Archive, on_delete=models.PROTECT, related_name="pseudonym_domain")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    key_salt = models.BinaryField(max_length=32, editable=False)
    key_check = models.BinaryField(max_length=32, editable=False)
    prefix = models.CharField(
        _("prefix of pseudonyms"),
        max_length=8,
        default="P",
        validators=[RegexValidator(regex=r"^[A-Z][A-Z0-9]{0,7}$", message=_("Use 1 to 8 capital letters and digits."))],
    )
    date_window_days = models.PositiveIntegerField(
        _("dates are shifted by at most, days"), default=DEFAULT_WINDOW_DAYS, validators=[MinValueValidator(30)]
    )
    require_second_person = models.BooleanField(_("a second person approves before anything is stored"), default=False)

    permission_path: ClassVar[str] = "archive"

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.public_id


class Pseudonym(TenantModel):
    """A patient of a domain. Who it is cannot be told from the row without the domain's key."""

    domain = models.ForeignKey(PseudonymDomain, on_delete=models.PROTECT, related_name="pseudonyms")
    source_key_hash = models.BinaryField(max_length=32)
    patient_id = models.CharField(max_length=64)
    patient_name = models.CharField(max_length=64)
    shift_days = models.IntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["domain", "source_key_hash"], name="one_pseudonym_per_patient"),
            models.UniqueConstraint(fields=["domain", "patient_id"], name="one_patient_per_pseudonym"),
            models.CheckConstraint(condition=~models.Q(shift_days=0), name="dates_are_shifted"),
        ]

    def __str__(self) -> str:
        return self.patient_id


class DeidentificationRun(TenantModel, TimeStampedModel):
    """One study on its way into another archive."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Not started")
        RUNNING = "running", _("Running")
        AWAITING_APPROVAL = "awaiting-approval", _("Waiting for a second person")
        STORING = "storing", _("Storing")
        COMPLETED = "completed", _("Complete")
        PARTIALLY_HELD = "partially-held", _("Partly held back")
        HELD = "held", _("Held back")
        FAILED = "failed", _("Failed")
        REJECTED = "rejected", _("Rejected")
        CANCELLED = "cancelled", _("Cancelled")

    WORKING_STATES: ClassVar[tuple[str, ...]] = (State.RUNNING, State.STORING)
    CANCELLABLE_STATES: ClassVar[tuple[str, ...]] = (
        State.DRAFT,
        State.RUNNING,
        State.AWAITING_APPROVAL,
        State.STORING,
    )
    RETRIABLE_STATES: ClassVar[tuple[str, ...]] = (State.FAILED, State.CANCELLED)
    SUCCESS_STATES: ClassVar[tuple[str, ...]] = (State.COMPLETED, State.PARTIALLY_HELD)
    # Held images may be released or dropped: everything else is done or waits.
    REVIEWABLE_STATES: ClassVar[tuple[str, ...]] = (State.AWAITING_APPROVAL, State.PARTIALLY_HELD, State.HELD)
    FINAL_STATES: ClassVar[tuple[str, ...]] = (*SUCCESS_STATES, State.HELD, State.REJECTED)

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    # The source may be deleted by its own rules; the run and its receipt stay.
    source_study = models.ForeignKey(Study, on_delete=models.SET_NULL, null=True, related_name="deidentification_runs")
    source_archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="+")
    target_archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="deidentification_runs")
    domain = models.ForeignKey(PseudonymDomain, on_delete=models.PROTECT, related_name="runs")
    pseudonym = models.ForeignKey(Pseudonym, on_delete=models.PROTECT, related_name="runs")
    target_study_instance_uid = models.CharField(max_length=64)
    options = models.JSONField(default=list)
    edition = models.CharField(max_length=16)
    table_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=State.choices, default=State.DRAFT)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.CharField(max_length=500, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True, related_name="+")
    total = models.PositiveIntegerField(default=0)
    stored = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)
    warned = models.PositiveIntegerField(default=0)
    # Images that came into the source study too late for this copy.
    late = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    receipt = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    permission_path: ClassVar[str] = "target_archive"

    class Meta:
        ordering = ("-created_at",)
        default_permissions = ()
        indexes = [
            models.Index(fields=["target_archive", "-created_at"]),
            models.Index(fields=["source_study"]),
            models.Index(fields=["target_study_instance_uid"]),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return self.public_id

    @property
    def audit_studies(self) -> list[str]:
        return [self.source_study.public_id] if self.source_study is not None else []

    @property
    def is_working(self) -> bool:
        return self.state in self.WORKING_STATES

    @property
    def is_cancellable(self) -> bool:
        return self.state in self.CANCELLABLE_STATES

    @property
    def is_retriable(self) -> bool:
        return self.state in self.RETRIABLE_STATES

    @property
    def is_awaiting_approval(self) -> bool:
        return self.state == self.State.AWAITING_APPROVAL

    @property
    def is_successful(self) -> bool:
        """Whether it ended with images in the target archive."""
        return self.state in self.SUCCESS_STATES

    @property
    def is_finished(self) -> bool:
        return self.state in self.FINAL_STATES

    @property
    def tone(self) -> str:
        """How the state is coloured."""
        tones = {
            self.State.COMPLETED: "pass",
            self.State.PARTIALLY_HELD: "query",
            self.State.HELD: "fail",
            self.State.FAILED: "fail",
            self.State.REJECTED: "fail",
            self.State.AWAITING_APPROVAL: "query",
        }
        return tones.get(self.State(self.state), "info")

    @property
    def asks_second_person(self) -> bool:
        return self.domain.require_second_person

    @property
    def option_labels(self) -> list[Any]:
        return [OPTION_LABELS.get(name, name) for name in self.options]


class DeidentifiedInstance(TenantModel):
    """What became of one source instance in one run."""

    class Verdict(models.TextChoices):
        PASS = "pass", _("Passed")
        WARNING = "warning", _("Passed with a warning")
        HELD_BACK = "held-back", _("Held back")

    class Decision(models.TextChoices):
        RELEASED = "released", _("Released")
        DROPPED = "dropped", _("Left out")

    run = models.ForeignKey(DeidentificationRun, on_delete=models.CASCADE, related_name="instances")
    source_instance = models.ForeignKey(Instance, on_delete=models.SET_NULL, null=True, related_name="+")
    # Of the source's file, so that the receipt proves what the output was made from.
    source_digest = models.BinaryField(max_length=32)
    instance_number = models.BigIntegerField(null=True, blank=True)
    modality = models.CharField(max_length=16, blank=True)
    sop_class_uid = models.CharField(max_length=64, blank=True)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reasons = models.JSONField(default=list)
    # Paths of elements where something was left (never values), for a residue.
    residue_paths = models.JSONField(default=list)
    target_sop_instance_uid = models.CharField(max_length=64, blank=True)
    target_digest = models.BinaryField(max_length=32, default=bytes)
    spool_name = models.CharField(max_length=40, blank=True)
    actions = models.JSONField(default=dict)
    is_stored = models.BooleanField(default=False)
    # What a person who looked at a held image decided, and the reasons that this put aside.
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField(max_length=500, blank=True, default="")
    released_reasons = models.JSONField(default=list)
    # How many of its frames whoever decided was shown before; None: nobody counted.
    frames_shown = models.PositiveIntegerField(null=True, blank=True)
    # The second person who let this output be stored; nobody where none was asked.
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    permission_path: ClassVar[str] = "run__target_archive"

    class Meta:
        ordering = ("instance_number", "pk")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["run", "source_instance"], name="instance_once_in_run"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_held_back(self) -> bool:
        return self.verdict == self.Verdict.HELD_BACK

    @property
    def frames(self) -> int:
        """Of the source; 0 for an object without a picture, and where the source was deleted."""
        return self.source_instance.number_of_frames if self.source_instance is not None else 0

    @property
    def is_left_out(self) -> bool:
        """Held back, and somebody decided that it stays out."""
        return self.is_held_back and self.decision == self.Decision.DROPPED

    @property
    def is_open_hold(self) -> bool:
        """Held back for its pixels alone, and nobody has decided on it."""
        return (
            self.is_held_back
            and not self.decision
            and self.source_instance_id is not None
            and bool(self.reasons)
            and all(code in RELEASABLE for code in self.reasons)
        )

    def can_be_taken_back(self, *, run: DeidentificationRun) -> bool:
        """Whether the decision on it can be undone: nothing of the image is in the target archive, or on its way there."""
        if not self.decision or self.is_stored or self.spool_name or run.state not in run.REVIEWABLE_STATES:
            return False
        return self.is_held_back or run.is_awaiting_approval


class ShownFrame(TenantModel):
    """A frame of a held image that was shown to somebody who may decide on it."""

    image = models.ForeignKey(DeidentifiedInstance, on_delete=models.CASCADE, related_name="shown_frames")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    frame = models.PositiveIntegerField()
    shown_at = models.DateTimeField(auto_now_add=True)

    permission_path: ClassVar[str] = "image__run__target_archive"

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["image", "person", "frame"], name="frame_shown_once")]

    def __str__(self) -> str:
        return f"{self.image_id}/{self.frame}"
