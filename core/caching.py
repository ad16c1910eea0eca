"""What a browser, or anything on the way to it, may keep: nothing that was answered to a person, but pictures.

Everything else names patients, people or answers; on a shared computer it must not be found again after signing out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]
Response = TypeVar("Response", bound=HttpResponseBase)

NO_STORE = "private, no-store"
MARK = "is_picture"
# Where people sign in and out: nobody is signed in before, or after, and still it is about somebody.
ACCOUNTS = "/accounts/"


def as_picture(response: Response) -> Response:
    """Let the view's own `Cache-Control` stand: the body is pixels, or a static file."""
    setattr(response, MARK, True)
    return response


class NoStoreMiddleware:
    """`Cache-Control: no-store` on each answer to a signed-in person, token or guest, unless it is a picture."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if getattr(response, MARK, False):
            return response
        is_somebody = request.user.is_authenticated or getattr(request, "guest", None) is not None
        is_said = "no-store" in response.headers.get("Cache-Control", "")
        if not is_said and (is_somebody or request.path_info.startswith(ACCOUNTS)):
            response["Cache-Control"] = NO_STORE
        return response
