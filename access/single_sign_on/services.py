"""Administering providers and directories: added, changed, tested, switched, deleted; and the rules for roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries
from access.models import Organisation, User
from access.services.common import validate
from access.services.joining import named_roles
from access.sign_in import sessions
from access.single_sign_on import binding, domains, exchange, oidc, rights, sealing
from access.single_sign_on import queries as sign_on_queries
from access.single_sign_on.errors import SecretUnreadable, SignOnRefused
from access.single_sign_on.models import Directory, IdentityProvider, RoleRule, SignOn
from core.errors import Conflict, Invalid, NotFound
from core.tenancy import tenant

One = TypeVar("One", bound=SignOn)

SECRETS: dict[type[SignOn], str] = {IdentityProvider: "sealed_secret", Directory: "sealed_password"}
# Links name the person by the provider's own identifier: another issuer would give the same ones to other people.
FIXED: dict[type[SignOn], tuple[str, ...]] = {IdentityProvider: ("issuer",), Directory: ("id_attribute",)}
RULES_MOST = 200


def authorise(*, actor: User, organisation: Organisation) -> None:
    """Who may give every role and change the organisation may say who else can."""
    queries.require(actor, "access.manage_people", organisation)
    queries.require(actor, "access.change_organisation", organisation)


def find(*, organisation: Organisation, public_id: str, model: type[One]) -> One:
    """Inside the scope. Raises `NotFound`."""
    found: One | None = model.objects.select_related("organisation").filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


@transaction.atomic
def add(
    *,
    actor: User,
    organisation: Organisation,
    model: type[One],
    values: Mapping[str, Any],
    secret: str,
    request: Any = None,
) -> One:
    """A new provider or directory, switched off until it was tried. Raises `Invalid`, `Forbidden`."""
    with tenant(organisation):
        authorise(actor=actor, organisation=organisation)
        row = model(organisation=organisation, **values)
        setattr(row, SECRETS[model], sealing.seal(secret))
        _save(row)
        domains.follow(organisation)
        _tell("sign-on.added", row, actor=actor, request=request)
        return row


@transaction.atomic
def change(*, actor: User, sign_on: SignOn, values: Mapping[str, Any], secret: str | None, request: Any = None) -> None:
    """Change settings; `secret` None keeps the present one. Raises `Invalid`, `Forbidden`, `Conflict`."""
    with tenant(sign_on.organisation):
        authorise(actor=actor, organisation=sign_on.organisation)
        row = _locked(sign_on)
        changed = [name for name, value in values.items() if getattr(row, name) != value]
        has_people = SocialAccount.objects.filter(provider=row.public_id).exists()
        for name in FIXED[type(row)]:
            if name in changed and has_people:
                raise Invalid(
                    fields={
                        name: [_("People are connected already, and this says who they are. Add another one instead.")]
                    }
                )
        for name, value in values.items():
            setattr(row, name, value)
        if secret is not None:
            setattr(row, SECRETS[type(row)], sealing.seal(secret))
            changed.append("secret")
        _save(row)
        domains.follow(row.organisation)
        cache.delete(f"sign-on-label:{row.public_id}")
        if changed:
            # Names of settings alone: what they say may be a secret of the house.
            _tell("sign-on.changed", row, actor=actor, request=request, what=", ".join(changed))


def _save(row: SignOn) -> None:
    validate(row)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Invalid(fields={"client_id": [_("This client of this provider is entered already.")]}) from error


@transaction.atomic
def switch(*, actor: User, sign_on: SignOn, on: bool, request: Any = None) -> None:
    """Put in use, or out of use; the sessions that began by it end with it."""
    with tenant(sign_on.organisation):
        authorise(actor=actor, organisation=sign_on.organisation)
        row = _locked(sign_on)
        if row.is_active == on:
            return
        row.is_active = on
        row.save(update_fields=["is_active", "updated_at"])
        _tell("sign-on.switched-on" if on else "sign-on.switched-off", row, actor=actor, request=request)
        if not on:
            _end_sessions(row)


@transaction.atomic
def delete(*, actor: User, sign_on: SignOn, request: Any = None) -> int:
    """Delete what is switched off: links, rules, and the roles and memberships it gave; returns how many of these ended.

    Accounts stay. Raises `Conflict` while it is in use.
    """
    organisation = sign_on.organisation
    with tenant(organisation):
        authorise(actor=actor, organisation=organisation)
        row = _locked(sign_on)
        if row.is_active:
            raise Conflict(_("It is in use. Switch it off first, so that nobody is surprised."))
        people = User.objects.filter(role_grants__source=row.source, role_grants__ended_at=None).distinct()
        ended = sum(rights.end_gone(sign_on=row, user=user, request=request) for user in people)
        _tell("sign-on.removed", row, actor=actor, request=request)
        _end_sessions(row)
        SocialAccount.objects.filter(provider=row.public_id).delete()
        row.delete()
        domains.follow(organisation)
        return ended


def _end_sessions(row: SignOn) -> None:
    keys = binding.session_keys(row)
    transaction.on_commit(lambda: sessions.end_by_keys(keys))


def _locked(sign_on: SignOn) -> SignOn:
    found: SignOn | None = (
        type(sign_on)
        .objects.select_for_update(of=("self",))
        .select_related("organisation")
        .filter(pk=sign_on.pk)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def try_connection(*, actor: User, sign_on: SignOn, request: Any = None) -> SignOnRefused | SecretUnreadable | None:
    """Ask it as a sign-in would; returns what is wrong, or None."""
    from access.single_sign_on import ldap

    organisation = sign_on.organisation
    with tenant(organisation):
        authorise(actor=actor, organisation=organisation)
    found: SignOnRefused | SecretUnreadable | None = None
    try:
        with exchange.with_provider(sign_on, is_trial=True):
            if isinstance(sign_on, IdentityProvider):
                sealing.unseal(sign_on.sealed_secret)
                oidc.fetch_keys(oidc.discover(sign_on.issuer, fresh=True), fresh=True)
            elif isinstance(sign_on, Directory):
                ldap.try_connection(sign_on)
    except (SignOnRefused, SecretUnreadable) as error:
        found = error
    with transaction.atomic(), tenant(organisation):
        type(sign_on).objects.filter(pk=sign_on.pk).update(
            last_tested_at=timezone.now(), last_test_passed=found is None
        )
        outcome = "passed" if found is None else found.code
        _tell("sign-on.tested", sign_on, actor=actor, request=request, outcome=outcome)
    return found


# Rules -----------------------------------------------------------------------------------------------------------------


@transaction.atomic
def add_rule(
    *, actor: User, sign_on: SignOn, claim: str, how: str, value: str, role: str, request: Any = None
) -> RoleRule:
    """`role` is "archive.archive:12:reader". It holds from each person's next sign-in on. Raises `Invalid`."""
    with tenant(sign_on.organisation):
        authorise(actor=actor, organisation=sign_on.organisation)
        if RoleRule.objects.filter(sign_on_queries.of_sign_on(sign_on)).count() >= RULES_MOST:
            raise Conflict(_("There are too many rules. Use “is like”, or remove some."))
        if how == RoleRule.How.LIKE and not value.strip("*? "):
            raise Invalid(fields={"value": [_("This fits everybody. Choose “Everybody becomes a member” instead.")]})
        [(container, name)] = named_roles(sign_on.organisation, keys=[role])
        rule = RoleRule(
            **sign_on_queries.belonging(sign_on),
            claim=claim.strip(),
            how=how,
            value=value.strip(),
            container_kind=container.container_kind(),
            container_id=container.pk,
            role=name,
        )
        validate(rule)
        rule.save()
        _tell("sign-on.rule-added", sign_on, actor=actor, request=request)
        return rule


@transaction.atomic
def remove_rule(*, actor: User, sign_on: SignOn, rule: int, request: Any = None) -> None:
    with tenant(sign_on.organisation):
        authorise(actor=actor, organisation=sign_on.organisation)
        count, _rows = RoleRule.objects.filter(sign_on_queries.of_sign_on(sign_on), pk=rule).delete()
        if not count:
            raise NotFound
        _tell("sign-on.rule-removed", sign_on, actor=actor, request=request)


def _tell(action: str, row: SignOn, *, actor: User, request: Any, **detail: str) -> None:
    hooks.tell(
        action=action,
        organisation=row.organisation,
        actor=actor,
        target=row,
        detail={"sign_on": row.public_id} | detail,
        request=request,
    )
