"""What is to be read, and what was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET

from core.tables import Choice, Column, DateRange, Table
from practice import queries
from practice.models import Answer, Attempt, Score
from teaching import pinned, vocabulary
from teaching.models import CaseVersion


class UnknownTable(Table):
    """Cases one may read, as unknowns: nothing in it comes from behind the answer."""

    key = "unknowns"
    noun = ngettext_lazy("%(n)s case", "%(n)s cases", "n")
    columns = (
        Column(
            "title", _("Case"), sort="alternative_title", primary=True, template="practice/cells/title.html",
            csv=lambda v: v.alternative_title,
        ),
        Column("modality", _("Modality"), value=lambda v: v.content.get("modality", ""), sort="content__modality"),
        Column(
            "category", _("Category"), sort="content__category",
            value=lambda v: label_of(vocabulary.CATEGORIES, v.content.get("category")),
        ),
        Column(
            "level", _("Level"), sort="content__level",
            value=lambda v: label_of(vocabulary.LEVELS, v.content.get("level")),
        ),
        Column("published", _("Published"), value="published_at", sort="published_at", kind="date"),
        Column("mine", _("My last read"), template="practice/cells/mine.html", exported=False),
        Column("start", _("Begin"), template="practice/cells/start.html", shrink=True, exported=False),
    )  # fmt: skip
    filters = (
        Choice("category", _("Category"), field="content__category", choices=vocabulary.CATEGORIES),
        Choice("modality", _("Modality"), field="content__modality"),
        Choice("level", _("Level"), field="content__level", choices=vocabulary.LEVELS),
        Choice(
            "read",
            _("Read"),
            choices=(("no", _("Not yet")), ("yes", _("Before"))),
            lookup=lambda values: Q(was_read__in=[value == "yes" for value in values]),
        ),
    )
    search_label = _("Search titles and histories")
    default_sort = "-published"
    default_size = 25
    empty_template = "practice/unknowns_empty.html"
    card_template = "practice/_unknown_card.html"

    def search(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        from teaching.queries import search_unknowns

        return search_unknowns(queryset, words)

    def prepare(self, rows: Sequence[Any]) -> None:
        last: dict[int, Attempt] = {}
        mine = Attempt.objects.filter(
            user=self.request.user, version__case__in=[row.case_id for row in rows], state__in=Attempt.REVEALED_STATES
        ).select_related("version")
        for attempt in mine.order_by("committed_at", "pk"):
            last[attempt.version.case_id] = attempt
        active = set(
            Attempt.objects.filter(user=self.request.user, version__in=rows, state=Attempt.State.STARTED).values_list(
                "version_id", flat=True
            )
        )
        pictures = thumbnails(rows, organisation=self.request.organisation.slug)  # type: ignore[attr-defined]
        for row in rows:
            row.last_attempt = last.get(row.case_id)
            row.is_under_way = row.pk in active
            row.picture = pictures.get(row.pk, "")

    def row_label(self, row: Any) -> str:
        return str(row.alternative_title)


def label_of(choices: Sequence[tuple[str, Any]], key: Any) -> str:
    return str(dict(choices).get(key, ""))


def thumbnails(rows: Sequence[CaseVersion], *, organisation: str) -> dict[int, str]:
    """Version → address of the thumbnail of its first image series; one query."""
    return {
        version: f"/o/{organisation}/dicomweb/{series.study.archive.slug}/studies/{series.study.study_instance_uid}"
        f"/series/{series.series_instance_uid}/thumbnail"
        for version, series in pinned.first_series([row.pk for row in rows]).items()
    }


@require_GET
def home(request: Any, organisation: str) -> HttpResponse:
    """The list of the day: go on, assigned, due, free."""
    user = request.user
    readable = queries.readable_versions(user).annotate(was_read=queries.has_committed(user))
    table = UnknownTable(request=request, queryset=readable.defer("case__search"))
    context: dict[str, Any] = {}
    if not table.is_fragment_request:
        active = queries.attempts_of(user).filter(state=Attempt.State.STARTED)
        due = queries.due_versions(user)
        context = {
            "active": active.order_by("-started_at", "-pk"),
            "assignments": queries.assigned_rows(user),
            "due": due,
            "has_next": queries.next_version(user) is not None,
            "is_learner": readable.exists() or active.exists() or queries.attempts_of(user).exists(),
        }
    return table.respond("practice/home.html", context)


def confidence_lookup(values: Sequence[str]) -> Q:
    """Reads with an answer whose confidence lies in one of the fifths of its scale."""
    wanted = Q()
    for value in values:
        number = int(value)
        # The middle of a step, (c − ½)/n, decides its fifth, as in practice.domain.calibration.
        scales = {2, 3, 4, 5, 7, 10, 11, 100}
        for levels in scales:
            steps = [c for c in range(1, levels + 1) if (number - 1) / 5 <= (c - 0.5) / levels < number / 5]
            wanted |= Q(confidence_levels=levels, confidence__in=steps)
    answers = Answer.objects.filter(wanted, attempt=OuterRef("pk"), kind__in=("single", "multiple"))
    return Q(Exists(answers))


def result_lookup(values: Sequence[str]) -> Q:
    wanted = Q()
    scores = Score.objects.filter(answer__attempt=OuterRef("pk"))
    if "wrong" in values:
        wanted |= Q(Exists(scores.filter(is_correct=False)))
    if "missed" in values:
        wanted |= Q(Exists(scores.filter(answer__kind="mark").exclude(detail__missed=[])))
    if "false" in values:
        wanted |= Q(Exists(scores.filter(answer__kind="mark").exclude(detail__false=[])))
    return wanted


class AttemptTable(Table):
    key = "reads"
    noun = ngettext_lazy("%(n)s read", "%(n)s reads", "n")
    columns = (
        Column(
            "case", _("Case"), sort="version__alternative_title", primary=True, template="practice/cells/attempt_case.html",
            csv=lambda a: a.version.alternative_title,
        ),
        Column("diagnosis", _("Diagnosis"), value=lambda a: queries.diagnosis_of(a.version) if a.is_revealed else ""),
        Column(
            "state", _("State"), sort="state", template="practice/cells/attempt_state.html",
            csv=lambda a: a.get_state_display(),
        ),
        Column(
            "score", _("Score"), sort="points", value="percent", kind="number",
            template="practice/cells/attempt_score.html", csv=lambda a: a.percent,
        ),
        Column("reason", _("Why"), value="get_reason_display", sort="reason"),
        Column("committed", _("Committed"), value="committed_at", sort="committed_at", kind="date"),
        Column("minutes", _("Minutes"), value="minutes", kind="number"),
    )  # fmt: skip
    filters = (
        Choice("state", _("State"), field="state", choices=Attempt.State.choices),
        Choice("topic", _("Category"), field="version__content__category", choices=vocabulary.CATEGORIES),
        Choice("reason", _("Why"), field="reason", choices=Attempt.Reason.choices),
        Choice(
            "confidence",
            _("Stated confidence"),
            choices=[(str(n), _("Fifth %d of the scale") % n) for n in range(1, 6)],
            lookup=confidence_lookup,
        ),
        Choice(
            "result",
            _("Result"),
            choices=(
                ("wrong", _("A wrong answer")),
                ("missed", _("A missed lesion")),
                ("false", _("A false mark")),
            ),
            lookup=result_lookup,
        ),
        DateRange("committed", _("Committed"), field="committed_at", is_moment=True),
    )
    search_fields = ("version__alternative_title",)
    default_sort = "-committed"
    empty_template = "practice/reads_empty.html"

    def row_url(self, row: Attempt) -> str:
        if row.state == Attempt.State.ABANDONED:
            return ""
        return reverse(
            "practice:attempt",
            kwargs={"organisation": self.request.organisation.slug, "attempt": row.public_id},  # type: ignore[attr-defined]
        )


@require_GET
def attempt_list(request: Any, organisation: str) -> HttpResponse:
    """A person's own reads."""
    table = AttemptTable(request=request, queryset=queries.attempts_of(request.user))
    return table.respond("practice/attempt_list.html", {})
