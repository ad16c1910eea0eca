"""A whole PACSWeb with its demo content, and people at browsers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from playwright.sync_api import Browser, Page, Response

from tests.roof.trees import Tree

PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class System:
    tree: Tree

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.tree.environment['PACSWEB_HTTP_PORT']}"

    @property
    def dicom_port(self) -> int:
        return int(self.tree.environment["PACSWEB_DICOM_PORT"])

    @cached_property
    def passwords(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.tree.data / "demo-accounts.json").read_text(encoding="utf-8"))
        return found


def wait_for(condition: Callable[[], Any], *, what: str, patience_seconds: float = PATIENCE_SECONDS) -> Any:
    """Poll from here: the pages' policy forbids to evaluate strings inside them."""
    deadline = time.monotonic() + patience_seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {patience_seconds:g} s for {what}"
        time.sleep(0.2)


@dataclass
class Person:
    """Somebody signed in at a browser of their own; what the browser complains about is kept."""

    username: str
    system: System
    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, browser: Browser, *, system: System, username: str) -> Person:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=system.http)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        person = cls(username=username, system=system, page=context.new_page())
        person.page.on("pageerror", lambda error: person.complaints.append(str(error)))
        person.page.on("console", person._hear)
        person.page.goto("/accounts/sign-in/")
        person.page.fill("[name=username]", username)
        person.page.fill("[name=password]", system.passwords[username])
        person.page.keyboard.press("Enter")
        person.page.wait_for_url(lambda url: "sign-in" not in url)
        return person

    def _hear(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> Response:
        answer = self.page.goto(path)
        assert answer is not None
        return answer

    def get(self, path: str) -> Any:
        """What this person's session gets from an address, without a page."""
        return self.page.request.get(path)

    def viewer(self, expression: str) -> Any:
        return self.page.evaluate(f"window.pacswebViewer.{expression}")

    def wait_for_image(self) -> None:
        self.page.wait_for_selector("#viewer[data-ready=true]")
        wait_for(lambda: self.viewer("panes[0].drawn") >= 0, what="the first image")

    def show(self, *, sop_instance_uid: str) -> None:
        """Scroll to an image with the keyboard, as a reader does."""
        self.page.focus(".pane >> nth=0")
        self.page.keyboard.press("Home")
        for _step in range(self.viewer("panes[0].count")):
            if wait_for(lambda: self.viewer("panes[0].sop"), what="an image") == sop_instance_uid:
                break
            self.step()
        assert self.viewer("panes[0].sop") == sop_instance_uid
        wait_for(lambda: self.viewer("panes[0].drawn") == self.viewer("panes[0].index"), what="the image on screen")

    def step(self) -> None:
        """One image further."""
        before = self.viewer("panes[0].index")
        self.page.keyboard.press("ArrowDown")
        wait_for(lambda: self.viewer("panes[0].index") != before, what="the next image")

    def outline(self, *, centre: tuple[float, float], radius: float) -> None:
        """Draw an ellipse around a place given in image pixels, with the tool that is chosen."""
        left, top, _width, _height = self.viewer("panes[0].box")
        before = len(self.viewer("marks"))
        places = []
        for column, row in (centre, (centre[0] + radius, centre[1] + radius)):
            x, y = self.viewer(f"toScreen(0, [{column}, {row}])")
            places.append((left + x, top + y))
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=8)
        self.page.mouse.up()
        wait_for(lambda: len(self.viewer("marks")) == before + 1, what="the mark")
