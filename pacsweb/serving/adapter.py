"""Django's WSGI application behind the event loop of an ASGI server.

Threads are few, so none of them waits for a client without a clock and a bound. Bodies up to 1 MB are read before a thread
is taken; larger ones are streamed by threads of their own number (`uploads`). Answers up to 4 MB are made whole and sent
without a thread; a thread that makes a larger one moves from the pages' places to the `downloads`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog

from pacsweb.serving.answers import Head, Send, Streamed, Whole, plain
from pacsweb.serving.bodies import ClientGone, Receive, StreamedBody, taken_in
from pacsweb.serving.clocks import Clock, Pace, TooSlow

logger = structlog.get_logger("pacsweb.serving")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SMALL_BODY = Pace(silence_seconds=20, least_rate=1024)
LARGE_BODY = Pace(silence_seconds=20, least_rate=16 * 1024)
ANSWER = Pace(silence_seconds=30, least_rate=16 * 1024)

WHOLE_BYTES = 4 * 1024 * 1024
# What whole answers over a megabyte may take together in one process while they are sent.
HELD_BYTES = 256 * 1024 * 1024
LARGE_BYTES = 1024 * 1024

UPLOAD_WAIT_SECONDS = 30.0
DOWNLOAD_WAIT_SECONDS = 5.0
RETRY_AFTER = ("Retry-After", "10")
CLOSE = ("Connection", "close")


class Place:
    """The right to run in a thread: one of the pages' places, the uploads' or the downloads'. For the loop."""

    def __init__(self) -> None:
        self._held: asyncio.Semaphore | None = None

    async def take(self, places: asyncio.Semaphore) -> None:
        """Wait for one of `places`, then leave the one that was held."""
        await places.acquire()
        self.leave()
        self._held = places

    def leave(self) -> None:
        if self._held is not None:
            self._held.release()
            self._held = None


