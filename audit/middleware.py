"""What was refused is part of the trail."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from access.errors import ProofNeeded
from audit import services

GetResponse = Callable[[HttpRequest], HttpResponse]


class RefusalMiddleware:
    """Records each request that a signed-in member was refused for lack of a right.

    A question is no refusal: who is asked to confirm who they are, or to set up a second factor, may go on.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        organisation = getattr(request, "organisation", None)
        if (
            response.status_code == 403
            and organisation is not None
            and _is_known(request)
            and not _is_question(request, response)
        ):
            match = request.resolver_match
            services.record(
                action="access.refused",
                organisation=organisation,
                actor=request.user,
                outcome="refused",
                request=request,
                # The route's pattern, not the address: addresses may hold UIDs and names.
                detail={
                    "method": request.method,
                    "route": match.view_name if match else "",
                },
            )
        return response


def _is_known(request: HttpRequest) -> bool:
    return request.user.is_authenticated or getattr(request, "guest", None) is not None


def _is_question(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether the answer asks the person for something that lets them go on. A token can answer nothing: it is refused."""
    if getattr(request, "api_token", None) is not None:
        return False
    data = getattr(response, "data", None)
    code = data.get("code") if isinstance(data, dict) else ""
    return getattr(response, "is_question", False) or response.has_header("HX-Redirect") or code == ProofNeeded.code
