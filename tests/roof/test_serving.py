"""How a request reaches Django from the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from pacsweb.serving.adapter import Adapter, environ_of


def scope(*, headers: list[tuple[bytes, bytes]], raw_path: bytes = b"/", method: str = "GET") -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": "", "raw_path": raw_path,
        "query_string": b"q=%20", "server": ("10.0.0.1", "8000"), "client": ("10.0.0.2", "4"), "headers": headers,
    }  # fmt: skip


def test_environment_is_what_wsgi_says() -> None:
    found = environ_of(
        scope(
            raw_path=b"/a%2Fb%C3%BC%E4%B8%AD/%FF",
            headers=[(b"host", b"h:99"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x-d", b"1"), (b"x-d", b"2")],
        )
    )
    assert found["PATH_INFO"].encode("latin-1") == "/a/bü中/".encode() + b"\xff"
    assert (found["HTTP_COOKIE"], found["HTTP_X_D"], found["HTTP_HOST"]) == ("a=1;b=2", "1,2", "h:99")
    assert (found["REMOTE_ADDR"], found["SERVER_NAME"], found["SERVER_PORT"]) == ("10.0.0.2", "10.0.0.1", "8000")
    assert (found["QUERY_STRING"], found["wsgi.url_scheme"]) == ("q=%20", "http")


def test_field_with_an_underscore_does_not_pass_for_the_one_with_a_hyphen() -> None:
    found = environ_of(scope(headers=[(b"x-forwarded-proto", b"http"), (b"x_forwarded_proto", b"https")]))
    assert found["HTTP_X_FORWARDED_PROTO"] == "http"


def test_large_answer_of_a_client_that_left_is_closed() -> None:
    closed: list[bool] = []

    class Endless:
        streaming = True

        def __iter__(self) -> Any:
            while True:
                yield bytes(1 << 20)

        def close(self) -> None:
            closed.append(True)

    def application(_environ: dict[str, Any], start_response: Any) -> Endless:
        start_response("200 OK", [])
        return Endless()

    async def serve() -> None:
        left = asyncio.Event()
        sent = 0

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            if sent > 8 << 20:
                left.set()

        adapter = Adapter(application, threads=1)  # type: ignore[arg-type]
        for _turn in range(3):  # a place that was not given back would hold the third up
            left.clear()
            sent = 0
            async with asyncio.timeout(20):
                await adapter(scope(headers=[]), receive, send)
        async with asyncio.timeout(20):
            while len(closed) < 3:
                await asyncio.sleep(0.01)

    asyncio.run(serve())
