"""The list of studies, and the search behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, F, Func, OuterRef, Q, QuerySet, Sum, TextField
from django.db.models.functions import Now
from django.http import QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from access.queries import may, visible_to
from archive import queries, reading
from archive.domain.text import fold
from archive.models import Archive, Instance, Patient, Series, Study
from archive.permissions import VIEW
from audit import services as audit
from core.db.distinct import distinct_values
from core.tables import Choice, Column, DateRange, Flag, Table
from core.tables.filters import Bound, Chip, Filter, Option

UID_WORD = re.compile(r"^[0-9]+(?:\.[0-9]+)+$")
LONGEST_WORD = 64
MOST_OPTIONS = 100


@dataclass(frozen=True)
class ListedValue(Choice):
    """A choice among the values of a JSON list column; every row may count under several.

    The list of a study holds what `series_field` of its series says.
    """

    series_field: str = ""
    #: The series that the person sees, who does not see all: then they are asked, not the list of the whole study.
    seen: QuerySet[Series] | None = None

    def narrow(self, queryset: QuerySet[Any], state: list[str]) -> QuerySet[Any]:
        if self.seen is not None:
            matching = self.seen.filter(**{f"{self.series_field}__in": state}, study=OuterRef("pk"))
            return queryset.filter(Exists(matching)) if state else queryset
        condition = Q()
        for value in state:
            condition |= Q(**{f"{self.field}__contains": [value]})
        return queryset.filter(condition)

    def options(self, queryset: QuerySet[Any], state: list[str], *, counted: bool) -> tuple[Option, ...]:
        if self.seen is not None:
            within = self.seen.filter(study__in=queryset.order_by().values("pk")).exclude(**{self.series_field: ""})
            counted_rows = within.order_by(self.series_field).values_list(self.series_field)
            found = dict(counted_rows.annotate(n=Count("study", distinct=True))[:MOST_OPTIONS])
            return tuple(
                Option(value, value, found.get(value, 0) if counted else None, value in state)
                for value in dict.fromkeys([*found, *state])
            )
        unnested = Func(F(self.field), function="jsonb_array_elements_text", output_field=TextField())
        rows = queryset.order_by().annotate(one_value=unnested).values("one_value").annotate(n=Count("pk"))
        counts = {row["one_value"]: row["n"] for row in rows.order_by("one_value")[:MOST_OPTIONS]}
        return tuple(
            Option(value, value, counts.get(value, 0) if counted else None, value in state)
            for value in dict.fromkeys([*counts, *state])
        )

    def options_within(self, archive: Archive, state: list[str]) -> tuple[Option, ...]:
        """The values of a whole archive, not counted."""
        values = distinct_values(Series.objects.filter(archive=archive), self.series_field, most=MOST_OPTIONS)
        return tuple(Option(value, value, None, value in state) for value in dict.fromkeys([*values, *state]))


KEY_PATTERN = re.compile(r"^[0-9a-z-]{1,40}$")


@dataclass(frozen=True)
class One(Filter):
    """Narrowed by a link from elsewhere to what belongs to one thing; shows as a chip only."""

    key: str
    label: Any
    field: str
    shown: Any
    template: ClassVar[str] = "archive/filter_one.html"

    def read(self, query: QueryDict) -> tuple[str, list[str]]:
        value = query.get(self.key, "")
        if not value or KEY_PATTERN.match(value):
            return value, []
        return "", [_("“%(value)s” is not a key of %(filter)s.") % {"value": value[:40], "filter": self.label}]

    def narrow(self, queryset: QuerySet[Any], state: str) -> QuerySet[Any]:
        try:
            return queryset.filter(**{self.field: state})
        except ValidationError:
            return queryset.none()

    def chips(self, state: str) -> list[Chip]:
        return [Chip(str(self.label), str(self.shown), {self.key: None})]


def viewer_url(*, organisation: str, study: Study) -> str:
    """The viewer is on a floor above: its address is known by name only, and may be missing."""
    try:
        return reverse("viewer:study", kwargs={"organisation": organisation, "study": study.public_id})
    except NoReverseMatch:
        return ""


class StudyTable(Table):
    key = "studies"
    noun = ngettext_lazy("%(n)s study", "%(n)s studies", "n")
    columns = (
        Column(
            "picture",
            gettext_lazy("Picture"),
            template="archive/cells/picture.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
        Column(
            "patient",
            gettext_lazy("Patient"),
            sort=("search_name", "patient__patient_id", "patient_id", "study_date"),
            primary=True,
            template="archive/cells/patient.html",
            csv=lambda study: reading.person_name(study.patient_name),
        ),
        Column("id", gettext_lazy("Patient ID"), value="patient.patient_id", sort="patient__patient_id", shrink=True),
        Column(
            "born",
            gettext_lazy("Born"),
            value=lambda study: reading.shown_date(study.birth_date),
            sort="birth_date",
            shown=False,
        ),
        Column("sex", gettext_lazy("Sex"), value="sex", sort="sex", shown=False),
        Column(
            "date",
            gettext_lazy("Study date"),
            sort=("study_date", "study_time"),
            template="archive/cells/study_date.html",
            csv=lambda study: reading.shown_date(study.study_date),
            shrink=True,
        ),
        Column(
            "modality",
            gettext_lazy("Modality"),
            template="archive/cells/modalities.html",
            csv=lambda study: " ".join(study.modalities),
            sort="modalities",
        ),
        Column(
            "description",
            gettext_lazy("Description"),
            value="description",
            sort="description",
            template="archive/cells/description.html",
            csv=lambda study: study.description,
        ),
        Column(
            "body",
            gettext_lazy("Body part"),
            value=lambda study: ", ".join(study.body_parts),
            sort="body_parts",
            shown=False,
        ),
        Column("accession", gettext_lazy("Accession"), value="accession_number", sort="accession_number"),
        Column(
            "referrer",
            gettext_lazy("Referrer"),
            value=lambda study: reading.person_name(study.referring_physician_name),
            sort="referring_physician_name",
            shown=False,
        ),
        Column("series", gettext_lazy("Series"), value="series_count", sort="series_count", kind="number", shown=False),
        Column("images", gettext_lazy("Images"), value="instance_count", sort="instance_count", kind="number"),
        Column("size", gettext_lazy("Size"), value="size_bytes", sort="size_bytes", kind="size", shown=False),
        Column(
            "priors",
            gettext_lazy("Others"),
            template="archive/cells/priors.html",
            hint=gettext_lazy("Other studies of the same patient in this archive"),
            csv=lambda study: getattr(study, "prior_count", ""),
            kind="number",
        ),
        Column(
            "received",
            gettext_lazy("Received"),
            value="last_received_at",
            sort="last_received_at",
            kind="date",
            template="archive/cells/received.html",
            csv=lambda study: study.last_received_at.isoformat(timespec="seconds"),
        ),
        Column(
            "uid",
            gettext_lazy("Study UID"),
            value="study_instance_uid",
            sort="study_instance_uid",
            kind="uid",
            shown=False,
        ),
        Column(
            "details",
            gettext_lazy("Details"),
            template="archive/cells/study_actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    filters = (
        ListedValue("modality", gettext_lazy("Modality"), field="modalities", series_field="modality"),
        DateRange("date", gettext_lazy("Study date"), field="study_date_parsed"),
        ListedValue("body", gettext_lazy("Body part"), field="body_parts", series_field="body_part"),
        Flag("new", gettext_lazy("Last 24 hours"), condition=Q(last_received_at__gte=Now() - timedelta(hours=24))),
        Flag("arriving", gettext_lazy("Still arriving"), condition=Q(settled_at=None)),
        One("patient", gettext_lazy("Patient"), field="patient__public_id", shown=gettext_lazy("one patient")),
    )
    default_sort = "-received"
    search_label = gettext_lazy("Name, ID, accession, description or UID")
    selectable = True
    bulk_template = "archive/study_list_bulk.html"
    card_template = "archive/cells/study_card.html"
    empty_template = "archive/study_list_empty.html"

    def __init__(self, **given: Any) -> None:
        context = given["context"]
        user, archive = given["request"].user, context["archive"]
        #: The series that the person sees; None for who sees the whole archive.
        self.seen_series: QuerySet[Series] | None = None
        if not context.get("is_whole_archive") and not may(user, VIEW, archive):
            self.seen_series = visible_to(user, Series.objects.filter(archive=archive), VIEW)
            self.filters = tuple(  # type: ignore[assignment,misc]
                replace(one, seen=self.seen_series) if isinstance(one, ListedValue) else one for one in self.filters
            )
        super().__init__(**given)

    def search(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        """Every word must be found somewhere; each place is asked by its own index."""
        for word in words.split()[:8]:
            found = matching_studies(archive=self.archive, word=word[:LONGEST_WORD], seen=self.seen_series)
            queryset = queryset.filter(pk__in=found)
        return queryset

    def options_of(self, bound: Bound) -> Sequence[Option]:
        """A list too long to be counted offers values without counts. Where it is a whole archive they are those of its
        series, which an index tells at once; whatever narrows it, the rows themselves are asked."""
        one = bound.filter
        is_whole = bool(self.context.get("is_whole_archive")) and not self.is_narrowed_besides(one)
        if isinstance(one, ListedValue) and is_whole and not self.is_counted:
            return one.options_within(self.archive, bound.state)
        return super().options_of(bound)

    @property
    def archive(self) -> Archive:
        found: Archive = self.context["archive"]
        return found

    def row_url(self, row: Study) -> str:
        return row.viewer_url or row.detail_url  # type: ignore[attr-defined]

    def row_drawer(self, row: Study) -> str:
        return f"{row.detail_url}?part=drawer"  # type: ignore[attr-defined]

    def row_label(self, row: Study) -> str:
        return _("%(name)s, %(date)s") % {
            "name": reading.person_name(row.patient_name) or row.patient.patient_id or _("no name"),
            "date": reading.shown_date(row.study_date),
        }

    def prepare(self, rows: Sequence[Any]) -> None:
        organisation = self.archive.organisation.slug
        seen = self.seen_series
        pictures = thumbnails([row.pk for row in rows], seen=seen)
        own = None if seen is None else queries.studies(user=self.request.user, archive=self.archive)
        counts = prior_counts(rows, seen=own)
        if seen is not None:
            count_seen(rows, user=self.request.user, seen=seen)
        before = None
        grouped = self.sort_column is not None and self.sort_column.key == "patient"
        for row in rows:
            row.viewer_url = viewer_url(organisation=organisation, study=row)
            row.detail_url = detail_url(organisation=organisation, archive=self.archive, study=row)
            row.thumbnail_url = pictures.get(row.pk, "")
            row.prior_count = counts.get(row.patient_id, 1) - 1
            row.is_same_patient = grouped and row.patient_id == before
            before = row.patient_id

    def exported(self, *, rows: int) -> None:
        audit.record(
            action="study.list_exported",
            organisation=self.archive.organisation,
            target=self.archive,
            detail={"archive": self.archive.slug, "count": rows},
            request=self.request,
        )


def detail_url(*, organisation: str, archive: Archive, study: Study) -> str:
    return reverse(
        "archive:study", kwargs={"organisation": organisation, "archive": archive.slug, "study": study.public_id}
    )


def count_seen(rows: Sequence[Any], *, user: Any, seen: QuerySet[Series]) -> None:
    """Make the rows of a page say what the person sees of each study, and nothing of the rest. Changes them in memory."""
    series: dict[int, list[Series]] = {}
    for one in seen.filter(study__in=rows).order_by("modality", "body_part"):
        series.setdefault(one.study_id, []).append(one)
    images = visible_to(user, Instance.objects.filter(study__in=rows), VIEW).order_by()
    counted = {row["study"]: row for row in images.values("study").annotate(n=Count("pk"), size=Sum("size_bytes"))}
    for row in rows:
        own = series.get(row.pk, [])
        row.modalities = [one for one in dict.fromkeys(item.modality for item in own) if one]
        row.body_parts = [one for one in dict.fromkeys(item.body_part for item in own) if one]
        row.series_count = len(own)
        row.instance_count = counted.get(row.pk, {}).get("n", 0)
        row.size_bytes = counted.get(row.pk, {}).get("size") or 0


def thumbnails(study_ids: Sequence[int], *, seen: QuerySet[Series] | None = None) -> dict[int, str]:
    """The address of one picture for each study: of its largest series that has one, among those `seen` (None: all)."""
    rows = (
        (Series.objects.all() if seen is None else seen)
        .filter(study_id__in=study_ids)
        .exclude(thumbnail_key="")
        .order_by("study_id", "-instance_count", "pk")
        .distinct("study_id")
        .select_related("organisation")
        .only("study_id", "public_id", "version", "organisation__slug", "instance_count")
    )
    return {row.study_id: thumbnail_url(row) for row in rows}


def thumbnail_url(series: Series) -> str:
    """The address holds the version: the browser may keep the picture for ever."""
    path = reverse("archive:thumbnail", kwargs={"organisation": series.organisation.slug, "series": series.public_id})
    return f"{path}?v={series.version}"


def prior_counts(rows: Sequence[Study], *, seen: QuerySet[Study] | None = None) -> dict[int, int]:
    """How many studies each patient of the page has, among those `seen` (None: all)."""
    counted = (
        (Study.objects.all() if seen is None else seen)
        .filter(patient_id__in={row.patient_id for row in rows})
        .order_by()
        .values("patient_id")
        .annotate(n=Count("pk"))
    )
    return {row["patient_id"]: row["n"] for row in counted}


def matching_studies(*, archive: Archive, word: str, seen: QuerySet[Series] | None = None) -> QuerySet[Any]:
    """Primary keys of an archive's studies in which a word occurs: one indexed search a place, put together.

    `seen` are the series that the person sees; None for who sees all of them.
    """
    studies = Study.objects.filter(archive=archive).order_by()
    patients = Patient.objects.filter(archive=archive).order_by()
    folded = fold(word)
    places = [
        studies.filter(patient__in=patients.filter(patient_id__icontains=word).values("pk")),
        studies.filter(description__icontains=word),
        studies.filter(accession_number__icontains=word),
    ]
    if folded:
        places.append(studies.filter(search_name__contains=folded))
    if UID_WORD.match(word):
        places.append(studies.filter(study_instance_uid__startswith=word))
        series = Series.objects.filter(archive=archive) if seen is None else seen
        places.append(studies.filter(pk__in=series.filter(series_instance_uid=word).order_by().values("study_id")))
        inside = Instance.objects.filter(archive=archive, sop_instance_uid=word)
        if seen is not None:
            inside = inside.filter(series__in=seen.order_by().values("pk"))
        places.append(studies.filter(pk__in=inside.values("study_id")))
    keys = [place.values("pk") for place in places]
    return keys[0].union(*keys[1:])
