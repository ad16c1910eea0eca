"""OpenID Connect: a real provider in a real browser, and one that lies in every way it can."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as django_settings
from django.test import Client, RequestFactory
from django.urls import reverse

from access import queries, services, sudo
from access.errors import NotYetProven, WrongProof
from access.models import IdentityProvider, Membership, Organisation, RoleGrant, SignOnEvent, User
from access.sign_in import policy, sessions
from access.single_sign_on import adapter, claims, fetching
from access.single_sign_on import services as sign_ons
from access.single_sign_on.errors import ProviderUnreachable
from archive.models import Archive
from archive.services import create_archive
from audit.models import Event
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import CLIENT, OTHER_KEY, Liar, bent, certified

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.SIGN_ON_LOOPBACK = True


@pytest.fixture(scope="module")
def _server() -> Iterator[Liar]:
    with bent() as found:
        yield found


@pytest.fixture
def liar(_server: Liar) -> Liar:
    """The bent provider, honest again for each test."""
    issuer = _server.issuer
    _server.__dict__.update(Liar(issuer=issuer).__dict__)
    return _server


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, roles=("administrator",), username="boss@hospital")


@pytest.fixture
def archive(hospital: Organisation, administrator: User) -> Archive:
    return create_archive(actor=None, organisation=hospital, slug="clinical", name="Clinical", ae_title="CLINICAL")


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


@pytest.fixture
def provider(hospital: Organisation, administrator: User, liar: Liar) -> IdentityProvider:
    with tenant(hospital):
        return add_provider(administrator, hospital, issuer=liar.issuer, admits="everybody")


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


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def outcomes(provider: IdentityProvider) -> list[str]:
    with all_tenants():
        return list(SignOnEvent.objects.filter(provider=provider).order_by("pk").values_list("outcome", flat=True))


def rule(
    administrator: User,
    provider: IdentityProvider,
    *,
    value: str,
    role: str,
    claim: str = "groups",
    how: str = "equals",
) -> None:
    sign_ons.add_rule(actor=administrator, sign_on=provider, claim=claim, how=how, value=value, role=role)


def key_of(container: Any, role: str) -> str:
    return f"{container.container_kind()}:{container.pk}:{role}"


def may_read(user: User, archive: Archive) -> bool:
    with tenant(archive.organisation):
        return bool(queries.may(user, "archive.view_archive", archive))


def person(subject: str, provider: IdentityProvider) -> User:
    found: Any = SocialAccount.objects.get(provider=provider.public_id, uid=subject).user
    return found


# Coming in --------------------------------------------------------------------------------------------------------------


def test_the_first_sign_in_makes_account_and_membership_and_the_second_finds_them(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    liar.person = {"sub": "42", "preferred_username": "Ada.L", "name": "Ada\nLovelace", "email": "ada@example.org"}
    client = Client()
    answer = come(client, provider, liar, next="/o/hospital/")
    assert answer.status_code == 302 and answer.headers["Location"] == "/o/hospital/"
    assert client.get("/o/hospital/").status_code == 200
    user = person("42", provider)
    assert (user.username, user.display_name) == ("ada.l@hospital", "Ada Lovelace")
    assert not user.has_usable_password()
    # Nobody proved this address to us, so it opens nothing and no letter goes there.
    assert not EmailAddress.objects.filter(user=user, verified=True).exists()
    liar.person = {"sub": "42", "preferred_username": "somebody-else"}
    again = Client()
    assert come(again, provider, liar).status_code == 302
    assert again.session["_auth_user_id"] == str(user.pk)
    assert User.objects.filter(username__endswith="@hospital").count() == 2
    assert outcomes(provider) == ["signed-in", "signed-in"]


def test_a_very_long_subject_is_one_person_each_time(provider: IdentityProvider, liar: Liar) -> None:
    for _time in range(2):
        liar.person = {"sub": "s" * 254 + "1"}
        assert come(Client(), provider, liar).status_code == 302
    liar.person = {"sub": "s" * 254 + "2"}
    come(Client(), provider, liar)
    assert SocialAccount.objects.count() == 2


def test_a_claimed_name_that_is_taken_makes_another_account_and_opens_none(
    provider: IdentityProvider, liar: Liar, administrator: User
) -> None:
    liar.person = {"sub": "thief", "preferred_username": "boss", "email": "boss@hospital.org", "email_verified": True}
    assert come(Client(), provider, liar).status_code == 302
    assert person("thief", provider).username == "boss2@hospital"


def test_state_nonce_and_verifier_are_new_in_each_question(provider: IdentityProvider) -> None:
    asked = [parse_qs(urlsplit(begin(Client(), provider)).query) for _time in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
    assert asked[0]["redirect_uri"] == [adapter.callback_address(provider.public_id)]
    assert "secret" not in str(asked).lower()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_next_leads_nowhere_else(provider: IdentityProvider, liar: Liar, target: str) -> None:
    answer = come(Client(), provider, liar, next=target)
    assert answer.headers["Location"].startswith("/") and "evil" not in answer.headers["Location"]


def test_the_session_of_before_is_not_the_session_of_afterwards(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    there = liar.authorise(begin(client, provider))
    before = client.session.session_key
    client.get(back(there))
    assert is_in(client) and client.session.session_key != before


# What the provider may get wrong ------------------------------------------------------------------------------------------

NOW = int(time.time())
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"token": {"nonce": "x"}}, "token-nonce"),
    "no nonce": ({"token": {"nonce": None}}, "token-nonce"),
    "nonce of another kind": ({"token": {"nonce": 7}}, "token-nonce"),
    "another issuer": ({"token": {"iss": "https://other.example"}}, "token-issuer"),
    "another audience": ({"token": {"aud": "other"}}, "token-audience"),
    "no audience": ({"token": {"aud": None}}, "token-malformed"),
    "several audiences, no party": ({"token": {"aud": ["pacsweb", "other"]}}, "token-party"),
    "another party": ({"token": {"azp": "other"}}, "token-party"),
    "expired": ({"token": {"exp": NOW - 3600, "iat": NOW - 7200}}, "token-expired"),
    "never expires": ({"token": {"exp": None}}, "token-malformed"),
    "from the future": ({"token": {"iat": NOW + 3600, "exp": NOW + 7200}}, "token-not-yet"),
    "no subject": ({"token": {"sub": None}}, "token-malformed"),
    "empty subject": ({"token": {"sub": ""}}, "token-subject"),
    "long subject": ({"token": {"sub": "s" * 256}}, "token-subject"),
    "hash of another access token": ({"token": {"at_hash": "AAAA"}}, "token-access-hash"),
    "no signature": ({"algorithm": "none"}, "token-algorithm"),
    "signed with the client's secret": ({"algorithm": "HS256", "key": CLIENT["client_secret"]}, "token-algorithm"),
    "signed with a key of its own": ({"key": OTHER_KEY}, "token-signature"),
    "signed with a key that is not listed": ({"header": {"kid": "unknown"}}, "token-key"),
    "userinfo of somebody else": ({"userinfo": {"sub": "43", "groups": ["all"]}}, "userinfo-subject"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_signs_nobody_in(provider: IdentityProvider, liar: Liar, lie: str) -> None:
    changes, code = LIES[lie]
    liar.__dict__.update(changes)
    client = Client()
    answer = come(client, provider, liar)
    assert answer.status_code == 403 and code in answer.content.decode()
    assert not is_in(client) and not SocialAccount.objects.exists()
    assert outcomes(provider) == [code]
    with all_tenants():
        assert Event.objects.filter(action="sign-on.refused", organisation=provider.organisation).count() == 1


DISCOVERIES: dict[str, tuple[dict[str, Any], str]] = {
    "of another issuer": ({"discovery": {"issuer": "https://other.example"}}, "other-issuer"),
    "too large": ({"raw_discovery": b'{"a":"' + b"x" * 900_000 + b'"}'}, "answer-too-large"),
    "not JSON": ({"raw_discovery": b"<html>"}, "not-json"),
    "nested too deep": ({"raw_discovery": b"[" * 200_000}, "not-json"),
    "a list": ({"raw_discovery": b"[]"}, "not-json"),
    "a redirect": ({"redirects": "/.well-known/openid-configuration"}, "redirect"),
    "without https": ({"discovery": {"token_endpoint": "http://hospital.example/token"}}, "discovery"),
    "metadata of a cloud": ({"discovery": {"jwks_uri": "http://169.254.169.254/keys"}}, "discovery"),
    "a file": ({"discovery": {"authorization_endpoint": "file:///etc/passwd"}}, "discovery"),
    "nothing but HMAC": ({"discovery": {"id_token_signing_alg_values_supported": ["HS256"]}}, "algorithms"),
}


@pytest.mark.parametrize("case", DISCOVERIES)
def test_a_bad_discovery_document_is_refused_with_its_reason(
    provider: IdentityProvider, liar: Liar, administrator: User, case: str
) -> None:
    changes, code = DISCOVERIES[case]
    liar.__dict__.update(changes)
    answer = Client().get(reverse("access:sign-on", kwargs={"provider": provider.public_id}))
    assert answer.status_code == 502 and code in answer.content.decode()
    problem = sign_ons.try_connection(actor=administrator, sign_on=provider)
    assert problem is not None and problem.code == code
    with tenant(provider.organisation):
        provider.refresh_from_db()
    assert provider.last_test_passed is False


def test_a_provider_that_is_down_leaves_passwords_working(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(issuer="http://127.0.0.1:1")
    answer = Client().get(reverse("access:sign-on", kwargs={"provider": provider.public_id}))
    assert answer.status_code == 502 and "go on working" in answer.content.decode()
    page = Client().post(reverse("access:sign-in"), {"username": administrator.username, "password": PASSWORD})
    assert page.status_code == 302


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "240.0.0.1"])  # noqa: S104
def test_addresses_that_no_provider_has_are_never_reached(address: str, settings: Any) -> None:
    assert not fetching.may_reach(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.8.8.8"])
def test_this_machine_is_reached_only_when_told_so(address: str, settings: Any, liar: Liar) -> None:
    settings.SIGN_ON_LOOPBACK = False
    assert not fetching.may_reach(address)
    assert fetching.may_reach("10.20.30.40") and fetching.may_reach("93.184.216.34")


def test_the_connection_itself_is_looked_at_not_the_name(settings: Any, liar: Liar, monkeypatch: Any) -> None:
    """A name that answered with an allowed address while it was checked may answer otherwise when it is used."""
    settings.SIGN_ON_LOOPBACK = False
    monkeypatch.setattr(fetching, "check_address", lambda address, **_unused: address)
    calls = len(liar.calls)
    with pytest.raises(ProviderUnreachable) as caught:
        fetching.get_json(f"{liar.issuer}/keys")
    assert "not allowed" in caught.value.hint
    time.sleep(0.05)
    assert len(liar.calls) == calls


# Answers that are not answers to our question ---------------------------------------------------------------------------


def test_an_answer_with_another_state_is_refused(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    there = back(liar.authorise(begin(client, provider)))
    wrong = there.replace("state=", "state=x")
    for _flood in range(3):
        assert client.get(wrong).status_code == 403 and not is_in(client)
    assert liar.exchanges == 0 and outcomes(provider) == ["state"]


def test_an_answer_begun_in_another_browser_is_refused(provider: IdentityProvider, liar: Liar) -> None:
    """Otherwise somebody could sign a victim in to the attacker's account, or hand over a code of their own."""
    attacker, victim = Client(), Client()
    there = back(liar.authorise(begin(attacker, provider)))
    assert victim.get(there).status_code == 403 and not is_in(victim)
    begin(victim, provider)
    assert victim.get(there).status_code == 403 and not is_in(victim)


