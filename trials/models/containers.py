"""What rights are given on: trials, and the sites that recruit for them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from access.models import RoleContainer, validate_slug
from core.models import TenantModel, TimeStampedModel, new_public_id

#: Letters, digits and what numbering schemes put between them: a value of LO (PS3.5 6.2) that also reads well in a list.
validate_identifier = RegexValidator(
    regex=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._/-]{0,62}[A-Za-z0-9])?$",
    message=_("Use up to 64 letters, digits, spaces, full stops, hyphens, slashes and underscores."),
)
#: LO (PS3.5 6.2): no backslash, no control characters.
validate_long_string = RegexValidator(
    regex=r"^[^\\\x00-\x1f\x7f]*$", message=_("A backslash or a control character cannot stand here.")
)


class Trial(RoleContainer, TenantModel, TimeStampedModel):
    """An imaging trial over one de-identified archive.

    `protocol_id`, `name` and `sponsor` are Clinical Trial Protocol ID (0012,0020), Protocol Name (0012,0021) and Sponsor
    Name (0012,0010) of PS3.3 C.7.1.3.
    """

    ROLES: ClassVar[dict[str, tuple[Any, tuple[str, ...]]]] = {
        "coordinator": (
            _("Coordinator"),
            ("view_trial", "view_subjects", "change_trial", "manage_subjects", "manage_trial"),
        ),
        "reader": (_("Reader"), ("view_trial", "read_blinded")),
        "adjudicator": (_("Adjudicator"), ("view_trial", "adjudicate")),
        "monitor": (_("Monitor"), ("view_trial", "view_subjects")),
    }

    archive = models.OneToOneField("archive.Archive", on_delete=models.PROTECT, related_name="trial")
    slug = models.CharField(_("address"), max_length=63, validators=[validate_slug])
    protocol_id = models.CharField(_("protocol ID"), max_length=64, validators=[validate_identifier])
    name = models.CharField(_("name"), max_length=64, validators=[validate_long_string])
    sponsor = models.CharField(_("sponsor"), max_length=64, blank=True, validators=[validate_long_string])
    description = models.TextField(_("description"), blank=True, max_length=4000)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_reason = models.CharField(max_length=300, blank=True)

    permission_path: ClassVar[str] = ""

    class Meta:
        verbose_name = _("trial")
        verbose_name_plural = _("trials")
        ordering = ("protocol_id",)
        constraints = [
            models.UniqueConstraint(fields=["organisation", "slug"], name="trial_address_in_organisation"),
            models.UniqueConstraint(fields=["organisation", "protocol_id"], name="protocol_in_organisation"),
        ]
        default_permissions = ("view", "change")
        permissions = (
            ("view_subjects", _("See sites, subjects and their images")),
            ("manage_subjects", _("Enrol subjects at any site and say whose images are whose")),
            ("manage_trial", _("Give roles on the trial and its sites")),
            ("read_blinded", _("Read what is given to them to read, blinded")),
            ("adjudicate", _("Decide where readers differ, blinded")),
        )

    def __str__(self) -> str:
        return self.protocol_id

    @property
    def audit_label(self) -> str:
        return self.slug

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None


class TrialUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Trial, on_delete=models.CASCADE)


class TrialGroupObjectPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Trial, on_delete=models.CASCADE)


class Site(RoleContainer, TenantModel, TimeStampedModel):
    """Where subjects are recruited and imaged: Clinical Trial Site ID (0012,0030) and Site Name (0012,0031)."""

    ROLES: ClassVar[dict[str, tuple[Any, tuple[str, ...]]]] = {
        "staff": (_("Staff"), ("view_site", "enrol_subjects")),
    }
    NAMED_WITH: ClassVar[tuple[str, ...]] = ("trial",)

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="sites")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    number = models.CharField(_("site ID"), max_length=64, validators=[validate_identifier])
    name = models.CharField(_("name"), max_length=64, validators=[validate_long_string])
    investigator = models.CharField(_("principal investigator"), max_length=150, blank=True)
    contact = models.CharField(_("contact"), max_length=200, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_reason = models.CharField(max_length=300, blank=True)

    permission_path: ClassVar[str] = ""

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ("number",)
        constraints = [models.UniqueConstraint(fields=["trial", "number"], name="site_in_trial")]
        default_permissions = ("view",)
        permissions = (("enrol_subjects", _("Enrol subjects at the site")),)

    def __str__(self) -> str:
        return f"{self.trial.protocol_id} · {self.number} {self.name}"

    @property
    def audit_label(self) -> str:
        return self.public_id

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None

    @property
    def written_as(self) -> str:
        return f"{self.trial.slug}/{self.number}".lower()

    @property
    def parent_container(self) -> RoleContainer | None:
        return self.trial


class SiteUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Site, on_delete=models.CASCADE)


class SiteGroupObjectPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Site, on_delete=models.CASCADE)
