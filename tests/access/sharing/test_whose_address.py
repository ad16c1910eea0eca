"""A share to an e-mail address opens for who reads what is sent there, and for nobody who only controls the account."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from access import people
from access.models import EmailDomain, IdentityProvider, Organisation, User
from access.sign_in.sessions import BEGUN
from access.single_sign_on import binding
from access.single_sign_on import services as sign_ons
from access.tasks import tell_of_renewed_password
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.access.sharing.hospital import Hospital
from tests.access.test_reasons import signed_in

pytestmark = pytest.mark.django_db
ADDRESS = "ada@example.org"


@pytest.fixture
def clinic() -> Organisation:
    """Another house, which made the account of the recipient."""
    return make_organisation("clinic")


@pytest.fixture
def boss(clinic: Organisation) -> User:
    return make_member(clinic, roles=("administrator",), username="boss@clinic")


@pytest.fixture
def ada(clinic: Organisation) -> User:
    user = make_member(clinic, username="ada@clinic")
    EmailAddress.objects.create(user=user, email=ADDRESS, verified=True, primary=True)
    return user


def opens(client: Client, hospital: Hospital, share: Any) -> bool:
    listed = hospital.landing(share) in client.get(reverse("access:shared-with-me")).content.decode()
    status = client.get(hospital.landing(share)).status_code
    assert (listed, status) in ((True, 200), (False, 404))
    return listed


def shared(hospital: Hospital, login: str) -> Any:
    share, _code = hospital.share(audience="person", recipient_login=login)
    return share


def test_a_one_time_password_does_not_bring_what_was_shared_with_the_address(
    hospital: Hospital, clinic: Organisation, boss: User, ada: User
) -> None:
    by_address, by_name = shared(hospital, ADDRESS), shared(hospital, "ada@clinic")
    assert opens(signed_in(ada), hospital, by_address)
    people.renew_password(actor=boss, organisation=clinic, user=ada)
    tell_of_renewed_password(address_id=EmailAddress.objects.get(user=ada).pk)
    [letter] = mail.outbox
    assert letter.to == [ADDRESS]
    assert "one-time password" in letter.subject
    ada.refresh_from_db()
    client = signed_in(ada)
    assert not opens(client, hospital, by_address)
    # The name is the organisation's to give.
    assert opens(client, hospital, by_name)
    # Proven anew by a letter, the address opens it again.
    EmailAddress.objects.filter(user=ada).update(verified=True)
    assert opens(client, hospital, by_address)


def test_a_share_follows_the_address_to_who_proves_it_now(hospital: Hospital, ada: User) -> None:
    share = shared(hospital, ADDRESS)
    assert opens(signed_in(ada), hospital, share)
    EmailAddress.objects.filter(user=ada).delete()
    assert not opens(signed_in(ada), hospital, share)
    heir = make_user()
    EmailAddress.objects.create(user=heir, email=ADDRESS, verified=True, primary=True)
    assert opens(signed_in(heir), hospital, share)
    assert not opens(signed_in(ada), hospital, share)


def by_sign_on(user: User, provider: IdentityProvider) -> Client:
    """A session that the provider of an organisation opened."""
    client = signed_in(user)
    session = client.session
    session[binding.SESSION_KEY] = {
        "organisation_id": provider.organisation_id,
        "slug": provider.organisation.slug,
        "sign_on": provider.public_id,
        "is_home": people.is_at_home(user=user, organisation=provider.organisation),
        "proved_second_factor": False,
    }
    session[BEGUN] = session.get(BEGUN)
    session.save()
    return client


def test_the_providers_word_opens_shares_to_addresses_of_domains_that_its_house_has_proven(
    hospital: Hospital, clinic: Organisation, boss: User, ada: User
) -> None:
    by_address, by_name = shared(hospital, ADDRESS), shared(hospital, "ada@clinic")
    provider = sign_ons.add(
        actor=boss,
        organisation=clinic,
        model=IdentityProvider,
        values={"label": "C", "issuer": "https://id.example.org", "client_id": "c", "domains": ["example.org"]},
        secret="s",
    )
    client = by_sign_on(ada, provider)
    assert opens(client, hospital, by_name)
    assert not opens(client, hospital, by_address)
    with tenant(clinic):
        EmailDomain.objects.update(proven_at=ada.created_at, proven_by="dns")
    assert opens(client, hospital, by_address)
    # Another house's sign-on opens neither.
    elsewhere = make_organisation("elsewhere")
    foreign = sign_ons.add(
        actor=make_member(elsewhere, roles=("administrator",)),
        organisation=elsewhere,
        model=IdentityProvider,
        values={"label": "E", "issuer": "https://id.example.org", "client_id": "e", "domains": ["example.org"]},
        secret="s",
    )
    guest = by_sign_on(ada, foreign)
    assert not any(guest.get(hospital.landing(one)).status_code == 200 for one in (by_address, by_name))
