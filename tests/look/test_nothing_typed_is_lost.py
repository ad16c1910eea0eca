"""What a person types outlives a reload, a lost connection and the end of the session, in every form of every page.

The forms are found by walking the routes with the people of a hospital; none is listed here.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Error, Page

from access.models import User
from core.tenancy import tenant
from practice.models import Attempt
from teaching import services as teaching
from tests.archive.factories import make_archive, make_file
from tests.look.conftest import PASSWORD, Visitor
from tests.matrix.walk import address, ask, routes
from tests.matrix.world import World, make_world
from tests.practice.test_browser import images_are_there
from tests.teaching.factories import House, make_house, publish

pytestmark = pytest.mark.e2e

#: In this order: whoever first gets a page tries its forms.
WHO = ("administrator", "manager", "educator", "coordinator", "site_staff", "library_learner", "officer")
FORM = re.compile(rb"""<form\b[^>]*(?:method="post"|hx-post=)""", re.IGNORECASE)
TYPED = "Typed words"

#: The forms of a page in which something is typed, but for those with secrets and those that save themselves.
FORMS = """() => [...document.forms].map((form, index) => ({form, index})).filter(({form}) =>
    (form.getAttribute('method')?.toLowerCase() === 'post' || form.hasAttribute('hx-post'))
    && !form.closest('#lock-screen') && !form.dataset.autosave && !form.dataset.draftUrl
    && !form.querySelector('input[type=password], [autocomplete=one-time-code]')
    && window.typedControl(form)).map(({index}) => index)"""
HELP = """
window.typedControl = (form) => [...form.elements].find((control) =>
    control.name && !control.disabled && !control.readOnly && control.dataset.confirmName === undefined
    && (control.matches('textarea, select') || ['text', 'email', 'url', 'number', 'date', 'datetime-local', 'time', 'tel']
        .includes(control.type) && control.tagName === 'INPUT')
    && (control.tagName !== 'SELECT' || control.options.length > 1));
"""
TYPE = """([index, words]) => {
    const control = window.typedControl(document.forms[index]);
    const of = {number: '7', date: '2031-02-03', 'datetime-local': '2031-02-03T10:00', time: '10:00',
        email: 'typed@example.org', url: 'https://typed.example/'};
    if (control.tagName === 'SELECT') control.selectedIndex = [...control.options].findIndex((o) => !o.selected);
    else control.value = of[control.type] ?? words;
    for (const kind of ['input', 'change'])
        if (kind === 'input' || !control.hasAttribute('data-submit-on-change'))
            control.dispatchEvent(new Event(kind, {bubbles: true}));
    return control.value;
}"""
VALUE = "(index) => window.typedControl(document.forms[index])?.value"
SUBMIT = """(index) => {
    const form = document.forms[index];
    form.noValidate = true;
    form.requestSubmit([...form.elements].find((one) => one.type === 'submit' && !one.disabled) ?? null);
}"""
KEPT = "Object.keys(localStorage).filter((name) => name.startsWith('pacsweb-text:'))"


class Network:
    """What the page sends; forms are not carried out, so that none changes what the next one finds."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.is_away = False
        self.posts: list[str] = []
        page.route("**/*", self._handle)

    def _handle(self, route: Any) -> None:
        request = route.request
        if self.is_away:
            route.abort("internetdisconnected")
        elif request.method == "GET" or request.url.endswith(("/accounts/session/", "/accounts/lock/")):
            route.continue_()
        else:
            self.posts.append((request.post_data_buffer or b"").decode(errors="replace"))
            route.fulfill(status=204)

    def leave(self) -> None:
        self.is_away = True

    def come_back(self) -> None:
        self.is_away = False
        self.page.evaluate("window.dispatchEvent(new Event('online'))")


def until(condition: Callable[[], Any], *, what: str, patience: float = 20) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"Not within {patience:g} s: {what}"
        time.sleep(0.05)


