"""Whose an e-mail domain is: proven by a DNS record or by the installation's administrator, by nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.models import EmailDomain, IdentityProvider, Organisation, User
from access.sharing.services import find_person
from access.single_sign_on import dns_records, domains
from access.single_sign_on import services as sign_ons
from access.tasks import look_up_domain
from core.errors import Conflict, Forbidden, NotFound
from core.tenancy import tenant
from tests.access import name_server
from tests.access.factories import make_member, make_organisation, make_user
from tests.access.name_server import NameServer
from tests.access.openid_provider import Liar
from tests.access.single_sign_on.coming_in import add_provider, come, enter_domains, person, prove_domain
from tests.access.test_reasons import signed_in

pytestmark = pytest.mark.django_db
DOMAIN = "hospital.org"


@pytest.fixture
def server(settings: Any) -> Iterator[NameServer]:
    with name_server.running() as found:
        settings.DNS_SERVERS = (found.address,)
        yield found


@pytest.fixture
def entered(provider: IdentityProvider) -> EmailDomain:
    enter_domains(provider, DOMAIN, trusts_email=True)
    return fresh(provider.organisation)


def fresh(organisation: Organisation) -> EmailDomain:
    with tenant(organisation):
        found: EmailDomain = EmailDomain.objects.select_related("organisation").get(domain=DOMAIN)
        return found


def look_up(row: EmailDomain) -> EmailDomain:
    look_up_domain(organisation_id=row.organisation_id, domain_id=row.pk)
    return fresh(row.organisation)


def root() -> User:
    user = make_user("root")
    User.objects.filter(pk=user.pk).update(is_installation_administrator=True)
    user.refresh_from_db()
    return user


# The record ------------------------------------------------------------------------------------------------------------


def test_the_record_proves_the_domain_twice_over(entered: EmailDomain, server: NameServer) -> None:
    server.records[entered.record_name] = ["v=spf1 -all", entered.record_value]
    for _time in range(2):
        row = look_up(entered)
        assert (row.proven_by, row.outcome) == ("dns", "found")
    assert set(server.asked) == {f"_pacsweb.{DOMAIN}"}


@pytest.mark.parametrize("records", [None, [], ["v=spf1 -all"], ["pacsweb-domain-verification="], ["{} "], ["x{}"]])
def test_another_record_or_none_proves_nothing(
    entered: EmailDomain, server: NameServer, records: list[str] | None
) -> None:
    if records is not None:
        server.records[entered.record_name] = [one.format(entered.record_value) for one in records]
    # At the domain itself it does not count: many services let people write there.
    server.records[DOMAIN] = [entered.record_value]
    row = look_up(entered)
    assert (row.is_proven, row.outcome) == (False, "absent")


def test_a_name_server_that_is_silent_holds_nobody_up_and_changes_nothing(
    entered: EmailDomain, server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_records, "WHOLE_SECONDS", 1.0)
    monkeypatch.setattr(dns_records, "ONE_SERVER_SECONDS", 0.4)
    server.is_silent = True
    begun = time.monotonic()
    row = look_up(entered)
    assert time.monotonic() - begun < 4
    assert (row.is_proven, row.outcome) == (False, "unreachable")


def test_one_organisations_record_is_not_anothers(
    entered: EmailDomain, server: NameServer, administrator: User
) -> None:
    other = make_organisation("other")
    theirs = add_provider(make_member(other, roles=("administrator",)), other, issuer="https://id.example.org")
    enter_domains(theirs, DOMAIN)
    server.records[entered.record_name] = [entered.record_value]
    assert not look_up(fresh(other)).is_proven
    assert look_up(entered).is_proven
    # Even with both records in place, the domain is one organisation's.
    server.records[entered.record_name].append(fresh(other).record_value)
    assert (look_up(fresh(other)).is_proven, fresh(other).outcome) == (False, "taken")


def test_a_record_that_stays_away_ends_the_proof_after_a_week(entered: EmailDomain, server: NameServer) -> None:
    server.records[entered.record_name] = [entered.record_value]
    look_up(entered)
    del server.records[entered.record_name]
    assert domains.look_up_all() == 1
    assert fresh(entered.organisation).is_proven
    with tenant(entered.organisation):
        EmailDomain.objects.update(missing_since=timezone.now() - timedelta(days=7))
    domains.look_up_all()
    assert not fresh(entered.organisation).is_proven


def test_a_domain_that_is_entered_no_more_is_free(
    entered: EmailDomain, provider: IdentityProvider, administrator: User
) -> None:
    prove_domain(provider, DOMAIN)
    sign_ons.change(actor=administrator, sign_on=provider, values={"domains": []}, secret=None)
    with tenant(provider.organisation):
        assert not EmailDomain.objects.exists()


# The pages -------------------------------------------------------------------------------------------------------------


def test_administrators_see_the_record_and_have_it_looked_up(
    entered: EmailDomain, provider: IdentityProvider, administrator: User
) -> None:
    client = signed_in(administrator)
    where = {"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    page = client.get(reverse("access:sso", kwargs=where)).content.decode()
    assert entered.record_name in page
    assert entered.record_value in page
    check = reverse("access:sso-domain-check", kwargs={"organisation": "hospital", "domain": entered.public_id})
    assert client.post(check, {"provider": provider.public_id}).status_code == 302
    assert fresh(entered.organisation).is_being_checked
    assert client.post(check, {"provider": provider.public_id}).status_code == 409
    assert signed_in(make_member(entered.organisation)).post(check).status_code == 403
    other = make_organisation("other")
    theirs = reverse("access:sso-domain-check", kwargs={"organisation": "other", "domain": entered.public_id})
    assert signed_in(make_member(other, roles=("administrator",))).post(theirs).status_code == 404


def test_the_administrator_of_the_installation_confirms_and_withdraws(entered: EmailDomain) -> None:
    client = signed_in(root())
    page = reverse("access:installation-organisation", kwargs={"slug": "hospital"})
    assert DOMAIN in client.get(page).content.decode()

    def act(name: str) -> str:
        where = {"slug": "hospital", "domain": entered.public_id, "act": name}
        return reverse("access:installation-domain", kwargs=where)

    assert client.post(act("confirm")).status_code == 302
    assert fresh(entered.organisation).proven_by == "installation"
    assert client.post(act("withdraw")).status_code == 302
    assert not fresh(entered.organisation).is_proven
    assert client.post(act("burn")).status_code == 404
    for one in (make_user(), make_member(entered.organisation, roles=("administrator",))):
        assert signed_in(one).post(act("confirm")).status_code == 404
        with pytest.raises(NotFound):
            domains.confirm(actor=one, organisation=entered.organisation, public_id=entered.public_id)
    with pytest.raises(Forbidden):
        domains.ask(
            actor=make_member(entered.organisation), organisation=entered.organisation, public_id=entered.public_id
        )


def test_a_domain_is_confirmed_for_one_organisation_at_a_time(entered: EmailDomain) -> None:
    other = make_organisation("other")
    theirs = add_provider(make_member(other, roles=("administrator",)), other, issuer="https://id.example.org")
    enter_domains(theirs, DOMAIN)
    chief = root()
    domains.confirm(actor=chief, organisation=entered.organisation, public_id=entered.public_id)
    with pytest.raises(Conflict):
        domains.confirm(actor=chief, organisation=other, public_id=fresh(other).public_id)


# What follows ----------------------------------------------------------------------------------------------------------


def test_a_provider_proves_no_address_of_a_domain_that_is_not_proven(
    entered: EmailDomain, provider: IdentityProvider, liar: Liar
) -> None:
    """Whoever controls a provider can have it say anything about anybody's address."""
    liar.person = {"sub": "1", "email": "ada@hospital.org", "email_verified": True}
    come(Client(), provider, liar)
    assert find_person("ada@hospital.org") is None
    assert not EmailAddress.objects.filter(user=person("1", provider), verified=True).exists()
    prove_domain(provider, DOMAIN)
    liar.person = {"sub": "2", "email": "bo@hospital.org", "email_verified": True}
    come(Client(), provider, liar)
    assert find_person("bo@hospital.org") == person("2", provider)


def test_only_who_has_proven_a_domain_is_led_to_by_it(entered: EmailDomain, provider: IdentityProvider) -> None:
    find = reverse("access:sign-on-find")
    assert Client().post(find, {"wanted": "ada@hospital.org"}).status_code == 422
    prove_domain(provider, DOMAIN)
    # A second organisation that enters the same domain neither takes nor blocks it.
    other = make_organisation("other")
    theirs = add_provider(make_member(other, roles=("administrator",)), other, issuer="https://id.example.org")
    enter_domains(theirs, DOMAIN)
    assert "organisation=hospital" in Client().post(find, {"wanted": "ada@hospital.org"}).headers["Location"]
    Organisation.objects.filter(slug="hospital").update(suspended_at=timezone.now())
    assert Client().post(find, {"wanted": "ada@hospital.org"}).status_code == 422


@pytest.mark.parametrize("written", ["192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1"])
def test_name_servers_are_read_in_each_way_of_writing(written: str) -> None:
    host, port = dns_records._split(written)
    assert host in ("192.0.2.1", "2001:db8::1")
    assert port in (53, 5353)
