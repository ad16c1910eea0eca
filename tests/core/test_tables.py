"""Lists: what the address may say, what comes of nonsense, and what a page costs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.db.models.functions import Upper
from django.test import RequestFactory
from django.utils import timezone
from django.utils.translation import ngettext_lazy

from access.models import Organisation, User
from core import jobs
from core.models import Job
from core.tables import Choice, Column, DateRange, Flag, Table, Text
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db


class SampleTable(Table):
    key = "sample"
    noun = ngettext_lazy("%(n)s job", "%(n)s jobs", "n")
    columns = (
        Column("title", "Title", sort="title", primary=True),
        Column("state", "State", sort="state"),
        Column("done", "Done", sort="done", kind="number"),
        Column("created", "Started", sort="created_at", value="created_at", kind="date"),
        Column("kind", "Kind", shown=False),
    )
    filters = (
        Choice("state", "State", choices=Job.State.choices),
        Choice("kind", "Kind"),
        DateRange("day", "Day", field="created_at", is_moment=True),
        Flag("large", "Large", Q(total__gte=50)),
        Text("word", "Word", fields=("title",)),
    )
    search_fields = ("title", "message")
    default_sort = "title"
    default_size = 25

    def row_url(self, row: Job) -> str:
        return f"/{row.pk}/"


@pytest.fixture
def place() -> Organisation:
    return make_organisation()


@pytest.fixture
def owner(place: Organisation) -> User:
    return make_member(place)


def make_jobs(*, place: Organisation, owner: User, number: int) -> None:
    with tenant(place):
        for at in range(number):
            job = jobs.start(organisation=place, owner=owner, kind="ab"[at % 2], title=f"Job {at:03d}", total=at)
            Job.objects.filter(pk=job.pk).update(done=at // 10, state="running" if at % 3 == 0 else "queued")


def table(place: Organisation, query: str = "", *, user: User | None = None, **headers: Any) -> SampleTable:
    request = RequestFactory().get(f"/list/?{query}", headers=headers)
    request.organisation = place  # type: ignore[attr-defined]
    request.user = user or AnonymousUser()
    return SampleTable(request=request, queryset=Job.objects.all())


def titles(found: SampleTable) -> list[str]:
    return [row.object.title for row in found.rows]


def test_words_filters_and_order_work_together(place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=60)
    with tenant(place):
        found = table(place, "q=job+03&state=running&sort=-title&large=")
        assert titles(found) == ["Job 039", "Job 036", "Job 033", "Job 030", "Job 003"]
        assert found.count_words == "5 jobs"
        assert titles(table(place, "word=05&large=1&kind=b")) == ["Job 051", "Job 053", "Job 055", "Job 057", "Job 059"]


def test_ties_are_settled_so_that_pages_never_overlap(place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=60)
    with tenant(place):
        seen = [title for page in (1, 2, 3) for title in titles(table(place, f"sort=state&page={page}"))]
    assert len(seen) == len(set(seen)) == 60


def test_rows_without_a_value_come_last_in_both_directions_and_cost_no_index_where_there_are_none(
    place: Organisation, owner: User
) -> None:
    with tenant(place):
        for title in "ab":
            jobs.start(organisation=place, owner=owner, kind="a", title=title, total=1)
        Job.objects.filter(title="b").update(finished_at=timezone.now())
        last = Column("end", "End", sort=("finished_at", "title", "owner__username"))
        for descending in (False, True):
            order = last.ordering(descending=descending, model=Job)
            assert [one.nulls_last for one in order] == [True, None, None]
            assert [row.title for row in Job.objects.order_by(*order)] == ["b", "a"]
        # What is no column of a row, or may be missing on the way to it, may be NULL for all that is known.
        for part in ("added_by_a_query", "title__length", "finished_at__date", Upper("title")):
            (one,) = Column("x", "X", sort=part).ordering(descending=True, model=Job)
            assert one.nulls_last is True
        assert "NULLS" not in str(table(place, "sort=-title").queryset.query)


def test_other_organisations_rows_are_neither_shown_nor_counted(place: Organisation, owner: User) -> None:
    elsewhere = make_organisation()
    make_jobs(place=elsewhere, owner=make_member(elsewhere), number=9)
    make_jobs(place=place, owner=owner, number=2)
    with tenant(place):
        found = table(place)
        assert found.count == 2
        assert [[option.count for option in facet.options] for facet in found.facets][1] == [1, 1]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sort=password", "cannot be sorted by “password”"),
        ("sort=owner__password", "cannot be sorted"),
        ("sort=kind", "cannot be sorted"),
        ("page=0", "no page “0”"),
        ("page=-1", "no page"),
        ("page=x", "no page “x”"),
        ("page=²", "no page"),
        ("page=99999999999999999999", "ends on page 1"),
        ("per=7", "“7” rows"),
        ("per=10000000", "rows are not offered"),
        ("state=gone", "is not a choice of State"),
        ("day_from=yesterday", "is not a date"),
        ("day_to=2026-02-30", "is not a date"),
    ],
)
def test_nonsense_in_the_address_is_left_out_and_said(query: str, said: str, place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=3)
    with tenant(place):
        found = table(place, query)
        assert len(found.rows) == 3
        assert [note for note in found.notes if said in note]


@pytest.mark.parametrize(
    ("page", "shown", "said"),
    [(1, 25, ""), (2, 5, ""), (3, 5, "There is no page 3: the list ends on page 2"), (2000000000, 5, "ends on")],
)
def test_a_page_beyond_the_end_shows_the_last_one_and_says_so(
    page: int, shown: int, said: str, place: Organisation, owner: User
) -> None:
    make_jobs(place=place, owner=owner, number=30)
    with tenant(place):
        found = table(place, f"page={page}")
        assert len(found.rows) == shown
        assert [note for note in found.notes if said in note] if said else not found.notes
        assert found.page == min(page, 2)


@pytest.mark.parametrize(
    "query", ["q=%00", "q=%25_%27%22%3Cscript%3E", f"q={'x' * 5000}", "cols=nothing", "view=grid", "kind=%00"]
)
def test_hostile_words_do_no_harm(query: str, place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=3)
    with tenant(place):
        response = table(place, query).respond("core/table/block.html")
    assert response.status_code == 200
    assert b"<script>" not in response.content


def test_the_cost_of_a_page_does_not_grow_with_its_rows(
    place: Organisation, owner: User, django_assert_num_queries: Any
) -> None:
    make_jobs(place=place, owner=owner, number=3)
    with tenant(place), django_assert_num_queries(4):  # count, page, two counted filters
        found = table(place)
        assert found.count and found.rows and found.facets
    make_jobs(place=place, owner=owner, number=60)
    with tenant(place), django_assert_num_queries(4):
        found = table(place, "per=50")
        assert found.count and len(found.rows) == 50 and found.facets


def test_counting_stops_at_the_limit(place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=60)
    with tenant(place):
        found = table(place)
        found.count_limit = 30  # type: ignore[misc]
        assert found.count_words == "more than 30 jobs"
        assert all(option.count is None for option in found.facets[0].options)


def test_the_list_alone_is_sent_to_htmx_and_the_page_to_everyone_else(place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=1)
    with tenant(place):
        alone = table(place, "", user=owner, HX_Target="table-sample").respond("core/jobs.html").content.decode()
        whole = table(place, user=owner).respond("core/jobs.html").content.decode()
    assert alone.lstrip().startswith("<section")
    assert whole.lstrip().startswith("<!doctype html>")


def test_csv_holds_all_rows_of_the_filter_and_no_formula(place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=60)
    with tenant(place):
        jobs.start(organisation=place, owner=owner, kind="a", title="=HYPERLINK(1)")
        response = table(place, "format=csv&cols=state&q=").respond("core/jobs.html")
        lines = response.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "Title,State"
    assert len(lines) == 62
    assert "'=HYPERLINK(1),queued" in lines
    assert response["Content-Disposition"].startswith("attachment")


def test_chosen_columns_are_remembered_in_a_cookie(place: Organisation, owner: User) -> None:
    make_jobs(place=place, owner=owner, number=1)
    with tenant(place):
        response = table(place, "cols=kind", user=owner).respond("core/jobs.html")
        assert response.cookies["pw_cols_sample"].value == "title.kind"
        request = RequestFactory().get("/list/")
        request.COOKIES["pw_cols_sample"] = "title.kind"
        remembered = SampleTable(request=request, queryset=Job.objects.all())
        assert [column.key for column in remembered.visible_columns] == ["title", "kind"]


def test_addresses_change_one_thing_and_keep_the_rest(place: Organisation) -> None:
    with tenant(place):
        found = table(place, "q=a&state=running&state=queued&page=3&sort=-title&from=demo")
        assert found.address(sort="state") == "/list/?q=a&state=running&state=queued&from=demo&sort=state"
        assert next(address for _chip, address in found.chips) == "/list/?q=a&sort=-title&from=demo&state=queued"
        assert found.cleared == "/list/?sort=-title&from=demo"
        assert ("from", "demo") in found.kept
