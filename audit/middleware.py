"""What was refused is part of the trail."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit import services

GetResponse = Callable[[HttpRequest], HttpResponse]


class RefusalMiddleware:
    """Records each request that a signed-in member was refused for lack of a right."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        organisation = getattr(request, "organisation", None)
        if response.status_code == 403 and organisation is not None and _is_known(request):
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
