"""The ways of a person from PACSWeb to a provider of OpenID Connect and back."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.models import EmailDomain, IdentityProvider, Organisation, User
from access.single_sign_on import domains
from access.single_sign_on import services as sign_ons
from core.tenancy import tenant
from tests.access.openid_provider import CLIENT, Liar


def add_provider(
    administrator: User, organisation: Organisation, *, issuer: str, on: bool = True, **values: Any
) -> IdentityProvider:
    made = sign_ons.add(
        actor=administrator,
        organisation=organisation,
        model=IdentityProvider,
        values={"label": "Hospital account", "issuer": issuer, "client_id": CLIENT["client_id"]} | values,
        secret=CLIENT["client_secret"],
    )
    sign_ons.switch(actor=administrator, sign_on=made, on=on)
    with tenant(organisation):
        made.refresh_from_db()
    return made


def enter_domains(provider: IdentityProvider, *names: str, **values: Any) -> None:
    """E-mail domains as an administrator enters them: not proven."""
    with tenant(provider.organisation):
        IdentityProvider.objects.filter(pk=provider.pk).update(domains=list(names), **values)
        domains.follow(provider.organisation)
        provider.refresh_from_db()


def prove_domain(provider: IdentityProvider, *names: str) -> None:
    with tenant(provider.organisation):
        EmailDomain.objects.filter(domain__in=names).update(proven_at=timezone.now(), proven_by="dns")


def begin(client: Client, provider: IdentityProvider, **query: str) -> str:
    """The address at the provider that the browser is sent to."""
    answer = client.get(reverse("access:sign-on", kwargs={"provider": provider.public_id}), query)
    assert answer.status_code == 302, answer.content[:500]
    return str(answer.headers["Location"])


def back(address: str) -> str:
    assert address.startswith(django_settings.PUBLIC_URL)
    return address.removeprefix(django_settings.PUBLIC_URL)


def come(client: Client, provider: IdentityProvider, liar: Liar, **query: str) -> Any:
    return client.get(back(liar.authorise(begin(client, provider, **query))))


def person(subject: str, provider: IdentityProvider) -> User:
    found: Any = SocialAccount.objects.get(provider=provider.public_id, uid=subject).user
    return found


def connect(client: Client, provider: IdentityProvider, liar: Liar) -> Any:
    page = client.post(reverse("access:sign-on-connect", kwargs={"provider": provider.public_id}))
    assert page.status_code == 200, page.content[:300]
    address = page.context["address"]
    return client.get(back(liar.authorise(address)))