def test_an_answer_works_once(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    there = back(liar.authorise(begin(client, provider)))
    assert client.get(there).status_code == 302
    client.logout()
    assert client.get(there).status_code == 403 and not is_in(client)
    assert liar.exchanges == 1


def test_a_code_of_another_sign_in_fails_at_its_verifier(provider: IdentityProvider, liar: Liar) -> None:
    stolen = parse_qs(urlsplit(liar.authorise(begin(Client(), provider))).query)["code"][0]
    client = Client()
    own = back(liar.authorise(begin(client, provider)))
    code = parse_qs(urlsplit(own).query)["code"][0]
    answer = client.get(own.replace(code, stolen))
    assert answer.status_code == 502 and "code-refused" in answer.content.decode() and not is_in(client)


def test_an_answer_that_names_another_issuer_is_refused(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    there = liar.authorise(begin(client, provider), iss="https://other.example")
    assert client.get(back(there)).status_code == 403 and liar.exchanges == 0


def test_a_provider_that_promises_its_issuer_has_to_name_it(provider: IdentityProvider, liar: Liar) -> None:
    liar.discovery = {"authorization_response_iss_parameter_supported": True}
    assert come(Client(), provider, liar).status_code == 403
    client = Client()
    there = liar.authorise(begin(client, provider), iss=liar.issuer)
    assert client.get(back(there)).status_code == 302 and is_in(client)


def test_giving_up_at_the_provider_is_said_kindly(provider: IdentityProvider) -> None:
    client = Client()
    state = parse_qs(urlsplit(begin(client, provider)).query)["state"][0]
    there = reverse("access:sign-on-callback", kwargs={"provider": provider.public_id})
    answer = client.get(there, {"error": "access_denied", "state": state, "error_description": "<script>"})
    assert answer.status_code == 403 and "left the sign-on" in answer.content.decode()
    assert b"<script>alert" not in answer.content and b"&lt;script" not in answer.content


def test_an_answer_is_for_the_provider_that_was_asked(
    provider: IdentityProvider, liar: Liar, hospital: Organisation, administrator: User
) -> None:
    with tenant(hospital):
        other = add_provider(administrator, hospital, issuer=liar.issuer, client_id="second", admits="everybody")
    client = Client()
    there = back(liar.authorise(begin(client, provider)))
    assert client.get(there.replace(provider.public_id, other.public_id)).status_code == 403
    assert not is_in(client)


# Whose account ----------------------------------------------------------------------------------------------------------


def prove(user: User, email: str) -> None:
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)


@pytest.mark.parametrize(
    ("trusted", "domains", "verified"),
    [
        (False, ["hospital.org"], True),
        (True, ["hospital.org"], False),
        (True, ["hospital.org"], "true"),
        (True, ["uni.edu"], True),
    ],
)
def test_an_address_opens_no_account_that_is_there(
    provider: IdentityProvider, liar: Liar, hospital: Organisation, trusted: bool, domains: list[str], verified: Any
) -> None:
    member = make_member(hospital, username="ada@hospital")
    prove(member, "ada@hospital.org")
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(trusts_email=trusted, domains=domains)
    liar.person = {"sub": "1", "email": "ada@hospital.org", "email_verified": verified}
    client = Client()
    assert come(client, provider, liar).status_code == 302
    assert client.session["_auth_user_id"] != str(member.pk)


def test_a_trusted_provider_opens_the_account_of_the_member_who_proved_the_address(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    member = make_member(hospital, username="ada@hospital")
    prove(member, "ada@hospital.org")
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(trusts_email=True, domains=["hospital.org"])
    liar.person = {"sub": "1", "email": "Ada@Hospital.org", "email_verified": True}
    client = Client()
    come(client, provider, liar)
    assert client.session["_auth_user_id"] == str(member.pk)
    # A second person of the provider with the same address does not get in by it.
    liar.person = {"sub": "2", "email": "ada@hospital.org", "email_verified": True}
    second = Client()
    come(second, provider, liar)
    assert second.session["_auth_user_id"] != str(member.pk)


def test_trust_in_an_address_ends_at_the_organisation(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    """An organisation can enter any domain. It gains nothing over people of another one, nor over the installation."""
    elsewhere = make_member(make_organisation("elsewhere"), username="eve@elsewhere")
    prove(elsewhere, "eve@uni.edu")
    root = make_member(hospital, username="root@hospital")
    prove(root, "root@uni.edu")
    User.objects.filter(pk=root.pk).update(is_installation_administrator=True)
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(trusts_email=True, domains=["uni.edu"])
    for number, victim in enumerate((elsewhere, root)):
        liar.person = {"sub": str(number), "email": EmailAddress.objects.get(user=victim).email, "email_verified": True}
        client = Client()
        come(client, provider, liar)
        assert client.session["_auth_user_id"] != str(victim.pk)


def test_who_may_not_get_an_account_is_told_what_to_do(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(creates_accounts=False)
    people = User.objects.count()
    answer = come(Client(), provider, liar)
    assert answer.status_code == 403 and "connect it" in answer.content.decode()
    assert User.objects.count() == people


def signed_in(user: User) -> Client:
    client = Client()
    client.post(reverse("access:sign-in"), {"username": user.username, "password": PASSWORD})
    assert is_in(client)
    return client


def connect(client: Client, provider: IdentityProvider, liar: Liar) -> Any:
    page = client.post(reverse("access:sign-on-connect", kwargs={"provider": provider.public_id}))
    assert page.status_code == 200, page.content[:300]
    address = page.context["address"]
    return client.get(back(liar.authorise(address)))


def test_a_member_connects_an_account_after_signing_in_to_it_and_lets_go_again(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    member = make_member(hospital, username="ada@hospital")
    client = signed_in(member)
    assert connect(client, provider, liar).headers["Location"].endswith("#sign-on")
    assert client.session["_auth_user_id"] == str(member.pk)
    by_provider = Client()
    come(by_provider, provider, liar)
    assert by_provider.session["_auth_user_id"] == str(member.pk)
    page = client.get(reverse("access:security")).content.decode()
    assert "Disconnect" in page and "Hospital account" in page
    account = SocialAccount.objects.get(user=member)
    other = signed_in(make_member(hospital))
    assert other.post(reverse("access:sign-on-disconnect", kwargs={"account": account.pk})).status_code == 404
    assert client.post(reverse("access:sign-on-disconnect", kwargs={"account": account.pk})).status_code == 302
    assert not SocialAccount.objects.exists()


def test_a_person_of_the_provider_belongs_to_one_account(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    first, second = make_member(hospital), make_member(hospital)
    connect(signed_in(first), provider, liar)
    assert connect(signed_in(second), provider, liar).status_code == 403
    assert SocialAccount.objects.get().user_id == first.pk


def test_the_last_way_in_cannot_be_let_go(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    come(client, provider, liar)
    account = SocialAccount.objects.get()
    answer = client.post(reverse("access:sign-on-disconnect", kwargs={"account": account.pk}))
    assert answer.status_code == 409 and SocialAccount.objects.exists()


# Walls between organisations ----------------------------------------------------------------------------------------------


def test_a_provider_of_one_organisation_opens_no_other_one(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    partner = make_organisation("partner")
    member = make_member(hospital, username="ada@partner")
    services.add_member(actor=None, organisation=partner, user=member)
    connect(signed_in(member), provider, liar)
    client = Client()
    come(client, provider, liar)
    assert client.get("/o/hospital/").status_code == 200
    for there in ("/o/partner/", "/o/partner/dicomweb/clinical/studies"):
        refused = client.get(there)
        assert refused.status_code == 403, there
    assert client.get("/o/nowhere/").status_code == 404
    # Nor does it change the account, which the hospital did not make: the person's own proof is asked for.
    for name, arguments in (
        ("token-create", {}),
        ("passkey-add", {}),
        ("address-change", {}),
        ("leave", {"slug": "partner"}),
    ):
        asked = client.post(reverse(f"access:{name}", kwargs=arguments), {"email": "evil@example.org", "name": "t"})
        assert asked.status_code == 403 and "Confirm that it is you" in asked.content.decode(), name
    there = reverse("access:own-sign-in") + "?next=/o/partner/"
    assert client.get(there).status_code == 403
    wrong = {"proof-password": "wrong", "proof-purpose": "own-sign-in", "proof-get": "1"}
    assert client.post(there, wrong).status_code == 422 and client.get("/o/partner/").status_code == 403
    client.post(there, wrong | {"proof-password": PASSWORD})
    client.get(there)
    assert client.get("/o/partner/").status_code == 200


def test_a_provider_never_administers_the_installation(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    member = make_member(hospital, username="ada@hospital")
    User.objects.filter(pk=member.pk).update(is_installation_administrator=True)
    connect(signed_in(member), provider, liar)
    client = Client()
    come(client, provider, liar)
    assert client.get(reverse("access:installation")).headers["Location"].startswith(reverse("access:own-sign-in"))


def test_the_same_issuer_and_subject_are_two_people_in_two_organisations(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    partner = make_organisation("partner")
    boss = make_member(partner, roles=("administrator",))
    with tenant(partner):
        theirs = add_provider(boss, partner, issuer=liar.issuer, admits="everybody")
    for one in (provider, theirs):
        come(Client(), one, liar)
    accounts = SocialAccount.objects.filter(uid="42")
    assert len({account.user_id for account in accounts}) == 2
    with all_tenants():
        assert Membership.objects.filter(user=person("42", theirs)).get().organisation == partner


def test_buttons_are_shown_for_the_organisation_that_is_meant_and_for_no_other(provider: IdentityProvider) -> None:
    sign_in = reverse("access:sign-in")
    assert "Hospital account" not in Client().get(sign_in).content.decode()
    for query in ({"organisation": "hospital"}, {"next": "/o/hospital/archives/"}):
        assert "Hospital account" in Client().get(sign_in, query).content.decode()
    unknown, without = (
        Client().get(sign_in, {"organisation": slug}).content.decode()
        for slug in ("unknown", make_organisation("plain").slug)
    )
    assert "Hospital account" not in unknown + without


def test_an_address_at_work_leads_to_the_right_page(provider: IdentityProvider, hospital: Organisation) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(domains=["hospital.org"])
    find = reverse("access:sign-on-find")
    for wanted in ("ada@hospital.org", "Ada@HOSPITAL.org", "hospital"):
        assert "organisation=hospital" in Client().post(find, {"wanted": wanted}).headers["Location"]
    for wanted in ("ada@elsewhere.org", "@", "nowhere", "hospital.org", "%", "x" * 254):
        assert Client().post(find, {"wanted": wanted}).status_code == 422


def test_what_is_switched_off_suspended_or_deleted_opens_nothing_and_ends_what_it_opened(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    client = Client()
    come(client, provider, liar)
    user = person("42", provider)
    assert client.get("/o/hospital/").status_code == 200
    half_way = Client()
    there = back(liar.authorise(begin(half_way, provider)))
    with pytest.raises(Conflict):
        sign_ons.delete(actor=administrator, sign_on=provider)
    sign_ons.switch(actor=administrator, sign_on=provider, on=False)
    assert client.get("/o/hospital/").status_code in (302, 200)
    assert half_way.get(there).status_code == 404 and not is_in(half_way)
    assert Client().get(reverse("access:sign-on", kwargs={"provider": provider.public_id})).status_code == 404
    assert sign_ons.delete(actor=administrator, sign_on=provider) == 1
    with tenant(hospital):
        assert not Membership.objects.get(user=user).is_active
        assert not RoleGrant.objects.filter(user=user, ended_at=None).exists()
    assert User.objects.filter(pk=user.pk).exists() and not SocialAccount.objects.exists()


def test_switching_off_ends_its_sessions(
    provider: IdentityProvider, liar: Liar, administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    client = Client()
    come(client, provider, liar)
    with django_capture_on_commit_callbacks(execute=True):
        sign_ons.switch(actor=administrator, sign_on=provider, on=False)
    assert client.get("/o/hospital/").headers["Location"].startswith("/accounts/sign-in/")


# Roles from claims --------------------------------------------------------------------------------------------------------


def test_roles_follow_the_claims_and_direct_ones_stay(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation, archive: Archive
) -> None:
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    rule(administrator, provider, value="pacs-*", role=key_of(archive, "manager"), how="like")
    liar.person = {"sub": "42", "groups": ["radiology", "pacs-admins"]}
    come(Client(), provider, liar)
    user = person("42", provider)

    def held() -> set[tuple[str, str]]:
        with tenant(hospital):
            rows = RoleGrant.objects.filter(user=user, ended_at=None).exclude(container_role__role="member")
            return {(row.container_role.role, row.source) for row in rows.select_related("container_role")}

    source = f"sso:{provider.public_id}"
    assert held() == {("reader", source), ("manager", source)}
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    liar.person = {"sub": "42", "groups": []}
    come(Client(), provider, liar)
    assert held() == {("reader", "direct")} and may_read(user, archive)
    services.revoke_role(actor=administrator, container=archive, role="reader", user=user)
    assert not may_read(user, archive)


def test_who_gets_no_role_any_more_loses_the_membership_at_the_next_sign_in(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation, archive: Archive
) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(admits="mapped")
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    answer = come(Client(), provider, liar)
    assert answer.status_code == 403 and "no-role" in answer.content.decode()
    assert not SocialAccount.objects.exists()
    liar.person = {"sub": "42", "groups": "radiology"}
    open_session = Client()
    come(open_session, provider, liar)
    assert open_session.get("/o/hospital/").status_code == 200
    liar.person = {"sub": "42", "groups": ["retired"]}
    assert come(Client(), provider, liar).status_code == 403
    # The membership has ended for the session that is still open too.
    assert open_session.get("/o/hospital/").status_code == 404
    assert not may_read(person("42", provider), archive)
    liar.person = {"sub": "42", "groups": ["radiology"]}
    assert come(Client(), provider, liar).status_code == 302 and may_read(person("42", provider), archive)


def test_the_last_administrator_stays_one(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    rule(administrator, provider, value="bosses", role=key_of(hospital, "administrator"))
    liar.person = {"sub": "42", "groups": ["bosses"]}
    come(Client(), provider, liar)
    user = person("42", provider)
    services.remove_member(actor=user, organisation=hospital, user=administrator)
    liar.person = {"sub": "42", "groups": []}
    assert come(Client(), provider, liar).status_code == 302
    with tenant(hospital):
        assert queries.may(user, "access.manage_people", hospital)
    with all_tenants():
        assert Event.objects.filter(action="sign-on.administrator-kept").count() == 1


def test_the_suspended_stay_out_whatever_is_claimed(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    come(Client(), provider, liar)
    services.suspend_member(actor=administrator, organisation=hospital, user=person("42", provider))
    client = Client()
    answer = come(client, provider, liar)
    assert answer.status_code == 403 and "suspended" in answer.content.decode() and not is_in(client)


def test_the_quota_of_people_holds(provider: IdentityProvider, liar: Liar, hospital: Organisation) -> None:
    Organisation.objects.filter(pk=hospital.pk).update(people_quota=1)
    people = User.objects.count()
    assert come(Client(), provider, liar).status_code == 403
    assert User.objects.count() == people


def test_rules_give_roles_of_their_own_organisation_only(provider: IdentityProvider, administrator: User) -> None:
    partner = make_organisation("partner")
    theirs = create_archive(actor=None, organisation=partner, slug="other", name="Other", ae_title="OTHER")
    with pytest.raises(Invalid):
        rule(administrator, provider, value="x", role=key_of(theirs, "reader"))
    with pytest.raises(Invalid):
        rule(administrator, provider, value="*", role=key_of(provider.organisation, "administrator"), how="like")


@pytest.mark.parametrize(
    ("path", "said", "expected"),
    [
        ("groups", {"groups": ["a", 1, True, None, {"x": 1}, ["b"]]}, ["a", "1", "true"]),
        ("groups", {"groups": "a,b"}, ["a,b"]),
        ("realm_access.roles", {"realm_access": {"roles": ["r"]}}, ["r"]),
        ("https://h.example/roles", {"https://h.example/roles": ["r"]}, ["r"]),
        ("a.b.c", {"a.b": {"c": "deep"}}, ["deep"]),
        ("groups.x", {"groups": ["x"]}, []),
        ("missing", {"groups": ["x"]}, []),
        ("", {"groups": ["x"]}, []),
        ("groups", {"groups": ["x" * 2000, "y"]}, ["y"]),
    ],
)
def test_claims_are_read_by_path(path: str, said: dict[str, Any], expected: list[str]) -> None:
    assert claims.values_at(said, path) == expected


@pytest.mark.parametrize(
    ("how", "value", "claimed", "fits"),
    [
        ("equals", "admin", "Admin", False),
        ("equals", "admin", "admins", False),
        ("like", "pacs-*", "pacs-admins", True),
        ("like", "pacs-*", "xpacs-admins", False),
        ("like", "[a]*", "[a]b", True),
        ("like", "[a]*", "ab", False),
    ],
)
def test_a_rule_fits_what_it_says_and_nothing_like_it(how: str, value: str, claimed: str, fits: bool) -> None:
    from access.models import RoleRule

    assert claims.matches(RoleRule(claim="g", how=how, value=value), {"g": [claimed]}) is fits


# Second factor, secrets, rights -------------------------------------------------------------------------------------------


def test_the_provider_s_second_factor_counts_only_when_the_organisation_says_so(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    policy.change(actor=None, organisation=hospital, mfa_required=True)
    liar.token = {"amr": ["pwd", "otp"]}
    client = Client()
    come(client, provider, liar)
    assert client.get("/o/hospital/").status_code == 302
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(counts_second_factor=True)
    again = Client()
    come(again, provider, liar)
    assert again.get("/o/hospital/").status_code == 200
    liar.token = {"amr": ["pwd"]}
    weaker = Client()
    come(weaker, provider, liar)
    assert weaker.get("/o/hospital/").status_code == 302


def test_an_own_second_factor_is_asked_for_after_the_provider(provider: IdentityProvider, liar: Liar) -> None:
    from allauth.mfa.totp.internal import auth as totp

    come(Client(), provider, liar)
    totp.TOTP.activate(person("42", provider), totp.generate_totp_secret())
    client = Client()
    assert come(client, provider, liar).headers["Location"] == reverse("access:second-factor")
    assert not is_in(client) and client.get("/o/hospital/").status_code == 302


def test_the_secret_is_sealed_never_shown_and_in_no_trail(
    provider: IdentityProvider, administrator: User, hospital: Organisation, caplog: Any
) -> None:
    secret = CLIENT["client_secret"]
    with tenant(hospital):
        row = IdentityProvider.objects.get()
        assert row.sealed_secret and secret not in row.sealed_secret
    client = signed_in(administrator)
    there = reverse(
        "access:sso", kwargs={"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    )
    page = client.get(there)
    assert (
        page.status_code == 200
        and secret not in page.content.decode()
        and row.sealed_secret not in page.content.decode()
    )
    form = {name: value for name, value in page.context["form"].initial.items() if value not in (None, False)}
    form |= {"domains": "", "second_factor_values": "mfa", "label": "Renamed", "secret": ""}
    assert client.post(there, form).status_code == 302
    with tenant(hospital):
        changed = IdentityProvider.objects.get()
        assert (changed.label, changed.sealed_secret) == ("Renamed", row.sealed_secret)
    assert client.post(there, form | {"secret": "another-secret"}).status_code == 302
    with all_tenants():
        trail = json.dumps(list(Event.objects.values("action", "detail", "target_label")), default=str)
    assert (
        "sign-on.changed" in trail and "another-secret" not in trail + caplog.text and secret not in trail + caplog.text
    )


def test_an_issuer_with_people_behind_it_is_not_exchanged(
    provider: IdentityProvider, liar: Liar, administrator: User
) -> None:
    come(Client(), provider, liar)
    with pytest.raises(Invalid):
        sign_ons.change(actor=administrator, sign_on=provider, values={"issuer": "https://other.example"}, secret=None)


def test_only_administrators_of_the_organisation_administer_it(
    provider: IdentityProvider, hospital: Organisation, administrator: User
) -> None:
    member = signed_in(make_member(hospital))
    officer = signed_in(make_member(hospital, roles=("officer",)))
    stranger = signed_in(make_member(make_organisation("other"), roles=("administrator",)))
    where = {"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    for name in ("sso", "sso-test", "sso-switch", "sso-delete", "sso-preview", "sso-rule-add"):
        for client, status in ((member, 403), (officer, 403), (stranger, 404)):
            method = client.get if name == "sso" else client.post
            assert method(reverse(f"access:{name}", kwargs=where)).status_code == status, name
    theirs = dict(where, organisation="other")
    assert stranger.get(reverse("access:sso", kwargs=theirs)).status_code == 404
    with pytest.raises((Forbidden, NotFound)):
        sign_ons.switch(actor=make_member(hospital), sign_on=provider, on=False)


def test_the_preview_shows_what_claims_would_give_and_gives_nothing(
    provider: IdentityProvider, administrator: User, archive: Archive, hospital: Organisation
) -> None:
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    where = {"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    client = signed_in(administrator)
    there = reverse("access:sso-preview", kwargs=where)
    with tenant(hospital):
        before = RoleGrant.objects.count()
    page = client.post(there, {"claims": json.dumps({"groups": ["radiology"]})})
    assert page.status_code == 200 and "Reader · Clinical" in page.content.decode()
    for bad in ("", "{", "[]", "[" * 50_000):
        assert client.post(there, {"claims": bad}).status_code == 422
    with tenant(hospital):
        assert RoleGrant.objects.count() == before


def test_the_reason_on_a_container_s_page_names_the_provider(
    provider: IdentityProvider, liar: Liar, administrator: User, archive: Archive
) -> None:
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    liar.person = {"sub": "42", "groups": ["radiology"]}
    come(Client(), provider, liar)
    there = reverse(
        "access:container", kwargs={"organisation": "hospital", "kind": "archive.archive", "container": archive.pk}
    )
    assert "Single sign-on: Hospital account" in signed_in(administrator).get(there).content.decode()


def test_signing_out_leads_to_the_provider_s_own_sign_out(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(signs_out=True)
    client = Client()
    come(client, provider, liar)
    page = client.post(reverse("access:sign-out"))
    query = parse_qs(urlsplit(page.context["address"]).query)
    assert page.context["address"].startswith(f"{liar.issuer}/end?") and query["client_id"] == ["pacsweb"]
    assert query["id_token_hint"][0].count(".") == 2 and not is_in(client)


# A real provider in a real browser ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_a_person_signs_in_and_out_by_the_certified_provider(chromium: Any, live_server: Any, settings: Any) -> None:
    settings.PUBLIC_URL = live_server.url
    hospital = make_organisation("hospital")
    administrator = make_member(hospital, roles=("administrator",), username="boss@hospital")
    archive = create_archive(actor=None, organisation=hospital, slug="clinical", name="Clinical", ae_title="CLINICAL")
    people = {"ada": {"name": "Ada Lovelace", "preferred_username": "ada", "groups": ["radiology"], "email": "a@h.org"}}
    row = add_provider(administrator, hospital, issuer="https://not-yet.example", signs_out=True, on=False)
    rule(administrator, row, value="radiology", role=key_of(archive, "reader"))
    redirects = [adapter.callback_address(row.public_id)]
    with certified(people=people, redirects=redirects, after=[settings.PUBLIC_URL + "/accounts/sign-in/"]) as issuer:
        sign_ons.change(actor=administrator, sign_on=row, values={"issuer": issuer}, secret=None)
        with tenant(hospital):
            row.refresh_from_db()
        assert sign_ons.try_connection(actor=administrator, sign_on=row) is None
        sign_ons.switch(actor=administrator, sign_on=row, on=True)
        context = chromium.new_context()
        page = context.new_page()
        page.set_default_timeout(20_000)
        try:
            page.goto(f"{live_server.url}/o/hospital/")
            page.get_by_role("link", name="Hospital account").click()
            page.locator("input[name=login]").fill("ada")
            page.locator("input[name=password]").fill("anything")
            page.locator("button[type=submit]").click()
            page.locator("button[type=submit]").click()  # consent
            page.wait_for_url(f"{live_server.url}/o/hospital/")
            user = person("ada", row)
            assert user.username == "ada@hospital" and may_read(user, archive)
            answer = page.request.get(f"{live_server.url}/o/hospital/")
            assert answer.status == 200
            token = context.cookies(live_server.url)
            form = page.locator("form[action='/accounts/sign-out/']").first
            assert form.count() and token
            form.evaluate("form => form.submit()")
            page.wait_for_url(f"{issuer}/session/end**")
            page.locator("button[value=yes]").click()
            page.wait_for_url("**/accounts/sign-in/**")
            assert page.url.startswith(live_server.url)
            page.goto(f"{live_server.url}/o/hospital/")
            assert "/accounts/sign-in/" in page.url
        finally:
            context.close()


# Proving to be there ---------------------------------------------------------------------------------------------------


def member_by_sign_on(provider: IdentityProvider, liar: Liar) -> tuple[Client, User]:
    """Somebody whose account the provider made: no password, no second factor."""
    client = Client()
    come(client, provider, liar)
    return client, User.objects.get(pk=client.session["_auth_user_id"])


def prove_there(client: Client, provider: IdentityProvider, liar: Liar, *, purpose: str = "break-glass") -> Any:
    there = reverse("access:sign-on-prove", kwargs={"provider": provider.public_id})
    out = client.get(f"{there}?purpose={purpose}")
    assert out.status_code == 302
    asked = parse_qs(urlsplit(out.headers["Location"]).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    return client.get(back(liar.authorise(out.headers["Location"])))


def proof_of(client: Client, user: User, *, purpose: str = "break-glass") -> sudo.Proof:
    request = RequestFactory().post("/")
    request.user, request.session = user, client.session  # type: ignore[assignment]
    proof = sudo.prove(user=user, method="sign-on", secret="1", purpose=purpose, request=request)
    request.session.save()
    return proof


def test_without_a_password_a_fresh_sign_in_at_the_provider_proves_once(provider: IdentityProvider, liar: Liar) -> None:
    client, user = member_by_sign_on(provider, liar)
    assert sudo.methods_of(user) == ["sign-on"]
    with pytest.raises(NotYetProven):
        proof_of(client, user)
    liar.token = {"auth_time": int(time.time())}
    done = prove_there(client, provider, liar)
    assert done.headers["Location"] == reverse("access:sign-on-proven")
    with pytest.raises(NotYetProven):
        proof_of(client, user, purpose="sensitive")
    assert proof_of(client, user).method == "sign-on"
    with pytest.raises(NotYetProven):
        proof_of(client, user)


@pytest.mark.parametrize(
    ("claims", "code"),
    [({}, "no-auth-time"), ({"auth_time": "now"}, "no-auth-time"), ({"auth_time": True}, "no-auth-time"),
     ({"auth_time": 1}, "old-sign-in"), ({"auth_time": 99_999_999_999}, "old-sign-in"), ({"sub": "43"}, "not-yours")],
)  # fmt: skip
def test_an_open_session_there_or_somebody_else_proves_nothing(
    claims: dict[str, Any], code: str, provider: IdentityProvider, liar: Liar
) -> None:
    client, user = member_by_sign_on(provider, liar)
    liar.person |= {name: value for name, value in claims.items() if name == "sub"}
    liar.token = claims if "sub" not in claims else {"auth_time": int(time.time())}
    answer = prove_there(client, provider, liar)
    assert answer.status_code == 403
    assert answer.context["code"] == code
    with pytest.raises(NotYetProven):
        proof_of(client, user)


def test_a_provider_proves_nothing_about_accounts_of_other_organisations(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    guest = make_member(make_organisation("elsewhere"), username="guest@elsewhere")
    services.add_member(actor=None, organisation=hospital, user=guest)
    client = signed_in(guest)
    connect(client, provider, liar)
    assert sudo.methods_of(guest) == ["password"]
    there = reverse("access:sign-on-prove", kwargs={"provider": provider.public_id})
    assert client.get(f"{there}?purpose=break-glass").status_code == 404


def test_the_page_that_asks_keeps_the_form_and_goes_on(provider: IdentityProvider, liar: Liar) -> None:
    client, _user = member_by_sign_on(provider, liar)
    session = client.session
    session[sessions.BEGUN] = 0.0  # the sign-in itself proves no more
    session.save()
    there = reverse("access:address-change")
    page = client.post(there, {"email": "me@hospital.example"})
    text = page.content.decode()
    assert page.status_code == 403
    assert "Sign in anew at" in text and 'value="me@hospital.example"' in text
    form = {"email": "me@hospital.example", "proof-purpose": "sensitive", "proof-there": "1"}
    assert client.post(there, form).status_code == 422
    liar.token = {"auth_time": int(time.time())}
    prove_there(client, provider, liar, purpose="sensitive")
    assert client.post(there, form).status_code == 302


def test_where_the_provider_is_left_behind_its_word_proves_nothing(provider: IdentityProvider, liar: Liar) -> None:
    client, user = member_by_sign_on(provider, liar)
    assert sudo.methods_of(user, purpose=sudo.OWN_SIGN_IN) == []
    liar.token = {"auth_time": int(time.time())}
    prove_there(client, provider, liar, purpose=sudo.OWN_SIGN_IN)
    with pytest.raises(WrongProof):
        proof_of(client, user, purpose=sudo.OWN_SIGN_IN)
    assert client.get(reverse("access:own-sign-in")).status_code == 403
