"""The door at which a provider says that somebody signed out there. No browser comes here, so no cookie and no page."""

from __future__ import annotations

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from access import throttle
from access.single_sign_on import back_channel, oidc, queries
from access.single_sign_on.errors import ProviderUnreachable, SignOnRefused, TooManyTokens

FORM = "application/x-www-form-urlencoded"
LONGEST_BODY = oidc.LONGEST_TOKEN + 1024


@csrf_exempt  # the token's signature says who sends it
@require_POST
@cache_control(no_store=True)
def sign_out(request: HttpRequest, provider: str) -> JsonResponse:
    """OpenID Connect Back-Channel Logout 1.0, 2.5 and 2.8: 200 when the sessions have ended or there were none."""
    found = queries.find_provider(provider, also_of_suspended=True)
    if found is None:
        return _problem("invalid_request", "unknown-provider", status=404)
    try:
        back_channel.take(_token(request), provider=found, request=request)
    except TooManyTokens as error:
        refused = _problem("temporarily_unavailable", error.code, status=error.status_code)
        refused["Retry-After"] = str(throttle.WINDOW_SECONDS)
        return refused
    except ProviderUnreachable as error:
        return _problem("temporarily_unavailable", error.code)
    except SignOnRefused as error:
        return _problem("invalid_request", error.code)
    return JsonResponse({})


def _token(request: HttpRequest) -> str:
    """The one token of a form; "" when there is none, or more."""
    try:
        length = int(request.headers.get("Content-Length") or 0)
        if request.content_type != FORM or length > LONGEST_BODY:
            return ""
        tokens = request.POST.getlist("logout_token")
    except (ValueError, BadRequest, SuspiciousOperation):
        return ""
    return tokens[0] if len(tokens) == 1 else ""


def _problem(error: str, description: str, *, status: int = 400) -> JsonResponse:
    """RFC 6749, 5.2, as 2.8 asks for."""
    return JsonResponse({"error": error, "error_description": description}, status=status)
