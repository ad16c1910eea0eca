"""What an organisation trusts to say who somebody is: OpenID Connect providers and LDAP directories.

Actions on a provider or directory (state → what may happen):

========  =====================================================================
in use    sign in · try · change · switch off → off · delete (switched off first)
off       try · change · switch on → in use · delete: its roles and memberships end
========  =====================================================================

Who belongs to whom stands in django-allauth's `SocialAccount`: (public identifier of the row here, the provider's own
unchanging name of the person). A row's issuer never changes, so the pair is as good as (issuer, subject), and narrower:
the same issuer connected by two organisations makes two links.
"""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel, new_public_id

SECOND_FACTOR_VALUES = ("mfa", "otp", "hwk", "swk", "fpt", "face", "phr", "phrh")


def usual_second_factors() -> list[str]:
    return list(SECOND_FACTOR_VALUES)


def new_challenge() -> str:
    return secrets.token_urlsafe(24)


class SignOn(TenantModel, TimeStampedModel):
    """What providers and directories have in common."""

    class Admits(models.TextChoices):
        EVERYBODY = "everybody", _("Everybody it signs in becomes a member")
        MAPPED = "mapped", _("Only who gets a role by a rule is a member")

    SOURCE: ClassVar[str] = ""

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    label = models.CharField(
        _("name"), max_length=60, help_text=_("As people know it, e.g. “Hospital account”. Shown on the button.")
    )
    is_active = models.BooleanField(_("in use"), default=False)
    creates_accounts = models.BooleanField(
        _("make accounts"), default=True, help_text=_("Who comes for the first time gets an account at once.")
    )
    admits = models.CharField(_("membership"), max_length=12, choices=Admits.choices, default=Admits.MAPPED)
    last_tested_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_test_passed = models.BooleanField(null=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.label

    @property
    def audit_label(self) -> str:
        return f"{self.SOURCE}:{self.public_id}"

    @property
    def source(self) -> str:
        """How role grants name it."""
        return f"{self.SOURCE}:{self.public_id}"


class IdentityProvider(SignOn):
    """An OpenID Connect provider of one organisation."""

    SOURCE: ClassVar[str] = "sso"

    issuer = models.CharField(
        _("issuer"), max_length=500, help_text=_("The provider's address, exactly as its discovery document names it.")
    )
    client_id = models.CharField(_("client ID"), max_length=255)
    sealed_secret = models.TextField(blank=True, editable=False)
    scopes = models.CharField(_("scopes"), max_length=300, default="openid profile email")
    domains = models.JSONField(default=list, blank=True)
    trusts_email = models.BooleanField(
        _("trusted for these domains"),
        default=False,
        help_text=_(
            "Somebody with an address of these domains, verified by the provider, may enter the member's account that has "
            "proven the same address. It counts for domains that are proven to be yours. "
            "Otherwise people connect their accounts themselves, once, after signing in."
        ),
    )
    name_claim = models.CharField(_("claim of the user name"), max_length=100, default="preferred_username")
    reads_userinfo = models.BooleanField(
        _("ask the userinfo address too"), default=True, help_text=_("Some providers name groups only there.")
    )
    counts_second_factor = models.BooleanField(
        _("its second factor counts"),
        default=False,
        help_text=_("Who proved a second factor there (claims amr and acr) is not asked for another one here."),
    )
    second_factor_values = models.JSONField(default=usual_second_factors, blank=True)
    signs_out = models.BooleanField(
        _("sign out there too"), default=False, help_text=_("Signing out here leads to the provider's sign-out.")
    )

    class Meta:
        ordering = ("label", "pk")
        default_permissions = ()
        verbose_name = _("OpenID Connect provider")
        constraints = [
            models.UniqueConstraint(fields=["organisation", "issuer", "client_id"], name="one_provider_per_client")
        ]


class Directory(SignOn):
    """An LDAP directory of one organisation. Its people sign in by the ordinary form, as `name@organisation`."""

    SOURCE: ClassVar[str] = "ldap"

    address = models.CharField(
        _("server"),
        max_length=300,
        help_text=_("ldaps://server, or ldap://server, which is then encrypted by StartTLS. Never without encryption."),
    )
    authorities = models.TextField(
        _("certificate authority"),
        blank=True,
        help_text=_("PEM of the authority that signed the server's certificate; empty for those the system knows."),
    )
    bind_name = models.CharField(
        _("name for searching"), max_length=300, help_text=_("Distinguished name of an account that may only read.")
    )
    sealed_password = models.TextField(blank=True, editable=False)
    people_base = models.CharField(_("people are below"), max_length=300)
    people_filter = models.CharField(
        _("filter of people"),
        max_length=1000,
        default="(&(objectClass=person)(uid={name}))",
        help_text=_("{name} stands for what was typed before the @, made harmless."),
    )
    id_attribute = models.CharField(
        _("unchanging identifier"),
        max_length=60,
        default="entryUUID",
        help_text=_("entryUUID; objectGUID in Active Directory."),
    )
    name_attribute = models.CharField(_("attribute of the name"), max_length=60, default="cn")
    email_attribute = models.CharField(_("attribute of the e-mail"), max_length=60, default="mail")
    groups_base = models.CharField(_("groups are below"), max_length=300, blank=True)
    groups_filter = models.CharField(
        _("filter of groups"), max_length=1000, default="(|(objectClass=groupOfNames)(objectClass=group))"
    )
    member_attribute = models.CharField(_("attribute of members"), max_length=60, default="member")
    nests_groups = models.BooleanField(
        _("groups in groups"), default=True, help_text=_("A member of a group is a member of the groups around it.")
    )
    takes_over_names = models.BooleanField(
        _("take over accounts"),
        default=False,
        help_text=_(
            "An account name@organisation that this organisation made belongs to the directory's person of that name."
        ),
    )
    last_synced_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("label", "pk")
        default_permissions = ()
        verbose_name = _("LDAP directory")
        verbose_name_plural = _("LDAP directories")


class OfOneSignOn(TenantModel):
    """A row that belongs to a provider or to a directory."""

    provider = models.ForeignKey(
        IdentityProvider, on_delete=models.CASCADE, null=True, blank=True, related_name="%(class)ss"
    )
    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, null=True, blank=True, related_name="%(class)ss")

    class Meta:
        abstract = True


