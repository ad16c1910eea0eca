"""A browser on the real page: a server over `tests.viewer.site`, Chromium, and a hand that knows where pixels are."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

PATIENCE = float(os.environ.get("VIEWER_TEST_PATIENCE", "40"))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="session")
def front_end() -> Iterator[None]:
    """The built front end; `VITE_OUT_DIR` names another build than the project's."""
    from django.conf import settings
    from django.test import override_settings
    from django_vite.core.asset_loader import DjangoViteAssetLoader

    built = Path(os.environ.get("VITE_OUT_DIR") or settings.STATICFILES_DIRS[0])
    manifest = built / ".vite" / "manifest.json"
    if not manifest.exists():
        pytest.fail("The front end is not built: run `npm run build` in static/ (make test does).")
    changes: dict[str, Any] = {
        "STATICFILES_DIRS": [built],
        "DJANGO_VITE": {"default": {"dev_mode": False, "manifest_path": manifest}},
        "WHITENOISE_USE_FINDERS": True,
        "WHITENOISE_AUTOREFRESH": True,
    }
    with override_settings(**changes):
        DjangoViteAssetLoader._instance = None
        yield
    DjangoViteAssetLoader._instance = None


@pytest.fixture(scope="session")
def viewer_address(front_end: None) -> Iterator[str]:
    """The test pages on a port of their own. They use no table, so no database is held open."""
    from django.core.handlers.wsgi import WSGIHandler

    class Site(WSGIHandler):
        def get_response(self, request: Any) -> Any:
            request.urlconf = "tests.viewer.site"
            return super().get_response(request)

    server = make_server("127.0.0.1", 0, Site(), _Server, _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Viewer:
    """The open page, spoken to in image pixels."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            self.problems.append(message.text)

    def open(self, name: str, *, ready: bool = True, query: str = "") -> Viewer:
        self.page.goto(f"{self.address}/page/{name}/{query}")
        if ready:
            self.wait(lambda: self.page.evaluate("document.getElementById('viewer').dataset.ready === 'true'"))
        return self

    def get(self, expression: str) -> Any:
        return self.page.evaluate(f"window.pacswebViewer.{expression}")

    def pane(self, index: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"panes[{index}]")
        return found

    @property
    def marks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("marks")
        return found

    def wait(self, condition: Callable[[], Any], *, within: float = PATIENCE, what: str = "") -> Any:
        """Poll from here: the page's policy forbids to evaluate strings inside it."""
        end = time.monotonic() + within
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"Not within {within:g} s: {what or condition}. Heard: {self.problems}")
            time.sleep(0.05)

    def at(self, column: float, row: float, pane: int = 0) -> tuple[float, float]:
        """Where an image pixel is on the page."""
        left, top, _width, _height = self.pane(pane)["box"]
        x, y = self.get(f"toScreen({pane}, [{column}, {row}])")
        return left + x, top + y

    def drag(self, *points: tuple[float, float], pane: int = 0, button: str = "left") -> None:
        places = [self.at(*point, pane=pane) for point in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down(button=button)
        for x, y in places[1:]:
            self.page.mouse.move(x, y, steps=6)
        self.page.mouse.up(button=button)

    def click(self, column: float, row: float, pane: int = 0) -> None:
        self.page.mouse.click(*self.at(column, row, pane=pane))

    def tool(self, name: str) -> None:
        self.page.click(f'.viewer-tools [data-tool="{name}"]')
        self.wait(lambda: self.get("tool") == name)

    def focus(self, pane: int = 0) -> None:
        self.page.focus(f".pane >> nth={pane}")

    def key(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    def value(self, name: str, mark: int = -1) -> float | None:
        marks = self.marks
        if not marks:
            return None
        return next((m["value"] for m in marks[mark]["measurements"] if m["name"] == name), None)

    def expect(self, name: str, value: Any, *, count: int | None = None) -> None:
        """The newest mark (the `count`-th) comes to measure this; values follow the drawing."""

        def holds() -> bool:
            return (count is None or len(self.marks) == count) and self.value(name) == value

        try:
            self.wait(holds)
        except AssertionError:
            raise AssertionError(f"{name} is {self.value(name)}, not {value}; marks: {self.marks}") from None


@pytest.fixture
def viewer(chromium: Any, viewer_address: str) -> Iterator[Viewer]:
    """A fresh browser profile at 1440 × 900; errors and policy violations of the page fail the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    found = Viewer(context.new_page(), viewer_address)
    yield found
    context.close()
    assert found.problems == []
