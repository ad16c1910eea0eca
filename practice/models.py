"""Reads: attempts, what was answered, how it was scored, and when a diagnosis is due again.

Actions on an attempt (state → what may happen):

==========  ====================================================================================
started     save drafts and marks · commit → committed · abandon → abandoned
committed   the truth is shown · score free text answers → scored (at once when there are none)
scored      score free text again (the latest score counts)
abandoned   nothing; the truth was not shown
==========  ====================================================================================

Final states are reached by conditional UPDATEs: of two tabs that commit, one wins and the other one sees its result.
Answers are only ever added, and the database refuses to change them.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, new_public_id


class Attempt(TenantModel):
    """One read of one version of a case by one person."""

    class State(models.TextChoices):
        STARTED = "started", _("Reading")
        COMMITTED = "committed", _("Committed")
        SCORED = "scored", _("Scored")
        ABANDONED = "abandoned", _("Abandoned")

    class Reason(models.TextChoices):
        ASSIGNED = "assigned", _("Assigned")
        DUE = "due", _("Due for repetition")
        FREE = "free", _("Free choice")

    REVEALED_STATES: ClassVar[tuple[str, ...]] = (State.COMMITTED, State.SCORED)

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="attempts")
    version = models.ForeignKey("teaching.CaseVersion", on_delete=models.PROTECT, related_name="attempts")
    assignment = models.ForeignKey(
        "teaching.Assignment", on_delete=models.SET_NULL, null=True, blank=True, related_name="attempts"
    )
    reason = models.CharField(max_length=8, choices=Reason.choices, default=Reason.FREE)
    state = models.CharField(max_length=10, choices=State.choices, default=State.STARTED)
    #: Seeds the order of the options, so that it is the same on every reload and known afterwards.
    seed = models.PositiveIntegerField()
    #: Drafts: `{question id: {"choice": [option ids], "text": str, "none": bool, "confidence": int}}`.
    draft = models.JSONField(default=dict)
    draft_version = models.PositiveIntegerField(default=0)
    marks = models.JSONField(default=list)
    marks_version = models.PositiveIntegerField(default=0)
    #: Time with an image on screen, as the viewer reported it.
    looked_ms = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField()
    committed_at = models.DateTimeField(null=True, blank=True)
    scored_at = models.DateTimeField(null=True, blank=True)
    points = models.FloatField(null=True, blank=True)
    max_points = models.FloatField(null=True, blank=True)

    permission_path: ClassVar[str] = "version__case__library"

    class Meta:
        ordering = ("-started_at",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["user", "version"], condition=models.Q(state="started"), name="one_active_attempt"
            )
        ]
        indexes = [
            models.Index(fields=["user", "-committed_at"]),
            models.Index(fields=["version", "state"]),
            models.Index(fields=["organisation", "state", "-committed_at"]),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return self.public_id

    @property
    def is_active(self) -> bool:
        return self.state == self.State.STARTED

    @property
    def is_revealed(self) -> bool:
        """Whether its reader may see the truth. Every door asks this and nothing else."""
        return self.state in self.REVEALED_STATES

    @property
    def grade(self) -> float | None:
        """Points on the scale from 0 to 10, or None before there are any."""
        if self.points is None or not self.max_points:
            return None
        return 10 * self.points / self.max_points

    @property
    def minutes(self) -> int | None:
        """From opening to the commit, at least one."""
        if self.committed_at is None:
            return None
        return max(1, round((self.committed_at - self.started_at).total_seconds() / 60))

    @property
    def percent(self) -> int | None:
        grade = self.grade
        return None if grade is None else round(grade * 10)


class Answer(TenantModel):
    """What was answered to one question. Written by the commit, never changed."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="answers")
    question_id = models.CharField(max_length=12)
    kind = models.CharField(max_length=8)
    #: `{"choice": [ids], "order": [ids as shown]}`, `{"text": str}` or `{"marks": [Mark JSON], "none": bool}`.
    response = models.JSONField()
    confidence = models.PositiveSmallIntegerField(null=True, blank=True)
    confidence_levels = models.PositiveSmallIntegerField(null=True, blank=True)
    submitted_at = models.DateTimeField()

    permission_path: ClassVar[str] = "attempt__version__case__library"

    class Meta:
        ordering = ("pk",)
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["attempt", "question_id"], name="one_answer_a_question")]

    def __str__(self) -> str:
        return f"{self.attempt_id}/{self.question_id}"


class Score(TenantModel):
    """What an answer is worth. Only added; the newest one of an answer counts."""

    class By(models.TextChoices):
        RULE = "rule", _("By rule")
        SELF = "self", _("By the reader")
        EDUCATOR = "educator", _("By an educator")

    answer = models.ForeignKey(Answer, on_delete=models.PROTECT, related_name="scores")
    by = models.CharField(max_length=8, choices=By.choices, default=By.RULE)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    points = models.FloatField()
    max_points = models.FloatField()
    is_correct = models.BooleanField()
    #: `{"hits": {lesion id: mark id}, "false": [mark ids], "missed": […]}` or `{"rubric": [line ids]}`.
    detail = models.JSONField(default=dict)
    note = models.TextField(blank=True)
    scored_at = models.DateTimeField()

    permission_path: ClassVar[str] = "answer__attempt__version__case__library"

    class Meta:
        ordering = ("-pk",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.answer_id}: {self.points}/{self.max_points}"


class Look(TenantModel):
    """A batch of what was on screen during a read (`viewer.domain.events`), for the replay."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="looks")
    events = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.attempt_id} {self.pk}"


class Card(TenantModel):
    """When a diagnosis is due again for a person. The card is the diagnosis, not the picture."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cards")
    diagnosis_group = models.CharField(max_length=120)
    memory = models.JSONField(default=dict)
    due_at = models.DateTimeField()
    reviews = models.PositiveIntegerField(default=0)
    lapses = models.PositiveIntegerField(default=0)
    last_attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user", "diagnosis_group"], name="one_card_a_diagnosis")
        ]
        indexes = [models.Index(fields=["user", "due_at"])]

    def __str__(self) -> str:
        return f"{self.user_id}/{self.pk}"


class CardReview(TenantModel):
    """One repetition and what it did to the card."""

    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="history")
    attempt = models.OneToOneField(Attempt, on_delete=models.PROTECT, related_name="card_review")
    rating = models.PositiveSmallIntegerField()
    reviewed_at = models.DateTimeField()
    due_at = models.DateTimeField()

    class Meta:
        ordering = ("reviewed_at",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.card_id} {self.rating}"
