"""Doors of coming in by a provider: out to it, back from it, and what a session that came so may do next."""

from __future__ import annotations

import re
import time
from urllib.parse import urlencode

import structlog
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import queries as access_queries
from access import sudo, throttle
from access.models import User
from access.sign_in.views.entry import wanted_target
from access.single_sign_on import adapter, arriving, binding, exchange, links, oidc, queries, sealing, stepping_up
from access.single_sign_on.errors import ProviderUnreachable, SecretUnreadable, SignOnRefused
from access.single_sign_on.forms import FindForm
from access.single_sign_on.models import IdentityProvider
from access.single_sign_on.words import sentence_of
from access.views.accounts import signed_in_person
from core.errors import NotFound, PacswebError

STATE_NOTED_SECONDS = 60
ANYBODYS_CODES = ("state", "busy", "silent")
PURPOSE = re.compile(r"[a-z][a-z-]{0,59}")

logger = structlog.get_logger(__name__)


def _found(public_id: str) -> IdentityProvider:
    found = queries.find_provider(public_id)
    if found is None:
        raise NotFound
    return found


@never_cache
@require_http_methods(["GET", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """From an e-mail address or an organisation's address to its sign-in page."""
    form = FindForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        slug = _organisation_of(request, wanted=form.cleaned_data["wanted"])
        if slug:
            query = urlencode({"organisation": slug, "next": wanted_target(request)})
            return redirect(f"{reverse('access:sign-in')}?{query}")
        form.add_error("wanted", _("No single sign-on is known for this. Ask who administers your organisation."))
    status = 422 if form.errors else 200
    context = {"form": form, "next": wanted_target(request)}
    return render(request, "access/sso_find.html", context, status=status)


def _organisation_of(request: HttpRequest, *, wanted: str) -> str:
    # Counted, so that nobody goes through a list of hospitals.
    if not throttle.may_send_mail(request=request, name=f"sign-on of {wanted}"):
        return ""
    if "@" in wanted:
        return queries.organisation_of_domain(wanted.rpartition("@")[2])
    slug = wanted.strip().lower()
    return slug if queries.providers_of(slug) else ""


@never_cache
@require_GET
def start(request: HttpRequest, provider: str) -> HttpResponse:
    """Send the person to the provider. By link, not by form: the content policy lets forms lead nowhere else."""
    found = _found(provider)
    if request.user.is_authenticated:
        return redirect(wanted_target(request))
    return _lead_out(request, found=found, process=adapter.SIGN_IN, next_url=wanted_target(request))


@login_required
@never_cache
@sudo.required(reason=gettext_lazy("Connecting your account"))
@require_POST
def connect(request: HttpRequest, provider: str) -> HttpResponse:
    """Connect one's own account: at the provider first, then the two belong together."""
    found = _found(provider)
    if not access_queries.has_membership(user=signed_in_person(request), organisation=found.organisation):
        raise NotFound
    return _lead_out(request, found=found, process=adapter.CONNECT, next_url=reverse("access:security"))


@login_required
@never_cache
@require_GET
def prove(request: HttpRequest, provider: str) -> HttpResponse:
    """To the provider for a fresh sign-in, in a tab of its own beside the page that asks for the proof."""
    found = _found(provider)
    purpose = request.GET.get("purpose", "")
    if found not in queries.providers_that_prove(signed_in_person(request)) or not PURPOSE.fullmatch(purpose):
        raise NotFound
    try:
        with exchange.with_provider(found):
            address = adapter.question(
                request,
                found=found,
                process=adapter.PROVE,
                next_url="",
                asked=stepping_up.ANEW,
                purpose=purpose,
                asked_at=time.time(),
            )
    except (SignOnRefused, SecretUnreadable) as error:
        return _refused(request, found=found, error=error)
    return redirect(address)


@login_required
@never_cache
@require_GET
def proven(request: HttpRequest) -> HttpResponse:
    return render(request, "access/sso_proven.html")


def _lead_out(request: HttpRequest, *, found: IdentityProvider, process: str, next_url: str) -> HttpResponse:
    try:
        with exchange.with_provider(found):
            address = adapter.question(request, found=found, process=process, next_url=next_url)
    except (SignOnRefused, SecretUnreadable) as error:
        return _refused(request, found=found, error=error)
    if process == adapter.SIGN_IN:
        return redirect(address)
    return leave_page(request, address=address, label=found.label)


def leave_page(request: HttpRequest, *, address: str, label: str) -> HttpResponse:
    """A page that leads on by itself: browsers hold the redirect after a form to the content policy."""
    return render(request, "access/sso_leave.html", {"address": address, "label": label})


@never_cache
@require_GET
def callback(request: HttpRequest, provider: str) -> HttpResponse:
    """The provider sent the person back with a code, or with the reason why not."""
    found = _found(provider)
    try:
        with exchange.with_provider(found):
            response: HttpResponse = adapter.answer(request, found=found)
    except (SignOnRefused, SecretUnreadable) as error:
        return _refused(request, found=found, error=error)
    return response


def _refused(request: HttpRequest, *, found: IdentityProvider, error: PacswebError) -> HttpResponse:
    logger.warning("sign_on_refused", provider=found.public_id, code=error.code)
    # Anybody can send answers to no question, and many at once; they must not push what matters out of list and trail.
    if error.code not in ANYBODYS_CODES or cache.add(f"sign-on-state:{found.public_id}", 1, STATE_NOTED_SECONDS):
        arriving.refuse(sign_on=found, code=error.code, request=request)
    context = {
        "sentence": sentence_of(error),
        "code": error.code,
        "is_unreachable": isinstance(error, ProviderUnreachable),
        "organisation": found.organisation,
        "provider": found,
    }
    response = render(request, "access/sso_refused.html", context, status=error.status_code)
    if isinstance(error, exchange.Busy):
        response["Retry-After"] = str(error.retry_after)
    return response


# Afterwards ------------------------------------------------------------------------------------------------------------


@login_required
@never_cache
@sudo.required(purpose=sudo.OWN_SIGN_IN, reason=gettext_lazy("Entering with your own sign-in"))
@require_GET
def own_sign_in(request: HttpRequest) -> HttpResponse:
    """A proof of the person's own frees the session from the organisation whose sign-on opened it."""
    binding.free(request)
    return redirect(wanted_target(request))


@login_required
@sudo.required(reason=gettext_lazy("Disconnecting a sign-on"))
@require_POST
def disconnect(request: HttpRequest, account: int) -> HttpResponse:
    links.disconnect(user=signed_in_person(request), account=account, request=request)
    messages.success(request, _("It was disconnected: it opens your account no more."))
    return redirect(reverse("access:security") + "#sign-on")


def way_out(request: HttpRequest) -> tuple[str, str] | None:
    """The provider's own sign-out, and its name, when the session came from there and it asks for it."""
    bound = binding.of(request)
    found = queries.find_provider(bound.sign_on) if bound is not None else None
    if bound is None or found is None or not found.signs_out or not isinstance(request.user, User):
        return None
    try:
        with exchange.with_provider(found):
            address = oidc.discover(found.issuer).get("end_session_endpoint")
        hint = sealing.unseal(bound.sealed_hint)
    except (SignOnRefused, SecretUnreadable):
        return None
    if not address:
        return None
    asked = {
        "client_id": found.client_id,
        "post_logout_redirect_uri": adapter.after_sign_out_address(),
    }
    query = urlencode(asked | ({"id_token_hint": hint} if hint else {}))
    return f"{address}{'&' if '?' in address else '?'}{query}", found.label
