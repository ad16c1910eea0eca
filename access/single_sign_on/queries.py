"""Finding providers, directories and links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.db.models import Q

from access import queries
from access.models import Membership, Organisation, RoleContainer, User
from access.people import containers_of, is_at_home
from access.single_sign_on.models import Directory, IdentityProvider, OfOneSignOn, RoleRule, SignOn, SignOnEvent
from core.tenancy import all_tenants, tenant

LABEL_SECONDS = 60


def find_provider(public_id: str, *, also_of_suspended: bool = False) -> IdentityProvider | None:
    """A provider in use, of an organisation that is not suspended. Nobody is signed in yet, so no scope is open."""
    if not public_id or len(public_id) > 12:
        return None
    with all_tenants():
        rows = IdentityProvider.objects.select_related("organisation").filter(public_id=public_id, is_active=True)
        return rows.first() if also_of_suspended else rows.filter(organisation__suspended_at=None).first()


def providers_of(slug: str) -> list[IdentityProvider]:
    """The providers in use of the organisation with this address; none, too, when there is no such organisation."""
    organisation = Organisation.objects.filter(slug=slug, suspended_at=None).first()
    if organisation is None:
        return []
    with tenant(organisation):
        return list(IdentityProvider.objects.select_related("organisation").filter(is_active=True))


def providers_that_prove(user: Any) -> list[IdentityProvider]:
    """The providers where this person can prove to be there: connected with the account, and of the organisation that
    made it. Another organisation's provider says nothing about an account that is not its own."""
    names = list(SocialAccount.objects.filter(user=user).values_list("provider", flat=True))
    found = [provider for name in names if (provider := find_provider(name)) is not None]
    return [one for one in found if is_at_home(user=user, organisation=one.organisation)]


def organisation_of_domain(domain: str) -> str:
    """The address of the organisation that has proven an e-mail domain and has a provider in use for it; else ""."""
    from access.single_sign_on import domains

    domain = domain.strip().lower()
    owner = domains.owner_of(domain) if domain and len(domain) <= 253 else None
    if owner is None:
        return ""
    with tenant(owner):
        leads = IdentityProvider.objects.filter(is_active=True, domains__contains=[domain]).exists()
    return owner.slug if leads else ""


def sign_ons_of(organisation: Organisation) -> list[IdentityProvider | Directory]:
    """Every provider and directory of an organisation, in use or not, for its administrators."""
    providers = IdentityProvider.objects.filter(organisation=organisation)
    return [*providers, *Directory.objects.filter(organisation=organisation)]


def directories_of(slug: str) -> list[Directory]:
    organisation = Organisation.objects.filter(slug=slug, suspended_at=None).first()
    if organisation is None:
        return []
    with tenant(organisation):
        return list(Directory.objects.select_related("organisation").filter(is_active=True))


def of_sign_on(sign_on: SignOn) -> Q:
    """The filter of rows (rules, events) that belong to it."""
    return Q(provider=sign_on) if isinstance(sign_on, IdentityProvider) else Q(directory=sign_on)


def belonging(sign_on: SignOn) -> dict[str, Any]:
    """The fields that make a new row belong to it."""
    name = "provider" if isinstance(sign_on, IdentityProvider) else "directory"
    return {"organisation": sign_on.organisation, name: sign_on}


def links_of(sign_on: SignOn) -> Any:
    return SocialAccount.objects.filter(provider=sign_on.public_id).select_related("user")


@dataclass(frozen=True)
class RuleLine:
    rule: RoleRule
    container: RoleContainer | None
    words: str


def rule_lines(sign_on: SignOn) -> list[RuleLine]:
    """The rules with the containers they name; a container that was deleted leaves a rule that gives nothing."""
    containers = {(one.container_kind(), one.pk): one for one in containers_of(sign_on.organisation)}
    lines = []
    for rule in RoleRule.objects.filter(of_sign_on(sign_on)):
        container = containers.get((rule.container_kind, rule.container_id))
        if container is not None and rule.role not in container.ROLES:
            container = None
        words = f"{container.ROLES[rule.role][0]} · {container}" if container is not None else ""
        lines.append(RuleLine(rule=rule, container=container, words=words))
    return lines


def latest_events(sign_on: SignOn, *, limit: int = 20) -> list[SignOnEvent]:
    return list(SignOnEvent.objects.filter(of_sign_on(sign_on)).select_related("user")[:limit])


@dataclass(frozen=True)
class Link:
    """A provider and whether the person has connected it."""

    sign_on: SignOn
    account: SocialAccount | None

    @property
    def can_connect(self) -> bool:
        return self.account is None and isinstance(self.sign_on, IdentityProvider)

    @property
    def is_shown(self) -> bool:
        return self.account is not None or self.can_connect


def links_for(user: User) -> list[Link]:
    """What the person's security page shows: the providers of their organisations, and directories they came from."""
    accounts = {one.provider: one for one in SocialAccount.objects.filter(user=user)}
    organisations = list(queries.organisations_of(user))
    with all_tenants():
        found: list[SignOn] = [
            *IdentityProvider.objects.select_related("organisation").filter(
                Q(organisation__in=organisations, is_active=True) | Q(public_id__in=accounts)
            ),
            *Directory.objects.select_related("organisation").filter(public_id__in=accounts),
        ]
    return [Link(sign_on=one, account=accounts.get(one.public_id)) for one in found]


def membership_state(*, user: User, organisation: Organisation) -> str:
    """ "active", "suspended", "ended" or "none". Inside the scope."""
    row = Membership.objects.filter(organisation=organisation, user=user).first()
    if row is None:
        return "none"
    return "active" if row.is_active else "suspended" if row.suspended_at else "ended"


def label_of(source: str) -> str:
    """The name behind "sso:<identifier>" of a role grant, for the page that says why. Inside the scope."""
    kind, _colon, public_id = source.partition(":")
    key = f"sign-on-label:{public_id}"
    known: str | None = cache.get(key)
    if known is not None:
        return known
    model: type[OfOneSignOn] | Any = Directory if kind == Directory.SOURCE else IdentityProvider
    with all_tenants():
        row = model.objects.filter(public_id=public_id).first()
    label = row.label if row is not None else public_id
    cache.set(key, label, LABEL_SECONDS)
    return label
