"""The page that asks for a proof, and repeats the request it interrupted with everything that was filled in."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from access import sudo
from access.errors import ProofNeeded, TooManyAttempts, WrongProof
from access.middleware import is_machine_door
from access.sign_in import factors
from access.single_sign_on.queries import providers_that_prove
from core.errors import Message
from core.middleware import problem, wants_json

PREFIX = "proof-"
METHOD_FIELDS = {
    "password": "proof-password",
    "code": "proof-code",
    "passkey": "proof-passkey",
    "sign-on": "proof-there",
}
FIELDS = (*METHOD_FIELDS.values(), "proof-purpose", "proof-get")
NOT_REPEATED = frozenset({"csrfmiddlewaretoken", *FIELDS})


@dataclass(frozen=True)
class Answer:
    method: str
    secret: str
    purpose: str
    resumes_get: bool


def carries_answer(request: HttpRequest) -> bool:
    return (
        request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data")
        and "proof-purpose" in request.POST
    )


def take_answer(request: HttpRequest) -> Answer:
    """Remove the answer from the form, so that the view sees only its own fields."""
    form = request.POST.copy()
    given = {name: str(form.pop(name, [""])[-1]) for name in FIELDS}
    request.POST = form  # type: ignore[assignment]
    request._post = form  # type: ignore[attr-defined]
    method = next((method for method, name in METHOD_FIELDS.items() if given[name]), "password")
    return Answer(
        method=method,
        secret=given[METHOD_FIELDS[method]],
        purpose=given["proof-purpose"][:60],
        resumes_get=bool(given["proof-get"]),
    )


def ask(
    request: HttpRequest,
    *,
    purpose: str,
    reason: Message = "",
    error: WrongProof | TooManyAttempts | None = None,
    resumes_get: bool = False,
) -> HttpResponse:
    """403 with the question for people; a problem document for programs, which cannot answer it."""
    if wants_json(request) or is_machine_door(request.path_info):
        answer = JsonResponse(problem(error or ProofNeeded(purpose=purpose)), status=403)
        # A session can answer on a page; a token never can, so it is refused.
        answer.is_question = getattr(request, "api_token", None) is None and error is None  # type: ignore[attr-defined]
        return answer
    if request.headers.get("HX-Request"):
        # A fragment cannot hold the question: the same address as a page does.
        response = HttpResponse(status=403)
        response["HX-Redirect"] = (
            request.get_full_path() if request.method == "GET" else request.headers.get("HX-Current-URL", "/")
        )
        return response
    methods = sudo.methods_of(request.user, purpose=purpose)  # type: ignore[arg-type]
    resumes_get = resumes_get or request.method != "POST"
    repeated = (
        []
        if resumes_get
        else [(name, value) for name, values in request.POST.lists() for value in values if name not in NOT_REPEATED]
    )
    context = {
        "purpose": purpose,
        "reason": reason,
        "error": error,
        "methods": methods,
        "sign_ons": providers_that_prove(request.user) if "sign-on" in methods else [],
        "repeated": repeated,
        "resumes_get": resumes_get,
        "had_files": bool(request.FILES),
        "passkey_question": factors.passkey_question(user=request.user) if "passkey" in methods else None,  # type: ignore[arg-type]
    }
    status = error.status_code if isinstance(error, TooManyAttempts) else 422 if error else 403
    response = render(request, "account/confirm.html", context, status=status)
    add_never_cache_headers(response)
    # For the trail: nobody was refused anything.
    response.is_question = True  # type: ignore[attr-defined]
    return response
