"""The guides, their pictures, and a search over them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from core import guides
from core.caching import as_picture
from core.errors import NotFound
from core.shell import within_organisation


@login_required
@require_GET
def guide_list(request: Any) -> HttpResponse:
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    with within_organisation(request):
        context = {"guides": guides.every().values(), "words": words, "found": guides.search(words)}
        return render(request, "core/guides.html", context | {"own": guides.own(request)})


@login_required
@require_GET
def own_guide(request: Any) -> HttpResponse:
    """The guide for what the person mostly does; all of them for somebody without one."""
    with within_organisation(request):
        found = guides.own(request)
    return redirect(found.url if found else "core:guide-list")


@login_required
@require_GET
def guide(request: Any, guide: str) -> HttpResponse:
    found = guides.every().get(guide)
    if found is None:
        raise NotFound
    with within_organisation(request):
        return render(request, "core/guide.html", {"guide": found, "guides": guides.every().values()})


@login_required
@require_GET
def guide_picture(request: Any, name: str) -> HttpResponseBase:
    path = guides.picture(name)
    if path is None:
        raise NotFound
    response = FileResponse(path.open("rb"))
    response["Cache-Control"] = "private, max-age=3600"
    return as_picture(response)
