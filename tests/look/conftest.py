"""A real browser against a real server: pages are tried as people use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page

from access import services
from access.models import Organisation, User
from tests.access.factories import make_member, make_organisation, make_user

PASSWORD = "correct horse battery staple"
AXE = Path(settings.BASE_DIR) / "static" / "node_modules" / "axe-core" / "axe.min.js"


@dataclass
class Visitor:
    """One person at one browser; keeps every complaint of the browser."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    expects_refusal: bool = False

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def sign_in(self, user: User, *, password: str = PASSWORD) -> Visitor:
        self.go("/accounts/sign-in/")
        self.page.get_by_label("User name").fill(user.username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/accounts/" not in url)
        return self

    def axe(self) -> list[str]:
        """Accessibility violations of the page as it stands (WCAG 2.2 A and AA, and best practice)."""
        # Through the debugger, as the page's own policy forbids foreign scripts.
        session = self.page.context.new_cdp_session(self.page)
        session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
        found: dict[str, Any] = self.page.evaluate(
            "async () => await window.axe.run(document, {resultTypes: ['violations']})"
        )
        return [
            f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]


def _watch(visitor: Visitor) -> None:
    visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))

    def hear(message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        if visitor.expects_refusal and "Failed to load resource" in message.text:
            return
        # htmx reports a search that was overtaken by the next letter.
        if message.text.startswith(("htmx:sendAbort", "htmx:afterRequest")):
            return
        visitor.complaints.append(message.text)

    visitor.page.on("console", hear)


@pytest.fixture
def new_visitor(chromium: Browser, live_server: Any) -> Iterator[Any]:
    """Make visitors; at the end none of them may have met a script error or a breach of the content policy."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def make(*, scheme: str = "light", width: int = 1440) -> Visitor:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            locale="en-GB",
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        visitor = Visitor(page=context.new_page(), base=live_server.url)
        _watch(visitor)
        visitors.append(visitor)
        return visitor

    yield make
    for context in contexts:
        context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


@pytest.fixture
def hospital(transactional_db: None) -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    user = make_user("admin@hospital", password=PASSWORD)
    services.add_member(actor=None, organisation=hospital, user=user, roles=("administrator",))
    return user


@pytest.fixture
def member(hospital: Organisation) -> User:
    return make_member(hospital, username="member@hospital")


@pytest.fixture
def stranger(transactional_db: None) -> User:
    """Administrator of another organisation with a person of its own."""
    elsewhere = make_organisation("elsewhere")
    user = make_user("admin@elsewhere", password=PASSWORD)
    services.add_member(actor=None, organisation=elsewhere, user=user, roles=("administrator",))
    make_member(elsewhere, username="hidden@elsewhere")
    return user
