"""Which e-mail domains are an organisation's own. Nothing about addresses is taken from a provider whose domain is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks
from access.models import EmailDomain, IdentityProvider, Organisation, User
from access.services.organisations import require_installation_administrator
from access.single_sign_on import dns_records
from core.errors import Conflict, NotFound
from core.tenancy import all_tenants, tenant

# A record may be gone for a while by mistake; so long, it is not.
MISSING_DAYS = 7
ASK_AGAIN_SECONDS = 10


# Reading ---------------------------------------------------------------------------------------------------------------


def is_proven(*, organisation: Organisation, domain: str) -> bool:
    """Whether the domain (lower case, exactly this one) is proven to be the organisation's."""
    with tenant(organisation):
        return bool(EmailDomain.objects.filter(domain=domain, proven_at__isnull=False).exists())


def vouches_for(*, sign_on: Any, email: str) -> bool:
    """Whether a provider's word about an address counts: it is entered there, and proven to be its organisation's."""
    domain = email.rpartition("@")[2].lower()
    return domain in sign_on.domains and is_proven(organisation=sign_on.organisation, domain=domain)


def owner_of(domain: str) -> Organisation | None:
    """The organisation that has proven a domain, unless it is suspended. Nobody is signed in yet: no scope is open."""
    with all_tenants():
        found = (
            EmailDomain.objects.select_related("organisation")
            .filter(domain=domain, proven_at__isnull=False, organisation__suspended_at=None)
            .first()
        )
    return found.organisation if found is not None else None


def of_provider(provider: IdentityProvider) -> list[EmailDomain]:
    """The provider's domains in the order of the alphabet. Inside the scope."""
    return list(EmailDomain.objects.filter(domain__in=provider.domains).select_related("confirmed_by"))


def of_organisation(organisation: Organisation) -> list[EmailDomain]:
    with tenant(organisation):
        return list(EmailDomain.objects.filter(organisation=organisation).select_related("confirmed_by"))


# Writing ---------------------------------------------------------------------------------------------------------------


def follow(organisation: Organisation) -> None:
    """Bring the entries to what the providers name. A domain that none names is free for others. In a transaction."""
    with tenant(organisation):
        named = {domain for domains in IdentityProvider.objects.values_list("domains", flat=True) for domain in domains}
        EmailDomain.objects.exclude(domain__in=named).delete()
        known = set(EmailDomain.objects.values_list("domain", flat=True))
        EmailDomain.objects.bulk_create(
            EmailDomain(organisation=organisation, domain=domain) for domain in sorted(named - known)
        )


@transaction.atomic
def ask(*, actor: User, organisation: Organisation, public_id: str) -> None:
    """Have a worker look the record up. Raises `NotFound`, `Forbidden`, `Conflict` when it was just asked."""
    from access.single_sign_on.services import authorise
    from access.tasks import look_up_domain

    with tenant(organisation):
        authorise(actor=actor, organisation=organisation)
        row = EmailDomain.objects.select_for_update().filter(public_id=public_id).first()
        if row is None:
            raise NotFound
        now = timezone.now()
        if row.asked_at is not None and (now - row.asked_at).total_seconds() < ASK_AGAIN_SECONDS:
            raise Conflict(_("The record is being looked up. Reload the page in a few seconds."))
        EmailDomain.objects.filter(pk=row.pk).update(asked_at=now)
        look_up_domain.enqueue(organisation_id=organisation.pk, domain_id=row.pk)


def look_up(*, domain_id: int) -> None:
    """Ask the DNS for one entry and write down what follows. Inside the scope; safe to repeat."""
    row = EmailDomain.objects.select_related("organisation").filter(pk=domain_id).first()
    if row is None:
        return
    try:
        found = row.record_value in dns_records.txt_records(row.record_name)
    except dns_records.NoAnswer:
        _note(row, outcome=EmailDomain.Outcome.UNREACHABLE)
        return
    if found:
        _found(row)
    else:
        _absent(row)


def _note(row: EmailDomain, *, outcome: str, **changes: Any) -> None:
    EmailDomain.objects.filter(pk=row.pk).update(checked_at=timezone.now(), outcome=outcome, **changes)


def _found(row: EmailDomain) -> None:
    if row.is_proven:
        _note(row, outcome=EmailDomain.Outcome.FOUND, missing_since=None)
        return
    try:
        _prove(row, by=EmailDomain.Proof.DNS)
    except Conflict:
        _note(row, outcome=EmailDomain.Outcome.TAKEN)


@transaction.atomic
def _prove(row: EmailDomain, *, by: EmailDomain.Proof, actor: User | None = None, request: Any = None) -> None:
    """Raises `Conflict` when another organisation has proven the domain."""
    now = timezone.now()
    try:
        with transaction.atomic():
            changed = EmailDomain.objects.filter(pk=row.pk, proven_at=None).update(
                proven_at=now, proven_by=by, confirmed_by=actor, missing_since=None
            )
    except IntegrityError as error:
        raise Conflict(_("Another organisation has this domain. Withdraw it there first.")) from error
    if by == EmailDomain.Proof.DNS:
        _note(row, outcome=EmailDomain.Outcome.FOUND)
    if changed:
        _tell("domain.proven", row, actor=actor, request=request, by=str(by.value))


def _absent(row: EmailDomain) -> None:
    now = timezone.now()
    since = row.missing_since or now
    _note(row, outcome=EmailDomain.Outcome.ABSENT, missing_since=since)
    if row.proven_by == EmailDomain.Proof.DNS and now - since >= timedelta(days=MISSING_DAYS):
        _unprove(row, actor=None, request=None)


@transaction.atomic
def _unprove(row: EmailDomain, *, actor: User | None, request: Any) -> None:
    changed = EmailDomain.objects.filter(pk=row.pk, proven_at__isnull=False).update(
        proven_at=None, proven_by="", confirmed_by=None
    )
    if changed:
        _tell("domain.lost", row, actor=actor, request=request)


def look_up_all() -> int:
    """Every night: is the record of each domain that it proves still there? Returns how many were looked up."""
    with all_tenants():
        rows = list(EmailDomain.objects.select_related("organisation").filter(proven_by=EmailDomain.Proof.DNS))
    for row in rows:
        with tenant(row.organisation):
            look_up(domain_id=row.pk)
    return len(rows)


def confirm(*, actor: User, organisation: Organisation, public_id: str, request: Any = None) -> EmailDomain:
    """The installation's administrator knows whose domain it is. Raises `NotFound`, `Conflict`."""
    require_installation_administrator(actor)
    with tenant(organisation):
        row = _one(public_id)
        _prove(row, by=EmailDomain.Proof.INSTALLATION, actor=actor, request=request)
        return row


def withdraw(*, actor: User, organisation: Organisation, public_id: str, request: Any = None) -> EmailDomain:
    """The domain is the organisation's no more, whatever proved it. Raises `NotFound`."""
    require_installation_administrator(actor)
    with tenant(organisation):
        row = _one(public_id)
        _unprove(row, actor=actor, request=request)
        return row


def _one(public_id: str) -> EmailDomain:
    row: EmailDomain | None = EmailDomain.objects.select_related("organisation").filter(public_id=public_id).first()
    if row is None:
        raise NotFound
    return row


def _tell(action: str, row: EmailDomain, *, actor: User | None, request: Any, **detail: str) -> None:
    hooks.tell(
        action=action,
        organisation=row.organisation,
        actor=actor,
        target=row,
        detail={"domain": row.domain} | detail,
        request=request,
    )
