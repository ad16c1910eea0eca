"""Single sign-on as people meet it: the certified provider, a real browser, and pages from beginning to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.urls import reverse

from access import queries
from access.models import IdentityProvider, Organisation, RoleGrant, User
from access.sign_in import sessions
from access.sign_in.session_store import CACHE_PREFIX, SessionStore
from access.single_sign_on import adapter
from access.single_sign_on import services as sign_ons
from archive.models import Archive
from archive.services import create_archive
from audit.models import Event
from core.tenancy import all_tenants, tenant
from pacsweb.launcher.ports import choose
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import CLIENT, certified

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
PASSWORD = "correct horse battery staple"
PEOPLE = {
    "ada": {"name": "Ada Lovelace", "preferred_username": "ada", "groups": ["radiology"]},
    "grace": {"name": "Grace Hopper", "preferred_username": "grace", "groups": ["cardiology"]},
}
# The one provider of this module knows PACSWeb's addresses before there is a row for it.
KNOWN_AS = "certified123"
NewPage = Callable[[], "Page"]


@pytest.fixture(autouse=True)
def _reachable(live_server: Any, settings: Any) -> None:
    settings.SIGN_ON_LOOPBACK = True
    settings.PUBLIC_URL = live_server.url


@pytest.fixture(scope="module")
def issuer(live_server: Any) -> Iterator[str]:
    before, django_settings.PUBLIC_URL = django_settings.PUBLIC_URL, live_server.url
    try:
        addresses = {
            "redirects": [adapter.callback_address(KNOWN_AS)],
            "after": [adapter.after_sign_out_address()],
            "back_channel": adapter.back_channel_address(KNOWN_AS),
        }
    finally:
        django_settings.PUBLIC_URL = before
    with certified(people=PEOPLE, **addresses) as found:
        yield found


@pytest.fixture
def new_page(chromium: Browser, live_server: Any) -> Iterator[NewPage]:
    """A page in a browser of its own: another person, or another machine."""
    contexts = []

    def make() -> Page:
        context = chromium.new_context(reduced_motion="reduce", locale="en-GB")
        context.set_default_timeout(20_000)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, roles=("administrator",), username="boss@hospital")


@pytest.fixture
def archive(hospital: Organisation) -> Archive:
    return create_archive(actor=None, organisation=hospital, slug="clinical", name="Clinical", ae_title="CLINICAL")


@pytest.fixture
def provider(hospital: Organisation, administrator: User, issuer: str) -> IdentityProvider:
    made = sign_ons.add(
        actor=administrator,
        organisation=hospital,
        model=IdentityProvider,
        values={
            "public_id": KNOWN_AS,
            "label": "Hospital account",
            "issuer": issuer,
            "client_id": CLIENT["client_id"],
            "admits": "everybody",
            "signs_out": True,
        },
        secret=CLIENT["client_secret"],
    )
    sign_ons.switch(actor=administrator, sign_on=made, on=True)
    return made


def sign_in_there(page: Page, *, login: str, consents: bool = True) -> None:
    page.locator("input[name=login]").fill(login)
    page.locator("input[name=password]").fill("anything")
    page.locator("button[type=submit]").click()
    if consents:
        page.get_by_role("button", name="Continue").click()


def enter(page: Page, base: str, *, login: str) -> Page:
    """Through the organisation's sign-in page, the provider, and back."""
    page.goto(f"{base}/o/hospital/")
    page.get_by_role("link", name="Hospital account").click()
    sign_in_there(page, login=login)
    page.wait_for_url(f"{base}/o/hospital/")
    return page


def person(subject: str) -> User:
    found: Any = SocialAccount.objects.get(uid=subject).user
    return found


