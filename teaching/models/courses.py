"""A course's cases in order, and assignments: cases with a due date for all its learners or for some of them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel, new_public_id


class CourseCase(TenantModel):
    course = models.ForeignKey("teaching.Course", on_delete=models.CASCADE, related_name="course_cases")
    case = models.ForeignKey("teaching.Case", on_delete=models.CASCADE, related_name="course_cases")
    position = models.PositiveIntegerField(default=0)

    permission_path: ClassVar[str] = "course"

    class Meta:
        ordering = ("position", "pk")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["course", "case"], name="case_once_in_course")]

    def __str__(self) -> str:
        return f"{self.course_id}/{self.case_id}"


class Assignment(TenantModel, TimeStampedModel):
    """Cases to be read by a date."""

    class Audience(models.TextChoices):
        COURSE = "course", _("All learners of the course")
        PERSONS = "persons", _("Chosen learners")

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    course = models.ForeignKey("teaching.Course", on_delete=models.CASCADE, related_name="assignments")
    title = models.CharField(_("title"), max_length=150)
    note = models.TextField(_("note to the learners"), blank=True)
    audience = models.CharField(max_length=8, choices=Audience.choices, default=Audience.COURSE)
    persons = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="assignments", blank=True)
    opens_at = models.DateTimeField(_("opens"), default=timezone.now)
    due_at = models.DateTimeField(_("due"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    permission_path: ClassVar[str] = "course"

    class Meta:
        ordering = ("due_at", "pk")
        default_permissions = ()
        indexes = [models.Index(fields=["course", "due_at"])]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return self.public_id

    @property
    def is_withdrawn(self) -> bool:
        return self.withdrawn_at is not None

    def is_overdue_at(self, moment: datetime) -> bool:
        return self.due_at < moment


class AssignmentCase(TenantModel):
    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="assignment_cases")
    case = models.ForeignKey("teaching.Case", on_delete=models.CASCADE, related_name="assignment_cases")
    position = models.PositiveIntegerField(default=0)

    permission_path: ClassVar[str] = "assignment__course"

    class Meta:
        ordering = ("position", "pk")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["assignment", "case"], name="case_once_in_assignment")]

    def __str__(self) -> str:
        return f"{self.assignment_id}/{self.case_id}"
