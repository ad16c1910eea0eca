"""Doors of the shell."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from core import home as home_page
from core import jobs as work
from core import palette as finder
from core import queries
from core.errors import NotFound
from core.models import Job
from core.shell import within_organisation
from core.tables import Choice, Column, DateRange, Flag, Table


@require_GET
def home(request: HttpRequest, organisation: str) -> HttpResponse:
    """What waits for this person in the organisation."""
    found = home_page.sections(request)
    context = {
        "figures": home_page.figures(request),
        "sections": [section for section in found if not section.side],
        "asides": [section for section in found if section.side],
    }
    return render(request, "core/home.html", context)


@require_GET
def palette(request: HttpRequest, organisation: str) -> HttpResponse:
    words = request.GET.get("q", "")
    return render(request, "core/palette.html", {"groups": finder.search(request, words=words), "words": words.strip()})


class JobTable(Table):
    key = "jobs"
    noun = ngettext_lazy("%(n)s job", "%(n)s jobs", "n")
    columns = (
        Column("title", gettext_lazy("Job"), sort="title", primary=True, template="core/jobs/cell_title.html"),
        Column(
            "state",
            gettext_lazy("State"),
            sort="state",
            value="get_state_display",
            template="core/jobs/cell_state.html",
        ),
        Column("created", gettext_lazy("Started"), sort="created_at", value="created_at", kind="date"),
        Column("finished", gettext_lazy("Ended"), sort="finished_at", value="finished_at", kind="date"),
        Column(
            "actions",
            gettext_lazy("Actions"),
            template="core/jobs/cell_actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    filters = (
        Choice("state", gettext_lazy("State"), field="state", choices=Job.State.choices),
        Flag("active", gettext_lazy("Under way"), Q(state__in=Job.ACTIVE_STATES)),
        DateRange("day", gettext_lazy("Day"), field="created_at", is_moment=True),
    )
    search_fields = ("title", "message", "error")
    search_label = gettext_lazy("Search jobs")
    default_sort = "-created"
    empty_template = "core/jobs/empty.html"


@require_GET
def jobs(request: HttpRequest, organisation: str) -> HttpResponse:
    table = JobTable(request=request, queryset=queries.jobs_of(user=request.user))  # type: ignore[arg-type]
    return table.respond("core/jobs.html")


@require_GET
def jobs_tray(request: HttpRequest, organisation: str) -> HttpResponse:
    return render(request, "core/shell/jobs_tray.html")


@require_POST
def job_cancel(request: HttpRequest, organisation: str, job: UUID) -> HttpResponse:
    """Ask one of the person's own jobs to stop; a job of somebody else does not exist for them."""
    found = queries.jobs_of(user=request.user).filter(pk=job).first()  # type: ignore[arg-type]
    if found is None:
        raise NotFound
    work.cancel(actor=request.user, job=found)  # type: ignore[arg-type]
    if request.headers.get("HX-Target") == "jobs-tray":
        return render(request, "core/shell/jobs_tray.html")
    messages.info(request, _("“%(title)s” was asked to stop.") % {"title": found.title})
    return redirect("core:jobs", organisation=organisation)


@login_required
@require_GET
def design(request: HttpRequest) -> HttpResponse:
    from core.design import showcase

    with within_organisation(request):
        return showcase(request)


@login_required
def design_answer(request: HttpRequest) -> HttpResponse:
    """Answers of the component page: a toast, a drawer, choices for a combobox, a refusal."""
    from core.design import answer

    return answer(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)
