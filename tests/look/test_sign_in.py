"""Signing in with keys instead of words, and the lock screen, in a real browser with a virtual authenticator."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from access.models import Organisation, User
from access.sign_in import policy
from tests.access.sign_in.steps import code_now
from tests.look.conftest import PASSWORD, Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]


def give_authenticator(visitor: Visitor) -> tuple[Any, str]:
    """A security key that checks its owner and stores passkeys."""
    debugger = visitor.page.context.new_cdp_session(visitor.page)
    debugger.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = debugger.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return debugger, made["authenticatorId"]


def add_passkey(visitor: Visitor) -> None:
    page = visitor.go("/accounts/security/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Reading room")
    page.get_by_role("button", name="Make the passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("rowheader", name="Reading room").wait_for()


def by_number(visitor: Visitor) -> None:
    visitor.base = visitor.base.replace("localhost", "127.0.0.1")


def test_a_passkey_signs_in_alone_and_as_second_factor(member: User, new_visitor: Any) -> None:
    visitor: Visitor = new_visitor().sign_in(member)
    page = visitor.page
    give_authenticator(visitor)
    add_passkey(visitor)
    row = Authenticator.objects.get(user=member, type="webauthn")
    assert row.last_used_at is None

    page.get_by_role("button", name="Account of").click()
    page.locator("#person-menu").get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/o/hospital/")
    row.refresh_from_db()
    assert row.last_used_at is not None

    page.context.clear_cookies()
    page = visitor.go("/accounts/sign-in/?next=/o/hospital/jobs/")
    page.get_by_label("User name").fill(member.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Second factor").wait_for()
    assert visitor.axe() == []
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/o/hospital/jobs/")


def test_a_passkey_of_another_site_or_a_removed_one_opens_nothing(member: User, new_visitor: Any) -> None:
    visitor: Visitor = new_visitor().sign_in(member)
    visitor.expects_refusal = True
    give_authenticator(visitor)
    add_passkey(visitor)
    Authenticator.objects.filter(user=member).delete()
    visitor.page.context.clear_cookies()
    page = visitor.go("/accounts/sign-in/")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("This passkey is not known here").wait_for()
    by_number(visitor)
    page = visitor.go("/accounts/sign-in/")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("Passkeys do not work at this address").wait_for()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_the_way_of_an_app_from_picture_to_codes(member: User, new_visitor: Any, scheme: str, width: int) -> None:
    visitor: Visitor = new_visitor(scheme=scheme, width=width).sign_in(member)
    page = visitor.go("/accounts/security/")
    assert visitor.axe() == []
    page.get_by_role("link", name="Set up an authenticator app").click()
    secret = page.locator(".command").first.inner_text().replace(" ", "").split("\n")[0]
    assert page.locator(".qr img").evaluate("image => image.naturalWidth") > 0
    assert visitor.axe() == []
    page.get_by_label("Code that the app shows").fill(code_now(secret))
    page.get_by_role("button", name="Turn on").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    assert visitor.axe() == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    text = download.value.path().read_text()
    assert member.username in text
    assert len([line for line in text.splitlines() if line.replace(" ", "").isdigit()]) == 10


def wait_until_open(page: Any) -> None:
    page.locator("html:not([data-locked])").wait_for(state="attached")


def lock_is_open(page: Any) -> bool:
    return bool(page.evaluate("!document.documentElement.hasAttribute('data-locked')"))


def test_all_tabs_lock_together_and_open_together(member: User, new_visitor: Any) -> None:
    visitor: Visitor = new_visitor().sign_in(member)
    visitor.expects_refusal = True
    first = visitor.page
    second = first.context.new_page()
    second.goto(visitor.base + "/accounts/profile/")
    second.locator("#id_display_name").fill("Half writ")
    first.bring_to_front()
    first.keyboard.press("Control+Alt+KeyL")
    for page in (first, second):
        page.get_by_role("heading", name="Locked").wait_for()
        assert not page.get_by_role("link", name="PACSWeb Home").is_visible()
    assert visitor.axe() == []
    second.keyboard.press("Escape")
    second.keyboard.press("Escape")
    second.wait_for_timeout(300)
    assert second.get_by_role("heading", name="Locked").is_visible()
    answer = first.evaluate("fetch('/o/hospital/', {keepalive: true}).then(r => r.status)")
    assert answer == 423
    first.get_by_label("Password").fill("wrong")
    first.get_by_role("button", name="Unlock", exact=True).click()
    first.get_by_text("This did not prove that it is you").wait_for()
    first.get_by_label("Password").fill(PASSWORD)
    first.get_by_role("button", name="Unlock", exact=True).click()
    wait_until_open(first)
    wait_until_open(second)
    assert second.locator("#id_display_name").input_value() == "Half writ"
    second.keyboard.type("ten")
    second.close(run_before_unload=False)


def test_time_locks_the_page_and_a_passkey_opens_it(member: User, hospital: Organisation, new_visitor: Any) -> None:
    policy.change(actor=None, organisation=hospital, idle_lock_minutes=1)
    visitor: Visitor = new_visitor().sign_in(member)
    visitor.expects_refusal = True
    give_authenticator(visitor)
    add_passkey(visitor)
    page = visitor.page
    page.clock.install()
    page.goto(visitor.base + "/o/hospital/")
    page.mouse.move(5, 5)
    page.clock.fast_forward(50_000)
    page.mouse.move(50, 50)
    page.clock.fast_forward(50_000)
    assert lock_is_open(page), "an active person is not locked out"
    page.clock.fast_forward(70_000)
    page.get_by_role("heading", name="Locked").wait_for()
    page.get_by_role("button", name="Unlock with a passkey").click()
    wait_until_open(page)
    assert page.evaluate("fetch('/o/hospital/').then(r => r.status)") == 200


def test_requests_wait_behind_the_lock_and_are_sent_after_it(member: User, new_visitor: Any) -> None:
    visitor: Visitor = new_visitor().sign_in(member)
    visitor.expects_refusal = True
    page = visitor.go("/o/hospital/")
    page.keyboard.press("Control+Alt+KeyL")
    page.get_by_role("heading", name="Locked").wait_for()
    page.evaluate("() => { fetch('/o/hospital/jobs/').then(r => { document.title = r.status }) }")
    time.sleep(0.5)
    before = page.title()
    assert before != "200"
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    wait_until_open(page)
    for _unused in range(100):
        if page.title() == "200":
            break
        time.sleep(0.1)
    assert page.title() == "200"


def test_a_lock_that_only_the_server_knows_of_covers_the_page(member: User, new_visitor: Any) -> None:
    visitor: Visitor = new_visitor().sign_in(member)
    visitor.expects_refusal = True
    page = visitor.go("/o/hospital/")
    other = page.context.request
    token = page.locator("#lock-screen input[name=csrfmiddlewaretoken]").first.input_value()
    other.post(
        visitor.base + "/accounts/lock/", form={"csrfmiddlewaretoken": token}, headers={"Sec-Fetch-Mode": "cors"}
    )
    page.evaluate("() => void fetch('/o/hospital/jobs/')")
    page.get_by_role("heading", name="Locked").wait_for()
    page.reload()
    page.get_by_role("heading", name="Locked").wait_for()
    assert visitor.axe() == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock", exact=True).click()
    page.wait_for_url("**/o/hospital/")


def test_a_session_that_ended_is_gone_on_with_after_a_new_sign_in(member: User, new_visitor: Any) -> None:
    visitor: Visitor = new_visitor().sign_in(member)
    visitor.expects_refusal = True
    page = visitor.go("/accounts/profile/")
    page.locator("#id_display_name").fill("Unsaved")
    page.context.clear_cookies()
    page.keyboard.press("Control+Alt+KeyL")
    page.get_by_text("The session has ended").wait_for()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in another tab").click()
    there = opened.value
    there.get_by_label("User name").fill(member.username)
    there.get_by_label("Password").fill(PASSWORD)
    there.get_by_role("button", name="Sign in").click()
    there.wait_for_url("**/o/hospital/")
    wait_until_open(page)
    assert page.locator("#id_display_name").input_value() == "Unsaved"
    page.get_by_role("button", name="Save profile").click()
    page.get_by_text("Your profile was saved").wait_for()
