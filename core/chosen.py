"""What was ticked in a list, for acts on several rows at once."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from core.errors import Invalid, Message, NothingChosen


def chosen(
    request: HttpRequest, *, nothing: Message, back: str, limit: int, too_many: Message, name: str = "selected"
) -> list[str]:
    """The keys that were ticked, each once, in the order of the form.

    Raises `NothingChosen` with the sentence `nothing` and the way to the list, `back`; `Invalid` with `too_many` above
    `limit`.
    """
    keys = list(dict.fromkeys(request.POST.getlist(name)))
    if not keys:
        raise NothingChosen(nothing, back=back)
    if len(keys) > limit:
        raise Invalid(too_many)
    return keys


def lead_back(request: HttpRequest, error: NothingChosen) -> HttpResponse:
    """The list again, as it was filtered and sorted, with the sentence."""
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=error.status_code)
        response["HX-Trigger"] = json.dumps({"toast": {"message": str(error.message), "tone": "fail"}})
        return response
    messages.error(request, str(error.message))
    return redirect(_as_it_was(request, back=error.back))


def _as_it_was(request: HttpRequest, *, back: str) -> str:
    """The list with the filters and the order of the page that sent the form, if that page was this list."""
    came_from = request.headers.get("Referer", "")
    parts = urlsplit(came_from)
    is_ours = url_has_allowed_host_and_scheme(
        came_from, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return f"{back}?{parts.query}" if is_ours and parts.query and parts.path == back else back
