"""People, organisations, memberships, and the groups behind roles on containers.

A *container* (organisation, archive, library, course, trial, site) is what rights are given on; everything below it
derives by foreign key. A role on a container is a group that holds the role's permissions on that one container; the
people in the group have the role.
"""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from core.models import TenantModel, TimeStampedModel
from core.wall import OwnRows, Through, Unwalled, declare

if TYPE_CHECKING:
    from access.models.tokens import ApiToken

validate_slug = RegexValidator(
    regex=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
    message=_("Use 1 to 63 lower-case letters, digits and hyphens; begin and end with a letter or digit."),
)


def validate_time_zone(value: str) -> None:
    if value not in zoneinfo.available_timezones():
        raise ValidationError(_("Unknown time zone."), code="time-zone")


class UserManager(BaseUserManager["User"]):
    def create_user(self, *, username: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(username=username.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(username__iexact=(username or "").strip())


class User(AbstractBaseUser, PermissionsMixin):
    """A person with one account for all organisations, or a service account that belongs to one of them."""

    # How this request came to speak for the person; the permission filter narrows by both (see access.queries).
    api_token: ApiToken | None = None
    seen_by: User | None = None
    # The one organisation that a session reaches which another organisation's sign-on opened (by primary key).
    bound_to: int | None = None
    # The directory whose password was just accepted, while a sign-in goes on.
    arrived_by: str = ""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Density(models.TextChoices):
        COMPACT = "compact", _("Compact")
        COMFORTABLE = "comfortable", _("Comfortable")

    username = models.CharField(_("user name"), max_length=150, unique=True)
    email = models.EmailField(_("e-mail"), blank=True)
    display_name = models.CharField(_("name"), max_length=150, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    language = models.CharField(_("language"), max_length=16, default="en")
    theme = models.CharField(_("theme"), max_length=8, choices=Theme.choices, default=Theme.SYSTEM)
    density = models.CharField(_("density"), max_length=12, choices=Density.choices, default=Density.COMPACT)
    preferences = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    is_installation_administrator = models.BooleanField(default=False)
    service_of = models.ForeignKey(
        "access.Organisation", on_delete=models.PROTECT, null=True, blank=True, related_name="service_accounts"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    wall: ClassVar[Unwalled] = Unwalled("an account stands above organisations, a service account too")

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        default_permissions = ()

    def __str__(self) -> str:
        return self.display_name or self.username

    def get_short_name(self) -> str:
        return self.display_name or self.username

    @property
    def is_service(self) -> bool:
        """An account for a program: no password, no sign-in, tokens only."""
        return self.service_of_id is not None

    @property
    def initials(self) -> str:
        words = (self.display_name or self.username).replace("@", " ").split()
        return "".join(word[0] for word in words[:2]).upper()


class RoleContainer(models.Model):
    """Mix-in of a model that rights are given on.

    `ROLES` maps each role to its label and the codenames it holds on the container. The model declares those that
    are not Django's default ones in `Meta.permissions`, and has direct-foreign-key permission tables.
    """

    ROLES: ClassVar[dict[str, tuple[Any, tuple[str, ...]]]] = {}
    #: Relations that the container's name needs, for lists of many.
    NAMED_WITH: ClassVar[tuple[str, ...]] = ()

    class Meta:
        abstract = True

    @classmethod
    def container_kind(cls) -> str:
        return cls._meta.label_lower

    @classmethod
    def roles_with(cls, codename: str) -> tuple[str, ...]:
        """The roles that hold a permission. What no role holds cannot be given at all."""
        return tuple(role for role, (_label, codenames) in cls.ROLES.items() if codename in codenames)

    @classmethod
    def assignable_permissions(cls) -> frozenset[str]:
        return frozenset(codename for _label, codenames in cls.ROLES.values() for codename in codenames)

    @property
    def parent_container(self) -> RoleContainer | None:
        """The container that this one is a part of: who manages that gives roles here, too."""
        return None

    @property
    def written_as(self) -> str:
        """How a list of people names the container, as in "reader@clinical"; lower case."""
        return self.slug  # type: ignore[attr-defined, no-any-return]

    @property
    def owning_organisation(self) -> Organisation:
        return self if isinstance(self, Organisation) else self.organisation  # type: ignore[attr-defined]


class Organisation(RoleContainer, TimeStampedModel):
    """The tenant."""

    ROLES: ClassVar[dict[str, tuple[Any, tuple[str, ...]]]] = {
        "administrator": (
            _("Administrator"),
            ("view_organisation", "change_organisation", "manage_people", "add_container"),
        ),
        "member": (_("Member"), ("view_organisation",)),
        "officer": (_("Compliance officer"), ("view_organisation", "view_audit")),
    }

    slug = models.CharField(_("address"), max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=150)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    contact_name = models.CharField(_("contact"), max_length=150, blank=True)
    contact_email = models.EmailField(_("e-mail of the contact"), blank=True)
    logo_digest = models.CharField(max_length=16, blank=True, editable=False)
    allows_join_requests = models.BooleanField(_("people may ask to join"), default=False)
    token_days_max = models.PositiveIntegerField(
        _("longest life of an API token, in days"),
        default=365,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
    )
    retention_days = models.PositiveIntegerField(
        _("days images are kept at least"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_525)],
    )
    storage_quota_bytes = models.PositiveBigIntegerField(_("storage quota"), null=True, blank=True)
    people_quota = models.PositiveIntegerField(_("quota of people"), null=True, blank=True)
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspension_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("name",)
        default_permissions = ("view", "change")
        permissions = (
            ("manage_people", _("Manage people and roles")),
            ("add_container", _("Create archives, libraries and trials")),
            ("view_audit", _("Read the audit trail")),
        )

    permission_path: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.name

    @property
    def audit_label(self) -> str:
        return self.slug

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None


class OrganisationLogo(models.Model):
    """The organisation's mark as a small PNG that was drawn anew from what was uploaded."""

    organisation = models.OneToOneField(Organisation, on_delete=models.CASCADE, related_name="logo")
    png = models.BinaryField(max_length=200_000)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"logo of {self.organisation_id}"


class OrganisationUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Organisation, on_delete=models.CASCADE)


class OrganisationGroupObjectPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Organisation, on_delete=models.CASCADE)


class Membership(models.Model):
    """A person in an organisation. Without an active one no right in the organisation holds.

    Suspended, the roles stay and open nothing until the membership is restored; ended, they are gone.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    is_active = models.BooleanField(default=True)
    suspended_at = models.DateTimeField(null=True, blank=True)
    joined_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    wall: ClassVar[OwnRows] = OwnRows("user")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user"], name="one_membership_per_person"),
            models.CheckConstraint(
                condition=Q(suspended_at=None) | Q(is_active=False), name="suspended_membership_is_not_active"
            ),
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id} in {self.organisation_id}"


class ContainerRole(TenantModel):
    """The group behind one role of one container."""

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="container_role")
    container_kind = models.CharField(max_length=64)
    container_id = models.BigIntegerField()
    role = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["container_kind", "container_id", "role"], name="one_group_per_role")
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.role} of {self.container_kind} {self.container_id}"


# Who is in the group behind a role is as much the organisation's as the role.
declare(
    table=User.groups.through._meta.db_table,
    wall=Through(key="group", model="access.ContainerRole", column="group", person="user"),
)
