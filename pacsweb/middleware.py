"""One log line a request: id, route, status, duration, and who by number. Never the address, never a value."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from pacsweb.logs import route_of

logger = structlog.get_logger("pacsweb.request")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestLogMiddleware:
    """Gives each request an id (sent back as X-Request-ID, on every log line until the answer) and logs its end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = _request_id(request)
        request.id = request_id  # type: ignore[attr-defined]
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            user = getattr(request, "user", None)
            organisation = getattr(request, "organisation", None)
            log = logger.warning if response.status_code >= 400 else logger.info
            log(
                "request",
                method=request.method,
                route=route_of(request=request),
                status=response.status_code,
                milliseconds=round((time.monotonic() - started) * 1000, 1),
                user_id=getattr(user, "pk", None),
                organisation_id=getattr(organisation, "pk", None),
            )
        response["X-Request-ID"] = request_id
        return response


def _request_id(request: HttpRequest) -> str:
    offered = request.headers.get("X-Request-ID", "") if settings.TRUSTED_PROXY else ""
    return offered if REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
