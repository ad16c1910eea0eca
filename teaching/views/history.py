"""Every kept state of a case, and the way back to one."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from teaching import queries, services
from teaching.views.case_and_revision import EDIT, VIEW, load, seen_revision

PAGE_LENGTH = 100


@require_GET
def history(request: Any, organisation: str, case: str) -> HttpResponse:
    """Every kept state of the case, and what each edit changed."""
    from teaching.domain.content import differences

    found = load(request, case, VIEW)
    page = Paginator(found.revisions.select_related("actor"), PAGE_LENGTH).get_page(request.GET.get("page"))
    shown = list(page)
    # What the last one on the page changed shows against the one that the next page begins with.
    before = found.revisions.filter(number__lt=shown[-1].number).first() if shown else None
    rows = [
        {"revision": revision, "changes": differences(earlier.content, revision.content) if earlier else []}
        for revision, earlier in zip(shown, [*shown[1:], before], strict=True)
    ]
    context = {
        "case": found,
        "rows": rows,
        "page": page,
        "newest": found.revisions.values_list("pk", flat=True).first(),
        "versions": {version.number: version for version in found.versions.all()},
        "may_edit": queries.libraries_with(request.user, EDIT).filter(pk=found.library_id).exists(),
    }
    return render(request, "teaching/case_history.html", context)


@require_POST
def restore(request: Any, organisation: str, case: str, number: int) -> HttpResponse:
    found = load(request, case)
    services.restore_revision(
        actor=request.user, case=found, number=number, revision=seen_revision(request), request=request
    )
    address = reverse("teaching:case-edit", kwargs={"organisation": organisation, "case": case})
    if request.headers.get("HX-Request"):
        response = HttpResponse()
        response["HX-Redirect"] = address
        return response
    return redirect(address)
