"""OpenID Connect, coming in and going out: by a provider that says the truth, and by a certified one in a real browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from access.models import IdentityProvider, Organisation, User
from access.single_sign_on import adapter
from access.single_sign_on import services as sign_ons
from archive.services import create_archive
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import Liar, certified
from tests.access.single_sign_on.coming_in import add_provider, back, begin, come, person
from tests.access.single_sign_on.outcome import is_in, may_read, outcomes
from tests.access.single_sign_on.rules import key_of, rule

pytestmark = pytest.mark.django_db


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
