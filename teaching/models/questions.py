"""What is asked about a case."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel, new_public_id


class Question(TenantModel, TimeStampedModel):
    """One question of a case's working copy; `teaching.domain.questions` says what makes it valid.

    `options` of a choice question: `[{"id", "text", "is_correct", "explanation"}]`, ids random so that they tell nothing.
    `rubric` of a free text question: `[{"id", "text", "points"}]`.
    """

    class Kind(models.TextChoices):
        SINGLE = "single", _("One right answer")
        MULTIPLE = "multiple", _("Several right answers")
        MARK = "mark", _("Mark the lesion")
        TEXT = "text", _("Free text")

    class ScoredBy(models.TextChoices):
        SELF = "self", _("The learner, against the rubric")
        EDUCATOR = "educator", _("An educator, against the rubric")

    case = models.ForeignKey("teaching.Case", on_delete=models.CASCADE, related_name="questions")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.SINGLE)
    position = models.PositiveIntegerField(default=0)
    stem = models.TextField(_("question"), blank=True)
    explanation = models.TextField(_("explanation"), blank=True, help_text=_("Shown after the answer."))
    points = models.PositiveIntegerField(_("points"), default=10)
    options = models.JSONField(default=list, blank=True)
    shuffle = models.BooleanField(_("shuffle the options for each reader"), default=True)
    asks_confidence = models.BooleanField(_("ask for confidence"), default=True)
    confidence_levels = models.PositiveSmallIntegerField(_("steps of the confidence scale"), default=5)
    max_marks = models.PositiveSmallIntegerField(_("most marks"), default=5)
    rubric = models.JSONField(default=list, blank=True)
    #: The revision of the case at which this question last changed.
    version = models.PositiveIntegerField(default=1, editable=False)
    scored_by = models.CharField(_("scored by"), max_length=8, choices=ScoredBy.choices, default=ScoredBy.SELF)

    permission_path: ClassVar[str] = "case__library"

    class Meta:
        ordering = ("position", "pk")
        default_permissions = ()
        indexes = [models.Index(fields=["case", "position"])]

    def __str__(self) -> str:
        return self.public_id
