"""Turns the project's errors into answers, the same way for every door."""

from __future__ import annotations

import sys
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.defaults import server_error

from core import chosen, disks
from core.errors import DiskFull, Invalid, NothingChosen, PacswebError, RetriableError

logger = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]
MACHINE_PREFIXES = ("/api/",)


class ErrorMiddleware:
    """A `PacswebError` that leaves a view becomes a page for people, or a problem document for programs."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if disks.is_full(exception) and not isinstance(exception, PacswebError):
            logger.error("disk_full", error=type(exception).__name__)
            return disk_full(request)
        if not isinstance(exception, PacswebError):
            return None
        as_json = wants_json(request)
        if isinstance(exception, NothingChosen) and not as_json:
            return chosen.lead_back(request, exception)
        return refusal(request, exception, as_json=as_json)


def refusal(request: HttpRequest, error: PacswebError, *, as_json: bool) -> HttpResponse:
    """The answer to a refused request, for people or for programs."""
    logger.info("request_refused", code=error.code, status=error.status_code)
    if as_json:
        return with_retry_after(JsonResponse(problem(error), status=error.status_code), error)
    template = {403: "403.html", 404: "404.html"}.get(error.status_code, "errors/refused.html")
    if getattr(request, "guest", None) is not None:
        # Somebody who was let in to one thing is told without the shell around it: its places are not theirs.
        template = "errors/refused.html"
    return with_retry_after(render(request, template, {"error": error}, status=error.status_code), error)


def retry_after(error: PacswebError) -> dict[str, str]:
    """The header that says when to come back, where that is known (RFC 9110 10.2.3)."""
    seconds = error.retry_after_seconds if isinstance(error, RetriableError) else 0
    return {"Retry-After": str(seconds)} if seconds else {}


def with_retry_after(answer: HttpResponse, error: PacswebError) -> HttpResponse:
    """The answer to an error with that header."""
    for name, value in retry_after(error).items():
        answer[name] = value
    return answer


def failed(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: also what fails before a view is reached, such as asking for the session."""
    error = sys.exc_info()[1]
    if disks.is_full(error):
        return disk_full(request)
    if disks.is_away(error):
        return _without_services(request, RetriableError(), title=_("A part of the system does not answer"))
    return server_error(request)


def disk_full(request: HttpRequest) -> HttpResponse:
    """The answer where nothing can be written."""
    return _without_services(request, DiskFull(), title=_("The disk is full"))


def _without_services(request: HttpRequest, error: PacswebError, *, title: str) -> HttpResponse:
    """A page that asks neither the database nor the cache."""
    answer: HttpResponse
    if wants_json(request):
        answer = JsonResponse(problem(error), status=error.status_code)
    else:
        answer = render(None, "unavailable.html", {"error": error, "title": title}, status=error.status_code)
    answer["Retry-After"] = "30"
    answer["Cache-Control"] = "no-store"
    return answer


def wants_json(request: HttpRequest) -> bool:
    if request.path_info.startswith(MACHINE_PREFIXES) or "/dicomweb/" in request.path_info:
        return True
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "application/json"


def problem(error: PacswebError) -> dict[str, object]:
    """The error as RFC 9457 problem details."""
    document: dict[str, object] = {"status": error.status_code, "code": error.code, "detail": str(error.message)}
    if isinstance(error, Invalid) and error.fields:
        document["fields"] = error.fields
    return document
