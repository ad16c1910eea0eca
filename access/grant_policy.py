"""What an organisation allows beyond roles: sharing with guests, and break-glass. Both are off until somebody decides."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from core.errors import Invalid
from core.models import TenantModel, TimeStampedModel
from core.ready import ready


class GrantPolicy(TenantModel, TimeStampedModel):
    """One row an organisation; none means the defaults."""

    class Sharing(models.TextChoices):
        NONE = "none", _("Nothing is shared with people outside")
        PEOPLE = "people", _("With named people of other organisations")
        LINKS = "links", _("With named people, and by link")

    sharing = models.CharField(_("sharing"), max_length=8, choices=Sharing.choices, default=Sharing.NONE)
    share_days_default = models.PositiveSmallIntegerField(
        _("days a share stays open"), default=14, validators=[MinValueValidator(1), MaxValueValidator(3650)]
    )
    share_days_maximum = models.PositiveSmallIntegerField(
        _("days a share may stay open at most"), default=90, validators=[MinValueValidator(1), MaxValueValidator(3650)]
    )
    break_glass = models.BooleanField(_("members may break the glass"), default=False)
    break_glass_minutes = models.PositiveSmallIntegerField(
        _("minutes until it ends by itself"), default=60, validators=[MinValueValidator(5), MaxValueValidator(1440)]
    )

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["organisation"], name="one_grant_policy")]

    def __str__(self) -> str:
        return f"grant policy of {self.organisation_id}"

    @property
    def allows_people(self) -> bool:
        return self.sharing in (self.Sharing.PEOPLE, self.Sharing.LINKS)

    @property
    def allows_links(self) -> bool:
        return self.sharing == self.Sharing.LINKS


FIELDS = ("sharing", "share_days_default", "share_days_maximum", "break_glass", "break_glass_minutes")


def policy_of(organisation: Any) -> GrantPolicy:
    """The organisation's policy; the defaults, not saved, when nobody has decided yet."""
    found = _policy_of.first(organisation_id=organisation.pk)
    return found or GrantPolicy(organisation=organisation)


@ready(scoped=True, organisation_id=int)
def _policy_of(*, organisation_id: int) -> QuerySet[GrantPolicy]:
    rows: QuerySet[GrantPolicy] = GrantPolicy.objects.filter(organisation_id=organisation_id)
    return rows


def policy_for(request: Any) -> GrantPolicy:
    """The policy of the request's organisation; asked once a page."""
    known: GrantPolicy | None = getattr(request, "_grant_policy", None)
    if known is None:
        known = policy_of(request.organisation)
        request._grant_policy = known
    return known


@transaction.atomic
def change_policy(*, actor: Any, organisation: Any, changes: dict[str, Any], request: Any = None) -> GrantPolicy:
    """Change the policy; what it no longer allows ends with the next request of whoever uses it. Raises `Invalid`."""
    from django.core.exceptions import ValidationError

    from access import hooks, queries

    if actor is not None:
        queries.require(actor, "access.change_organisation", organisation)
    policy, _made = GrantPolicy.objects.select_for_update().get_or_create(organisation=organisation)
    changed = {name: value for name, value in changes.items() if name in FIELDS and getattr(policy, name) != value}
    for name, value in changed.items():
        setattr(policy, name, value)
    try:
        policy.full_clean()
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error
    if policy.share_days_default > policy.share_days_maximum:
        raise Invalid(fields={"share_days_default": [_("This is more than the maximum.")]})
    if changed:
        policy.save()
        if changed.get("break_glass") is False:
            from access.break_glass.services import end_all

            end_all(organisation=organisation)
        hooks.tell(
            action="grant_policy.changed",
            organisation=organisation,
            actor=actor,
            target=organisation,
            detail={"changed": ", ".join(f"{name}: {value}" for name, value in sorted(changed.items()))},
            request=request,
        )
    return policy