def test_an_administrator_connects_a_provider_and_its_people_come_in_with_the_role_of_a_rule(
    new_page: NewPage, live_server: Any, hospital: Organisation, administrator: User, archive: Archive
) -> None:
    base, port = live_server.url, choose()
    page = new_page()
    page.goto(f"{base}/accounts/sign-in/?next=/o/hospital/admin/sign-on/")
    page.get_by_label("User name").fill(administrator.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("No single sign-on yet").wait_for()

    page.get_by_role("link", name="Add a provider").click()
    # What does not make sense is said beside its field, and nothing that was typed is lost.
    page.get_by_label("Name", exact=True).fill("Hospital account")
    page.get_by_label("Issuer").fill("ftp://id.hospital.example")
    page.get_by_label("Client ID").fill(CLIENT["client_id"])
    page.get_by_role("button", name="Add, switched off").click()
    page.get_by_text("Type an address that begins with https://.").first.wait_for()
    assert page.get_by_label("Client ID").input_value() == CLIENT["client_id"]
    page.get_by_label("Issuer").fill(f"http://127.0.0.1:{port}")
    page.get_by_label("Client secret").fill(CLIENT["client_secret"])
    page.get_by_role("button", name="Add, switched off").click()
    page.get_by_text("It was added.").wait_for()

    # Before it is registered there, nothing answers; the reason is said.
    page.get_by_role("button", name="Test connection").click()
    page.get_by_text("No connection").first.wait_for()
    shown = page.locator("#addresses [data-copy]").evaluate_all("all => all.map(one => one.dataset.copy)")
    assert [one.rstrip("/").rpartition("/")[2] for one in shown] == ["callback", "back-channel-logout"]
    assert CLIENT["client_secret"] not in page.content()

    redirect, back_channel = shown
    with certified(people=PEOPLE, redirects=[redirect], after=[], back_channel=back_channel, port=port):
        page.get_by_role("button", name="Test connection").click()
        page.get_by_text("The connection works.").wait_for()
        page.get_by_text("Add a rule", exact=True).click()
        page.get_by_label("Claim", exact=True).fill("groups")
        page.get_by_label("Value", exact=True).fill("radiology")
        page.get_by_label("Role", exact=True).select_option(label="Reader · Clinical")
        page.get_by_role("button", name="Add rule").click()
        page.locator("#rules table").get_by_text("Reader · Clinical").wait_for()
        page.get_by_role("textbox", name="Claims").fill('{"groups": ["radiology"]}')
        page.get_by_role("button", name="Show what would be given").click()
        page.get_by_text("This person would be a member").wait_for()
        page.get_by_role("textbox", name="Claims").fill('{"groups": ["cardiology"]}')
        page.get_by_role("button", name="Show what would be given").click()
        page.get_by_text("This person would not get in").wait_for()
        # Not yet: who comes now finds no button.
        early = new_page()
        early.goto(f"{base}/accounts/sign-in/?organisation=hospital")
        assert early.get_by_role("link", name="Hospital account").count() == 0
        page.get_by_role("button", name="Switch on").click()
        page.get_by_text("It is in use.").wait_for()

        newcomer = enter(new_page(), base, login="ada")
        studies = reverse("archive:study-list", kwargs={"organisation": "hospital", "archive": "clinical"})
        answer = newcomer.goto(base + studies)
        assert answer is not None and answer.status == 200
        ada = person("ada")
        assert (ada.username, ada.display_name) == ("ada@hospital", "Ada Lovelace")
        with tenant(hospital):
            grants = RoleGrant.objects.filter(user=ada, ended_at=None).select_related("container_role")
            assert {grant.container_role.role for grant in grants} == {"member", "reader"}
            assert queries.may(ada, "archive.view_archive", archive)
            assert not queries.may(ada, "archive.change_archive", archive)

        # Who gets nothing by any rule does not come in, and is told whom to ask.
        refused = new_page()
        refused.goto(f"{base}/o/hospital/")
        refused.get_by_role("link", name="Hospital account").click()
        sign_in_there(refused, login="grace")
        refused.get_by_text("nothing here is meant for you yet").wait_for()
        assert not SocialAccount.objects.filter(uid="grace").exists()

    page.reload()
    events = page.locator("#events table")
    assert events.get_by_text("Ada Lovelace").is_visible()
    assert events.get_by_text("No rule gives this person anything").is_visible()


def test_who_has_only_the_provider_proves_there_to_be_there_and_the_act_goes_on(
    new_page: NewPage, live_server: Any, provider: IdentityProvider, hospital: Organisation
) -> None:
    page = enter(new_page(), live_server.url, login="ada")
    ada = person("ada")
    assert not ada.has_usable_password()
    let_the_sign_in_grow_old(ada)

    page.goto(f"{live_server.url}/accounts/security/")
    form = page.locator("#address form")
    form.get_by_label("New e-mail").fill("ada@hospital.example")
    form.get_by_role("button").click()
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    assert page.get_by_label("Password").count() == 0
    # Without having been there it does not go on.
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("You have not signed in there yet").wait_for()
    assert not EmailAddress.objects.filter(user=ada).exists()

    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in anew at Hospital account").click()
    there = opened.value
    assert there.url.startswith(provider.issuer)
    # The session there is open, and does not do: it asks again.
    sign_in_there(there, login="ada", consents=False)
    there.get_by_role("heading", name="Confirmed").wait_for()
    there.close()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/accounts/security/**")
    assert page.get_by_text("ada@hospital.example").first.is_visible()
    assert EmailAddress.objects.get(user=ada).email == "ada@hospital.example"
    with all_tenants():
        [confirmed] = Event.objects.filter(action="identity.confirmed", organisation=hospital)
    assert (confirmed.actor_id, confirmed.detail["method"]) == (ada.pk, "sign-on")


def test_somebody_else_s_sign_in_there_confirms_nothing_and_ends_the_session_of_before(
    new_page: NewPage, live_server: Any, provider: IdentityProvider
) -> None:
    """The provider signs the first person out, as one browser has one person there, and tells us so."""
    page = enter(new_page(), live_server.url, login="ada")
    let_the_sign_in_grow_old(person("ada"))
    page.goto(f"{live_server.url}/accounts/security/")
    form = page.locator("#address form")
    form.get_by_label("New e-mail").fill("ada@hospital.example")
    form.get_by_role("button").click()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in anew at Hospital account").click()
    sign_in_there(opened.value, login="grace")
    opened.value.get_by_text("This sign-in was not begun in this browser").wait_for()
    opened.value.close()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/accounts/sign-in/**")
    assert not EmailAddress.objects.exists() and not SocialAccount.objects.filter(uid="grace").exists()


def test_signing_out_at_the_provider_ends_that_session_here_and_no_other(
    new_page: NewPage, live_server: Any, provider: IdentityProvider, hospital: Organisation, issuer: str
) -> None:
    base = live_server.url
    desk, ward = enter(new_page(), base, login="ada"), enter(new_page(), base, login="ada")
    colleague = enter(new_page(), base, login="grace")
    desk.goto(f"{issuer}/session/end")
    desk.locator("button[value=yes]").click()
    desk.wait_for_url(f"{issuer}/session/end/success**")
    desk.goto(f"{base}/o/hospital/")
    assert "/accounts/sign-in/" in desk.url
    for page in (ward, colleague):
        page.goto(f"{base}/o/hospital/")
        assert page.url == f"{base}/o/hospital/"
    with all_tenants():
        [told] = Event.objects.filter(action="sign-on.signed-out", organisation=hospital)
    assert (told.target_id, told.detail["count"]) == (str(person("ada").pk), 1)


def test_signing_out_here_signs_out_there_which_says_so_in_vain(
    new_page: NewPage, live_server: Any, provider: IdentityProvider, hospital: Organisation, issuer: str
) -> None:
    """Both ways at once: our sign-out leads to the provider, and the provider tells us of a session that has ended."""
    base = live_server.url
    desk, ward = enter(new_page(), base, login="ada"), enter(new_page(), base, login="ada")
    desk.locator("form[action='/accounts/sign-out/']").first.evaluate("form => form.submit()")
    desk.wait_for_url(f"{issuer}/session/end**")
    desk.locator("button[value=yes]").click()
    desk.wait_for_url(f"{base}/accounts/sign-in/**")
    desk.goto(f"{base}/o/hospital/")
    desk.get_by_role("link", name="Hospital account").click()
    desk.locator("input[name=login]").wait_for()  # the session there is closed too
    ward.goto(f"{base}/o/hospital/")
    assert ward.url == f"{base}/o/hospital/"
    with all_tenants():
        assert not Event.objects.filter(action__in=("sign-on.signed-out", "sign-on.logout-refused")).exists()


def let_the_sign_in_grow_old(user: User) -> None:
    """A recent sign-in is a proof by itself; this one was long ago."""
    row = UserSession.objects.get(user=user)
    stored = Session.objects.get(session_key=row.session_key)
    store = SessionStore()
    stored.session_data = store.encode({**store.decode(stored.session_data), sessions.BEGUN: 0})
    stored.save()
    cache.delete(CACHE_PREFIX + row.session_key)
