"""In which names somebody may take what was shared with a person: the user name, and addresses that they proved."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress

from access.models import EmailDomain
from access.single_sign_on import binding
from core.tenancy import all_tenants


def proven_addresses(user: Any) -> frozenset[str]:
    rows = EmailAddress.objects.filter(user=user, verified=True)
    return frozenset(email.lower() for email in rows.values_list("email", flat=True))


def names_of(request: Any) -> frozenset[str]:
    """The names that count in this session, lower case; none for nobody and for another organisation's sign-on.

    Who came by the sign-on of the organisation that made the account is the person of that user name, because that
    organisation says so. Whose an e-mail address is it says only for the domains that it has proven.
    """
    user = request.user
    if not user.is_authenticated or not user.is_active or binding.is_foreign(request):
        return frozenset()
    addresses = proven_addresses(user)
    bound = binding.of(request) if getattr(request, "api_token", None) is None else None
    if bound is not None and addresses:
        domains = {address.rpartition("@")[2] for address in addresses}
        with all_tenants():
            theirs = set(
                EmailDomain.objects.filter(
                    organisation_id=bound.organisation_id, proven_at__isnull=False, domain__in=domains
                ).values_list("domain", flat=True)
            )
        addresses = frozenset(one for one in addresses if one.rpartition("@")[2] in theirs)
    return addresses | {user.username.lower()}