class Adapter:
    """An ASGI application around a WSGI one. `threads`: how many requests of the usual kind run at a time."""

    def __init__(self, application: Application, *, threads: int) -> None:
        self._application = application
        uploads, downloads = max(1, threads // 2), threads
        self._pages = asyncio.Semaphore(threads)
        self._uploads = asyncio.Semaphore(uploads)
        self._downloads = asyncio.Semaphore(downloads)
        self._most_waiting = max(1, threads // 2)
        self._waiting = 0
        self._held = 0
        self._threads = ThreadPoolExecutor(threads + uploads + downloads, thread_name_prefix="web")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # In a task of asyncio's own: timeouts cancel the current task, and the server's are not always such.
        await asyncio.get_running_loop().create_task(self._serve(scope, receive, send))

    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        environ = environ_of(scope)
        try:
            environ["wsgi.input"], stream = await taken_in(
                receive=receive, headers=environ, http_version=scope["http_version"], small=SMALL_BODY, large=LARGE_BODY
            )
        except ClientGone:
            return
        except TooSlow:
            logger.warning("request_too_slow", method=environ["REQUEST_METHOD"])
            await _say(_too_slow(), send=send)
            return
        with contextlib.suppress(TooSlow):
            await self._answer(environ, receive, send, stream=stream)

    async def _answer(
        self, environ: dict[str, Any], receive: Receive, send: Send, *, stream: StreamedBody | None
    ) -> None:
        place = Place()
        try:
            if stream is None:
                await place.take(self._pages)
            else:
                async with asyncio.timeout(UPLOAD_WAIT_SECONDS):
                    await place.take(self._uploads)
        except TimeoutError:
            await _say(_busy("Too many large uploads at the moment. Try again later."), send=send)
            return
        filling = None if stream is None else asyncio.create_task(stream.fill())
        loop = asyncio.get_running_loop()
        answer = Streamed(loop=loop)
        opened: asyncio.Future[Head] = loop.create_future()
        making = loop.run_in_executor(self._threads, self._make, environ, answer, loop, place, opened)
        making.add_done_callback(lambda _made: place.leave())
        try:
            both: set[asyncio.Future[Any]] = {making, opened}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if opened.done():
                await self._pass_on(
                    opened.result(), answer, receive, send, is_taken_in=stream is None or stream.is_complete
                )
                return
        finally:
            answer.stop()
            if filling is not None:
                filling.cancel()
        whole = making.result()
        if stream is not None and stream.is_too_slow:
            logger.warning("request_too_slow", method=environ["REQUEST_METHOD"])
            whole = _too_slow()
        await self._send_whole(whole, send=send)

    async def _send_whole(self, whole: Whole, *, send: Send) -> None:
        size = len(whole.body)
        if size <= LARGE_BYTES:
            await whole.send(send=send, clock=Clock(ANSWER))
            return
        if self._held and self._held + size > HELD_BYTES:
            await _say(_busy("Too many large downloads at the moment. Try again later."), send=send)
            return
        self._held += size
        try:
            await whole.send(send=send, clock=Clock(ANSWER))
        finally:
            self._held -= size

    async def _pass_on(self, head: Head, answer: Streamed, receive: Receive, send: Send, *, is_taken_in: bool) -> None:
        """Send what the thread makes, until its end or until the client is gone or too slow."""
        watching = asyncio.create_task(_gone(receive, answer)) if is_taken_in else None
        try:
            await send(head.message())
            await answer.send(send=send, clock=Clock(ANSWER))
        except TooSlow:
            logger.warning("reader_too_slow")
            raise
        finally:
            if watching is not None:
                watching.cancel()

    async def _move_to_downloads(self, place: Place) -> bool:
        """Whether one of the downloads' places is free, or soon: few may wait, as they still hold a page's."""
        if self._downloads.locked() and self._waiting >= self._most_waiting:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(DOWNLOAD_WAIT_SECONDS):
                await place.take(self._downloads)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    def _make(
        self,
        environ: dict[str, Any],
        answer: Streamed,
        loop: asyncio.AbstractEventLoop,
        place: Place,
        opened: asyncio.Future[Head],
    ) -> Whole:
        """Run the application in this thread. A large answer goes through `answer`, and what is returned has no use."""
        try:
            return self._made(environ, answer, loop, place, opened)
        except Exception:
            # Django answers its own errors; what comes here is a body that failed while it was made.
            logger.exception("answer_failed", method=environ["REQUEST_METHOD"])
            answer.finish(is_whole=False)
            return plain(status=500, text="The server could not answer this request.\n")

    def _made(
        self,
        environ: dict[str, Any],
        answer: Streamed,
        loop: asyncio.AbstractEventLoop,
        place: Place,
        opened: asyncio.Future[Head],
    ) -> Whole:
        heads: list[Head] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            heads[:] = [Head(status=int(status.split(" ", 1)[0]), headers=headers)]

        response = self._application(environ, start_response)
        try:
            (head,) = heads
            if environ["REQUEST_METHOD"] == "HEAD":
                return Whole(head=head, body=b"", is_without_body=True)
            pieces = iter(response)
            first: list[bytes] = []
            size = 0
            for piece in pieces:
                first.append(piece)
                size += len(piece)
                if size > WHOLE_BYTES and getattr(response, "streaming", True):
                    break
            else:
                return Whole(head=head, body=b"".join(first))
            if not asyncio.run_coroutine_threadsafe(self._move_to_downloads(place), loop).result():
                return _busy("Too many large downloads at the moment. Try again later.")
            loop.call_soon_threadsafe(opened.set_result, head)
            while first:
                answer.push(first.pop(0))
            for piece in pieces:
                if not answer.push(piece):
                    break
            answer.finish(is_whole=True)
            return Whole(head=head, body=b"")
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()


async def _gone(receive: Receive, answer: Streamed) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    answer.stop()


async def _say(whole: Whole, *, send: Send) -> None:
    with contextlib.suppress(TooSlow):
        await whole.send(send=send, clock=Clock(ANSWER))


def _too_slow() -> Whole:
    return plain(status=408, text="The request came too slowly.\n", headers=[CLOSE])


def _busy(text: str) -> Whole:
    return plain(status=503, text=f"{text}\n", headers=[RETRY_AFTER, CLOSE])


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """What WSGI calls the request (PEP 3333), without its body.

    Fields with an underscore are left out: they would pass for the field with a hyphen, which a proxy sets or removes.
    """
    path = unquote_to_bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    host, port = scope.get("server") or ("127.0.0.1", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key in environ:
            value = f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','}{value}"
        environ[key] = value
    return environ