class EmailDomain(TenantModel):
    """An e-mail domain that an organisation entered at a provider, and whether it has proven to be theirs.

    Actions (state → what may happen): unproven → look up the DNS record · confirm (by the installation's administrator)
    → proven; proven → look up again · withdraw → unproven · the record stays away for days → unproven. A domain is proven
    for one organisation at a time; that another one entered it changes nothing.
    """

    class Proof(models.TextChoices):
        DNS = "dns", _("Proven by its DNS record")
        INSTALLATION = "installation", _("Confirmed by the administrator of the installation")

    class Outcome(models.TextChoices):
        FOUND = "found", _("The record was found")
        ABSENT = "absent", _("No record with this value was found")
        UNREACHABLE = "unreachable", _("The name servers did not answer; nothing was changed")
        TAKEN = (
            "taken",
            _(
                "The record was found, but the domain belongs to another organisation here; ask the "
                "administrator of the installation"
            ),
        )

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    domain = models.CharField(max_length=253)
    # Public: it stands in the organisation's DNS.
    challenge = models.CharField(max_length=64, default=new_challenge, editable=False)
    proven_at = models.DateTimeField(null=True, blank=True)
    proven_by = models.CharField(max_length=12, choices=Proof.choices, blank=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, blank=True)
    missing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("domain",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["organisation", "domain"], name="one_entry_per_domain"),
            models.UniqueConstraint(
                fields=["domain"], condition=Q(proven_at__isnull=False), name="one_owner_per_domain"
            ),
        ]

    def __str__(self) -> str:
        return self.domain

    @property
    def audit_label(self) -> str:
        return self.domain

    @property
    def is_proven(self) -> bool:
        return self.proven_at is not None

    @property
    def record_name(self) -> str:
        return f"_pacsweb.{self.domain}"

    @property
    def record_value(self) -> str:
        return f"pacsweb-domain-verification={self.challenge}"

    @property
    def is_being_checked(self) -> bool:
        return self.asked_at is not None and (self.checked_at is None or self.checked_at < self.asked_at)


class RoleRule(OfOneSignOn):
    """Who has this value in this claim has this role on this container."""

    class How(models.TextChoices):
        EQUALS = "equals", _("is")
        LIKE = "like", _("is like")

    claim = models.CharField(
        _("claim"), max_length=200, help_text=_("groups, or a path: resource_access.pacsweb.roles. For LDAP: groups.")
    )
    how = models.CharField(max_length=8, choices=How.choices, default=How.EQUALS)
    value = models.CharField(_("value"), max_length=500, help_text=_("With “is like”, * stands for anything."))
    container_kind = models.CharField(max_length=64)
    container_id = models.BigIntegerField()
    role = models.CharField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(provider__isnull=True) ^ Q(directory__isnull=True), name="rule_of_one_sign_on"
            )
        ]

    def __str__(self) -> str:
        return f"{self.claim} {self.how} → {self.role}"


class SignOnEvent(OfOneSignOn):
    """A sign-in, or why it failed: what an administrator needs to find out what is wrong. The trail has it too."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    happened_at = models.DateTimeField(auto_now_add=True)
    outcome = models.CharField(max_length=40)  # "signed-in", or the code of a refusal

    class Meta:
        ordering = ("-happened_at", "-pk")
        default_permissions = ()
        indexes = [
            models.Index(fields=["provider", "-happened_at"], name="latest_of_provider"),
            models.Index(fields=["directory", "-happened_at"], name="latest_of_directory"),
        ]

    def __str__(self) -> str:
        return self.outcome

    @property
    def is_success(self) -> bool:
        return self.outcome in ("signed-in", "connected", "synced", "signed-out", "signed-out-nobody")