def pages_with_forms(world: World) -> dict[str, list[tuple[str, str]]]:
    """Role → (route, address) of the pages that hold a form, each for the first of `WHO` who gets it."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    clients = {role: Client(raise_request_exception=False) for role in WHO}
    for role, client in clients.items():
        client.force_login(world.people[role])
    for route, arguments in routes():
        if re.match(r"dicomweb:|[^:]*-api:|schema|access:(sign|reset|own|second|choose|lock|unlock)", route):
            continue
        if arguments and "organisation" not in arguments:
            continue
        place = address(route=route, arguments=arguments, world=world) if arguments else reverse(route)
        for role, client in clients.items():
            status, body = ask(client, "get", place)
            if status == 200 and b"<html" in body:
                if FORM.search(body):
                    found[role].append((route, place))
                break
    return found


def sign_out_behind(page: Page) -> list[Any]:
    """The session is over, and the page does not know; what it was comes back."""
    cookies = page.context.cookies()
    page.context.clear_cookies()
    return cookies


def try_form(page: Page, network: Network, place: str, index: int) -> str:
    """What is wrong with a form of a page; empty when nothing is lost."""
    step, cookies = "typing", page.context.cookies()
    try:
        page.goto(place)
        words = page.evaluate(TYPE, [index, TYPED])
        until(lambda: page.evaluate(KEPT), what="it is kept", patience=8)
        if TYPED in page.evaluate("JSON.stringify(localStorage)"):
            return "kept in clear"
        step = "a reload"
        page.reload()
        until(lambda: page.evaluate(VALUE, index) == words, what="it is filled in again", patience=8)
        step = "a lost connection"
        network.leave()
        page.evaluate(SUBMIT, index)
        accept(page)
        # In the form itself, which may stand in a dialog that nobody has opened here.
        page.get_by_text("Not sent: no connection.").first.wait_for(state="attached")
        assert page.evaluate(VALUE, index) == words
        step = "the end of the session"
        sign_out_behind(page)
        network.come_back()
        accept(page)
        page.get_by_role("heading", name="You are signed out").wait_for()
        assert page.evaluate(VALUE, index) == words
        assert network.posts == []
        step = "signing in again"
        page.context.add_cookies(cookies)
        page.get_by_role("button", name="Go on here").click()
        page.locator("#lock-screen").wait_for(state="hidden")
        accept(page)
        until(lambda: page.evaluate("1") and network.posts, what="the form is sent", patience=8)
        sent = " ".join(network.posts)
        return (
            ""
            if words in sent or words.replace(" ", "+") in sent or _quoted(words) in sent
            else f"sent without {words!r}"
        )
    except (Error, AssertionError) as error:
        return f"{step}: {str(error).splitlines()[0]}"
    finally:
        network.is_away = False
        network.posts.clear()
        page.context.add_cookies(cookies)
        page.goto(place)
        page.evaluate("localStorage.clear()")


def _quoted(words: str) -> str:
    from urllib.parse import quote_plus

    return quote_plus(words)


def forget_the_connection(visitor: Visitor) -> None:
    """htmx tells the console of each request that did not get through."""
    visitor.complaints[:] = [one for one in visitor.complaints if not one.startswith("htmx:sendError")]


def accept(page: Page) -> None:
    """Say yes where the page asks whether it should."""
    page.wait_for_timeout(150)
    button = page.locator("#confirm-dialog[open] [data-confirm-accept]")
    if button.count():
        button.click()


@pytest.mark.xfail(
    strict=True,
    reason="Forms that need more than words: a passkey, a share's code, history and reasons of the case editor, "
    "making a case, and a subject's dialogs do not keep what was typed, or send it twice.",
)
def test_every_form_keeps_what_was_typed_until_it_is_sent(transactional_db: None, new_visitor: Any) -> None:
    world = make_world(slug="north", word="Northwood")
    wrong: dict[str, str] = {}
    tried: list[str] = []
    for role, pages in pages_with_forms(world).items():
        visitor: Visitor = new_visitor().sign_in(world.people[role])
        visitor.expects_refusal = True
        page = visitor.page
        page.set_default_timeout(8000)
        page.on("dialog", lambda dialog: dialog.accept())
        page.add_init_script(HELP)
        network = Network(page)
        for route, place in pages:
            page.goto(visitor.base + place)
            for index in page.evaluate(FORMS):
                name = f"{route} as {role}, form {index}"
                # A form that a list repeats for each row, or that several pages hold, is tried once.
                key = page.evaluate(
                    "(i) => (document.forms[i].getAttribute('action') ?? document.forms[i].getAttribute('hx-post')"
                    " ?? location.pathname).replace(/[0-9a-zA-Z-]{10,}|[0-9]+/g, '*')",
                    index,
                )
                if key in tried:
                    continue
                tried.append(key)
                problem = try_form(page, network, visitor.base + place, index)
                if problem:
                    wrong[name] = problem
                page.goto(visitor.base + place)
        visitor.complaints.clear()
        page.unroute("**/*")
    assert not wrong, "\n".join(f"{name}: {problem}" for name, problem in wrong.items())
    assert len(tried) > 20, tried


def test_kept_words_end_with_signing_out(transactional_db: None, new_visitor: Any) -> None:
    house = make_house()
    visitor: Visitor = new_visitor().sign_in(house.administrator)
    page = visitor.go("/accounts/profile/")

    def typed() -> None:
        page.goto(visitor.base + "/accounts/profile/")
        page.locator("#id_display_name").fill("Not sent")
        until(lambda: page.evaluate(KEPT), what="it is kept")

    typed()
    page.on("dialog", lambda dialog: dialog.accept())
    page.evaluate("document.querySelector('form[action$=\"/accounts/sign-out/\"]').requestSubmit()")
    page.wait_for_url("**/accounts/sign-in/**")
    assert page.evaluate(KEPT) == []
    visitor.sign_in(house.administrator)
    typed()
    page.context.clear_cookies()
    visitor.sign_in(house.educator)
    assert page.evaluate(KEPT) == []


def test_the_page_goes_on_by_itself_after_signing_in_in_another_tab(transactional_db: None, new_visitor: Any) -> None:
    house = make_house()
    visitor: Visitor = new_visitor().sign_in(house.administrator)
    visitor.expects_refusal = True
    page = visitor.go("/accounts/profile/")
    page.locator("#id_display_name").fill("Sent by itself")
    page.context.clear_cookies()
    page.get_by_role("button", name="Save profile").click()
    page.get_by_role("heading", name="You are signed out").wait_for()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in another tab").click()
    there = opened.value
    there.get_by_label("User name").fill(house.administrator.username)
    there.get_by_label("Password").fill(PASSWORD)
    there.get_by_role("button", name="Sign in").click()
    page.get_by_text("Your profile was saved").wait_for()
    assert User.objects.get(pk=house.administrator.pk).display_name == "Sent by itself"


def test_the_case_editor_sends_what_was_typed_without_a_connection_or_a_session(
    transactional_db: None, new_visitor: Any
) -> None:
    house = make_house()
    with tenant(house.organisation):
        case = teaching.create_case(actor=house.educator, library=house.library, title="Kept")
    visitor: Visitor = new_visitor().sign_in(house.educator)
    visitor.expects_refusal = True
    page = visitor.go(f"/o/{house.organisation.slug}/teaching/cases/{case.public_id}/")
    page.context.set_offline(True)
    page.get_by_role("textbox", name="Findings").fill("Typed without a connection")
    page.get_by_text("Not saved yet: no connection.").wait_for()
    assert page.get_by_text("All changes saved").count() == 0
    page.on("dialog", lambda dialog: dialog.accept())
    page.context.set_offline(False)
    page.get_by_text("All changes saved").wait_for()
    cookies = sign_out_behind(page)
    page.get_by_role("textbox", name="Findings").fill("Typed without a session")
    page.get_by_role("heading", name="You are signed out").wait_for()
    assert page.get_by_text("All changes saved").count() == 0
    # The page is left before anybody has signed in again.
    page.goto("about:blank")
    page.context.add_cookies(cookies)
    page = visitor.go(f"/o/{house.organisation.slug}/teaching/cases/{case.public_id}/")
    until(lambda: page.get_by_text("All changes saved").count(), what="the kept text is stored")
    assert page.get_by_role("textbox", name="Findings").input_value() == "Typed without a session"
    with tenant(house.organisation):
        assert case.sections.get(kind="findings").body == "Typed without a session"
    forget_the_connection(visitor)


def test_the_answers_of_a_read_are_sent_as_soon_as_they_can_be(transactional_db: None, new_visitor: Any) -> None:
    house: House = make_house()
    version = publish(house)
    visitor: Visitor = new_visitor().sign_in(house.learner)
    visitor.expects_refusal = True
    page = visitor.go(f"/o/{house.organisation.slug}/practice/")
    page.get_by_role("button", name="Read the next case").click()
    page.wait_for_url("**/practice/reads/*/")
    images_are_there(page)
    network = Network(page)
    network.leave()
    page.get_by_text("A benign plexus lesion").click()
    page.get_by_text("Not saved yet: no connection.").wait_for()
    assert page.get_by_text("Answers saved").count() == 0
    page.unroute("**/*")
    cookies = sign_out_behind(page)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.get_by_role("heading", name="You are signed out").wait_for()
    page.context.add_cookies(cookies)
    page.get_by_role("button", name="Go on here").click()
    page.get_by_text("Answers saved").wait_for()
    with tenant(house.organisation):
        assert Attempt.objects.get(version=version).draft
    page.goto("about:blank")
    page.wait_for_timeout(1500)
    forget_the_connection(visitor)


def test_an_upload_that_begins_without_a_connection_keeps_its_files(
    transactional_db: None, new_visitor: Any, hospital: Any, administrator: User, tmp_path: Path
) -> None:
    make_archive(hospital, actor=administrator, slug="clinical", name="Clinical")
    (tmp_path / "one.dcm").write_bytes(make_file(PatientName="Kept^File"))
    visitor: Visitor = new_visitor().sign_in(administrator)
    visitor.expects_refusal = True
    page = visitor.go("/o/hospital/archive/clinical/upload/")
    page.context.set_offline(True)
    page.set_input_files("[data-drop] [data-pick]:not([webkitdirectory])", str(tmp_path / "one.dcm"))
    page.get_by_text("No connection. Trying again").wait_for()
    again = page.get_by_role("button", name="Try again", exact=True)
    again.click()
    page.get_by_text("No connection. Trying again").wait_for()
    cookies = sign_out_behind(page)
    page.context.set_offline(False)
    page.get_by_role("heading", name="You are signed out").wait_for()
    page.context.add_cookies(cookies)
    page.get_by_role("button", name="Go on here").click()
    until(lambda: page.locator('[data-count="stored"]').text_content() == "1", what="the file is stored")
    forget_the_connection(visitor)
