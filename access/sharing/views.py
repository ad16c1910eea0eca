"""Doors of sharing: making and ending shares, and the ways in for guests."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import proofs, rights
from access import queries as access_queries
from access.forms import add_errors
from access.grant_policy import FIELDS, change_policy, policy_for, policy_of
from access.sharing import queries, recipients, registry, services
from access.sharing.errors import LinkClosed, PasswordWanted, PasswordWrong, SharingOff, TooManyTries
from access.sharing.forms import EnterForm, ExtendForm, GrantPolicyForm, ShareForm, end_of_day
from access.sharing.lists import ShareTable
from access.sharing.models import Share
from core.errors import Forbidden, Invalid, NotFound
from core.shell import within_organisation

VISITS_SHOWN = 100


def _hands_over(request: HttpRequest) -> bool:
    """A share by which images leave as files asks for a proof; one to look at does not."""
    return request.POST.get("mode") != Share.Mode.VIEW


# For members ----------------------------------------------------------------------------------------------------------


@require_GET
def share_list(request: Any, organisation: str) -> HttpResponse:
    """What I shared and what is shared from my containers; officers and administrators see every share."""
    rows = queries.shares_of(user=request.user, organisation=request.organisation)
    scope = request.GET.get("whose", "")
    if scope == "mine":
        rows = rows.filter(created_by=request.user)
    if not rows.exists() and not queries.may_see_shares(request):
        raise Forbidden
    table = ShareTable(request=request, queryset=rows, context={"organisation": request.organisation})
    context = {"whose": scope, "policy": policy_for(request)}
    return table.respond("access/sharing/list.html", context)


@never_cache
@sensitive_post_parameters("password")
@proofs.needed("shares", when=_hands_over)
@require_http_methods(["GET", "POST"])
def share_new(request: Any, organisation: str, kind: str, thing: str) -> HttpResponse:
    """Share one thing; the link is shown in the answer, this once."""
    shareable, row = services.load_for_sharing(actor=request.user, kind=kind, thing=thing)
    policy = policy_for(request)
    context: dict[str, Any] = {
        "shareable": shareable,
        "what": shareable.describe(row),
        "address": shareable.address(row),
        "policy": policy,
        "refusal": shareable.refusal(row),
        "may_decide": rights.holds(request, "access.change_organisation"),
    }
    if not policy.allows_people:
        return render(request, "access/sharing/new.html", context, status=403)
    form = ShareForm(request.POST or None, policy=policy, shareable=shareable)
    if request.method == "POST" and form.is_valid():
        try:
            share, code = services.create_share(
                actor=request.user, kind=kind, thing=thing, request=request, **form.arguments()
            )
        except Invalid as error:
            add_errors(form, {("until" if name == "expires_at" else name): e for name, e in error.fields.items()})
            if not error.fields:
                form.add_error(None, str(error.message))
        except SharingOff as error:
            form.add_error(None, str(error.message))
        else:
            return share_page(request, share, code=code)
    return render(request, "access/sharing/new.html", context | {"form": form}, status=422 if form.errors else 200)


def share_page(
    request: Any, share: Share, *, code: str = "", form: ExtendForm | None = None, status: int = 200
) -> HttpResponse:
    shareable = registry.find(share.kind)
    row = shareable.model._default_manager.filter(pk=share.object_id).first() if shareable is not None else None
    link = request.build_absolute_uri(reverse("access:share-enter")) + f"#{code}" if code else ""
    context = {
        "share": share,
        "shareable": shareable,
        "address": shareable.address(row) if shareable is not None and row is not None else "",
        "visits": list(share.visits.select_related("user")[:VISITS_SHOWN]),
        "link": link,
        "form": form or ExtendForm(initial={"until": share.expires_at.date()}),
        "may_extend": queries.may_share_from(request.user, share),
        "paused": share.state in ("open", "used-up") and not queries.is_answered_for(share),
        "may_revoke": _may_revoke(request, share),
        "may_audit": rights.holds(request, "access.view_audit"),
    }
    return render(request, "access/sharing/share.html", context, status=status)


def _may_revoke(request: Any, share: Share) -> bool:
    try:
        services.require_control(actor=request.user, share=share)
    except (Forbidden, NotFound):
        return False
    return True


def _share(request: Any, public_id: str) -> Share:
    return queries.get_share(user=request.user, organisation=request.organisation, public_id=public_id)


@never_cache
@require_GET
def share(request: Any, organisation: str, share: str) -> HttpResponse:
    return share_page(request, _share(request, share))


@require_POST
def share_revoke(request: Any, organisation: str, share: str) -> HttpResponse:
    found = _share(request, share)
    services.revoke_share(actor=request.user, share=found, request=request)
    messages.success(request, _("Taken back. Whoever was inside is out with their next click."))
    return redirect("access:share", organisation=organisation, share=share)


@proofs.needed("shares")
@require_POST
def share_keep(request: Any, organisation: str, share: str) -> HttpResponse:
    """Take a share over from somebody who may no longer share it."""
    found = _share(request, share)
    services.keep_share(actor=request.user, share=found, request=request)
    messages.success(request, _("You answer for this share now. It is open again."))
    return redirect("access:share", organisation=organisation, share=share)


@proofs.needed("shares")
@require_POST
def share_extend(request: Any, organisation: str, share: str) -> HttpResponse:
    found = _share(request, share)
    services.require_control(actor=request.user, share=found, to_open=True)
    form = ExtendForm(request.POST)
    if form.is_valid():
        try:
            services.extend_share(
                actor=request.user, share=found, expires_at=end_of_day(form.cleaned_data["until"]), request=request
            )
        except Invalid as error:
            add_errors(form, {"until": [one for values in error.fields.values() for one in values]})
        else:
            messages.success(request, _("The share ends on %(day)s now.") % {"day": form.cleaned_data["until"]})
            return redirect("access:share", organisation=organisation, share=share)
    return share_page(request, found, form=form, status=422)


@never_cache
@proofs.needed("guest-rules")
@require_http_methods(["GET", "POST"])
def grant_policy(request: Any, organisation: str) -> HttpResponse:
    """What the organisation allows beyond roles."""
    access_queries.require(request.user, "access.change_organisation", request.organisation)
    form = GrantPolicyForm(request.POST or None, instance=policy_of(request.organisation))
    if request.method == "POST" and form.is_valid():
        try:
            change_policy(
                actor=request.user,
                organisation=request.organisation,
                changes={name: form.cleaned_data[name] for name in FIELDS},
                request=request,
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("The rules were saved. They hold from the next request on."))
            return redirect("access:grant-policy", organisation=organisation)
    status = 422 if form.errors else 200
    return render(request, "access/sharing/policy.html", {"form": form}, status=status)


# For guests -----------------------------------------------------------------------------------------------------------


@login_required
@never_cache
@require_GET
def shared_with_me(request: Any) -> HttpResponse:
    """Everything that other organisations opened to this person."""
    from core.tenancy import all_tenants

    with all_tenants():
        names = recipients.names_of(request)
        services.claim_shares(user=request.user, names=names)
    rows = queries.shared_with(request.user, names=names)
    entries = [
        {"share": one, "shareable": registry.find(one.kind)} for one in rows if registry.find(one.kind) is not None
    ]
    with within_organisation(request):
        return render(request, "access/sharing/with_me.html", {"entries": entries})


@never_cache
@ensure_csrf_cookie
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    """Where every link leads. Its code stands after the # sign, which browsers do not send: the page posts it.

    So the code is in no log, no history of a proxy and no Referer, and a program that only previews links uses none up.
    """
    form = EnterForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "closed": "closed" in request.GET, "wants_password": False}
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                organisation, found = services.enter_link(request=request, **form.cleaned_data)
            except (PasswordWanted, PasswordWrong) as error:
                context["wants_password"] = True
                if isinstance(error, PasswordWrong):
                    form.add_error("password", str(error.message))
                status = error.status_code
            except (LinkClosed, TooManyTries) as error:
                # What was typed does not come back: a dead link looks the same whatever it was.
                context |= {"refusal": str(error.message), "form": EnterForm()}
                status = error.status_code
            else:
                there = reverse("access:shared", kwargs={"organisation": organisation.slug, "share": found.public_id})
                return _without_referrer(_go(request, there))
        else:
            context |= {"refusal": str(LinkClosed().message), "form": EnterForm()}
            status = LinkClosed.status_code
    template = "access/sharing/_enter.html" if _is_asked_by_script(request) else "access/sharing/enter.html"
    return _without_referrer(render(request, template, context, status=status))


def _is_asked_by_script(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"


def _go(request: HttpRequest, address: str) -> HttpResponse:
    """The script of the page goes there itself, so that the page is not loaded twice."""
    if _is_asked_by_script(request):
        return JsonResponse({"location": address})
    return redirect(address)


def _without_referrer(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    return response


def _guest(request: Any, public_id: str) -> tuple[Share, registry.Shareable]:
    """The share that let the guest in. A member without one finds nothing here."""
    found: Share | None = getattr(request, "guest", None)
    shareable = registry.find(found.kind) if found is not None else None
    if found is None or shareable is None or found.public_id != public_id:
        raise NotFound
    return found, shareable


@require_GET
def shared(request: Any, organisation: str, share: str) -> HttpResponseBase:
    """The shared thing, as its own floor shows it."""
    found, shareable = _guest(request, share)
    if found.audience == Share.Audience.PERSON:
        services.begin_person_visit(request=request, share=found)
    return shareable.view(request, found)


@require_GET
def shared_download(request: Any, organisation: str, share: str) -> HttpResponseBase:
    found, shareable = _guest(request, share)
    if not shareable.is_handed_over:
        raise NotFound
    answer = shareable.download(request, found)
    # What was refused left nothing; nothing of the answer has been sent yet.
    services.note_download(request=request, share=found)
    return answer
