"""Doors of break-glass: to break it, to look under it, to end it, and to review it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import queries as access_queries
from access import sudo
from access.break_glass import queries, registry, services
from access.break_glass.errors import NothingFound, TooOften
from access.break_glass.forms import BreakGlassForm, ReviewForm
from access.break_glass.lists import BreakGlassTable
from access.break_glass.models import BreakGlass
from access.forms import add_errors
from access.grant_policy import policy_for
from core.errors import Forbidden, Invalid

PURPOSE = "break-glass"


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def break_glass(request: Any, organisation: str) -> HttpResponse:
    """The dedicated page: it searches nothing and says nothing about any patient before a reason was given."""
    policy = policy_for(request)
    context: dict[str, Any] = {
        "policy": policy,
        "running": queries.shown_to(request),
        "is_overseer": queries.is_overseer(request.user, request.organisation),
    }
    if not policy.break_glass:
        return render(request, "access/break_glass/start.html", context, status=403)
    form = BreakGlassForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            # A proof made for this act alone, so that nobody breaks the glass from a screen that was left open.
            sudo.require(request, purpose=PURPOSE, once=True, reason=_("Breaking the glass"))
            try:
                glass = services.start(
                    actor=request.user, organisation=request.organisation, request=request, **form.cleaned_data
                )
            except Invalid as error:
                add_errors(form, error.fields)
                if not error.fields:
                    form.add_error(None, str(error.message))
            except (NothingFound, TooOften) as error:
                form.add_error(None, str(error.message))
                status = error.status_code
            else:
                return redirect("access:break-glass-one", organisation=organisation, glass=glass.public_id)
    return render(request, "access/break_glass/start.html", context | {"form": form}, status=status)


def _glass(request: Any, public_id: str) -> BreakGlass:
    return queries.get(user=request.user, organisation=request.organisation, public_id=public_id)


@never_cache
@require_GET
def break_glass_one(request: Any, organisation: str, glass: str) -> HttpResponse:
    return glass_page(request, _glass(request, glass))


def glass_page(request: Any, glass: BreakGlass, *, form: ReviewForm | None = None, status: int = 200) -> HttpResponse:
    """For its person the studies while it runs; for officers what it was for, and the review."""
    known = registry.subjects()
    is_own = glass.user_id == request.user.pk
    lines = known.lines(user=request.user, glass=glass) if known is not None and is_own and glass.is_running else ()
    is_officer = access_queries.may(request.user, "access.view_audit", request.organisation)
    context = {
        "glass": glass,
        "is_own": is_own,
        "lines": lines,
        "is_overseer": queries.is_overseer(request.user, request.organisation),
        "is_officer": is_officer,
        "may_review": is_officer and not is_own,
        "reviews": list(glass.reviews.select_related("officer")),
        "form": form or ReviewForm(),
    }
    return render(request, "access/break_glass/one.html", context, status=status)


@require_POST
def break_glass_end(request: Any, organisation: str, glass: str) -> HttpResponse:
    found = _glass(request, glass)
    services.end(actor=request.user, glass=found, request=request)
    messages.success(request, _("Ended. The studies are closed again."))
    return redirect("access:break-glass-one", organisation=organisation, glass=glass)


@require_POST
def break_glass_review(request: Any, organisation: str, glass: str) -> HttpResponse:
    access_queries.require(request.user, "access.view_audit", request.organisation)
    found = _glass(request, glass)
    form = ReviewForm(request.POST)
    if form.is_valid():
        try:
            services.review(actor=request.user, glass=found, request=request, **form.cleaned_data)
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("Your verdict was kept."))
            return redirect("access:break-glass-one", organisation=organisation, glass=glass)
    return glass_page(request, found, form=form, status=422)


@require_GET
def break_glass_list(request: Any, organisation: str) -> HttpResponse:
    """Every time the glass was broken, for officers and administrators."""
    if not queries.is_overseer(request.user, request.organisation):
        raise Forbidden
    table = BreakGlassTable(
        request=request,
        queryset=queries.all_of(request.organisation),
        context={"organisation": request.organisation},
    )
    return table.respond("access/break_glass/list.html")
