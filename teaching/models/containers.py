"""What rights are given on: libraries (of cases) and courses (that put cases before learners)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from access.models import RoleContainer, validate_slug
from core.models import TenantModel, TimeStampedModel


class Library(RoleContainer, TenantModel, TimeStampedModel):
    """A collection of cases over one de-identified archive."""

    ROLES: ClassVar[dict[str, tuple[Any, tuple[str, ...]]]] = {
        "editor": (
            _("Editor"),
            (
                "view_library",
                "edit_cases",
                "review_cases",
                "publish_cases",
                "view_results",
                "manage_library",
                "share_library",
            ),
        ),
        "reviewer": (_("Reviewer"), ("view_library", "review_cases")),
        "learner": (_("Learner"), ("learn",)),
    }

    archive = models.ForeignKey("archive.Archive", on_delete=models.PROTECT, related_name="libraries")
    slug = models.CharField(_("address"), max_length=63, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=150)
    description = models.TextField(_("description"), blank=True)
    requires_review = models.BooleanField(
        _("publishing needs a review"),
        default=False,
        help_text=_("A second person has to approve a case before each publication."),
    )
    licence = models.CharField(_("licence of new cases"), max_length=60, blank=True)

    permission_path: ClassVar[str] = ""

    class Meta:
        verbose_name_plural = _("libraries")
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["organisation", "slug"], name="library_address_in_organisation")]
        default_permissions = ("view",)
        permissions = (
            ("edit_cases", _("Write cases")),
            ("review_cases", _("Review cases")),
            ("publish_cases", _("Publish and retire cases")),
            ("view_results", _("See how learners fare")),
            ("manage_library", _("Change the library and give roles on it")),
            ("share_library", _("Share single published cases with people outside")),
            ("learn", _("Read its published cases as unknowns")),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def audit_label(self) -> str:
        return self.slug


class LibraryUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Library, on_delete=models.CASCADE)


class LibraryGroupObjectPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Library, on_delete=models.CASCADE)


class Course(RoleContainer, TenantModel, TimeStampedModel):
    """Cases in an order, for a group of learners."""

    ROLES: ClassVar[dict[str, tuple[Any, tuple[str, ...]]]] = {
        "editor": (_("Editor"), ("view_course", "change_course", "assign_cases", "view_results", "manage_course")),
        "reviewer": (_("Reviewer"), ("view_course", "view_results")),
        "learner": (_("Learner"), ("learn",)),
    }

    slug = models.CharField(_("address"), max_length=63, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=150)
    description = models.TextField(_("description"), blank=True)

    permission_path: ClassVar[str] = ""

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["organisation", "slug"], name="course_address_in_organisation")]
        default_permissions = ("view", "change")
        permissions = (
            ("assign_cases", _("Assign cases with due dates")),
            ("view_results", _("See how learners fare")),
            ("manage_course", _("Give roles on the course")),
            ("learn", _("Read its published cases as unknowns")),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def audit_label(self) -> str:
        return self.slug


class CourseUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Course, on_delete=models.CASCADE)


class CourseGroupObjectPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Course, on_delete=models.CASCADE)
