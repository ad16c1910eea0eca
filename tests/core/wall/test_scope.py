"""The scope that the wall goes by follows the code: through transactions, threads, cursors, tasks and streams."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection, connections, transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from access.middleware import OrganisationMiddleware
from access.models import Organisation
from core.models import Job
from core.tasks import task
from core.tenancy import all_tenants, carried, signed_in, tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.core.wall.raw_sql import MEMBERS, ask, number

pytestmark = pytest.mark.django_db


@pytest.fixture
def two() -> tuple[Organisation, Organisation]:
    ours, theirs = make_organisation(), make_organisation()
    make_member(ours)
    make_member(theirs)
    make_member(theirs)
    return ours, theirs


def test_scopes_nest_and_come_back(two: tuple[Organisation, Organisation]) -> None:
    ours, theirs = two
    assert number(MEMBERS) == 0
    with tenant(ours):
        assert number(MEMBERS) == 1
        with tenant(theirs):
            assert number(MEMBERS) == 2
            with all_tenants():
                assert number(MEMBERS) == 3
            assert number(MEMBERS) == 2
        assert number(MEMBERS) == 1
    assert number(MEMBERS) == 0


def test_rollback_to_a_savepoint_leaves_no_scope_behind(two: tuple[Organisation, Organisation]) -> None:
    ours, theirs = two
    with tenant(ours):
        assert number(MEMBERS) == 1
        with pytest.raises(ZeroDivisionError), transaction.atomic(), tenant(theirs):
            assert number(MEMBERS) == 2
            raise ZeroDivisionError
        assert number(MEMBERS) == 1
    with pytest.raises(ZeroDivisionError), tenant(theirs), transaction.atomic():
        assert number(MEMBERS) == 2
        raise ZeroDivisionError
    assert number(MEMBERS) == 0


def test_a_failed_statement_leaves_no_scope_behind(two: tuple[Organisation, Organisation]) -> None:
    ours, theirs = two
    with tenant(ours):
        assert number(MEMBERS) == 1
        with pytest.raises(DatabaseError), tenant(theirs), transaction.atomic():
            assert number(MEMBERS) == 2
            ask("SELECT 1/0")
        assert number(MEMBERS) == 1


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_transaction_leaves_no_scope_behind(two: tuple[Organisation, Organisation]) -> None:
    ours, theirs = two
    with tenant(ours):
        assert number(MEMBERS) == 1
        with transaction.atomic(), tenant(theirs):
            assert number(MEMBERS) == 2
        assert number(MEMBERS) == 1
        with pytest.raises(ZeroDivisionError), transaction.atomic(), tenant(theirs):
            assert number(MEMBERS) == 2
            raise ZeroDivisionError
        assert number(MEMBERS) == 1
        with transaction.atomic():
            with tenant(theirs):
                assert number(MEMBERS) == 2
            with transaction.atomic():
                assert number(MEMBERS) == 1
        ask("BEGIN")
        with tenant(theirs):
            assert number(MEMBERS) == 2
        ask("ROLLBACK")
        assert number(MEMBERS) == 1
    with transaction.atomic():
        assert number(MEMBERS) == 0
    with all_tenants(), transaction.atomic():
        assert number(MEMBERS) == 3
        connection.connection.rollback()
    assert number(MEMBERS) == 0


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_somebody_else_spoke_on_is_not_believed(
    two: tuple[Organisation, Organisation], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _theirs = two
    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-c pacsweb.reach=all")
    try:
        assert number(MEMBERS) == 0
        with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}) as plain:
            assert plain.execute("SELECT current_setting('pacsweb.reach')").fetchone() == ("all",)
        with tenant(ours):
            assert number(MEMBERS) == 1
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_threads_have_scopes_of_their_own(two: tuple[Organisation, Organisation]) -> None:
    ours, theirs = two
    seen: dict[str, list[int]] = {"ours": [], "theirs": [], "nobody": []}

    def look(name: str, place: Any) -> None:
        try:
            with place:
                seen[name] += [number(MEMBERS) for _turn in range(20)]
        finally:
            connections.close_all()

    with tenant(theirs):
        places = {"ours": tenant(ours), "theirs": tenant(theirs), "nobody": signed_in(user_id=None)}
        threads = [threading.Thread(target=look, args=item) for item in places.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {name: set(counts) for name, counts in seen.items()} == {"ours": {1}, "theirs": {2}, "nobody": {0}}


@pytest.mark.parametrize("is_transaction", [True, False], ids=["in a transaction", "in autocommit"])
@pytest.mark.django_db(transaction=True)
def test_a_cursor_of_the_server_keeps_the_scope_it_was_opened_in(
    two: tuple[Organisation, Organisation], is_transaction: bool
) -> None:
    ours, theirs = two
    with tenant(theirs):
        make_jobs(theirs, 7)
    make_jobs(ours, 2)
    if is_transaction:
        with transaction.atomic():
            _walk(ours, theirs)
    else:
        _walk(ours, theirs)


def make_jobs(organisation: Organisation, count: int) -> None:
    owner = make_user()
    with tenant(organisation):
        Job.objects.bulk_create(
            Job(organisation=organisation, owner=owner, kind="test", title=str(n)) for n in range(count)
        )


def _walk(ours: Organisation, theirs: Organisation) -> None:
    with tenant(theirs):
        rows = Job._base_manager.order_by("title").iterator(chunk_size=2)
        found = [next(rows)]
        with tenant(ours):
            assert number("SELECT count(*) FROM core_job") == 2
            found += list(rows)
            assert number("SELECT count(*) FROM core_job") == 2
        assert number("SELECT count(*) FROM core_job") == 7
    assert [row.organisation_id for row in found] == [theirs.pk] * 7


def test_executemany_stream_and_copy_out_are_scoped(two: tuple[Organisation, Organisation]) -> None:
    ours, theirs = two
    make_jobs(ours, 3)
    make_jobs(theirs, 4)
    with tenant(ours), connection.cursor() as cursor:
        cursor.executemany("UPDATE core_job SET message = %s", [("one",), ("two",)])
        with cursor.copy("COPY (SELECT message FROM core_job) TO STDOUT") as out:
            assert [row[0] for row in out.rows()] == ["two"] * 3
        assert len(list(cursor.stream("SELECT 1 FROM core_job"))) == 3
    with tenant(theirs):
        assert number("SELECT count(*) FROM core_job WHERE message = ''") == 4


def test_a_task_sees_its_own_organisation_only(two: tuple[Organisation, Organisation]) -> None:
    ours, _theirs = two
    seen = []

    @task()
    def count_members(*, organisation_id: int) -> None:
        seen.append(number(MEMBERS))

    @task(installation_wide=True)
    def count_all_members() -> None:
        seen.append(number(MEMBERS))

    count_members(organisation_id=ours.pk)
    count_all_members()
    assert seen == [1, 3]
    assert number(MEMBERS) == 0


def test_a_streamed_body_is_made_in_the_scope_of_its_request(two: tuple[Organisation, Organisation]) -> None:
    ours, theirs = two
    member = make_member(ours)
    make_member(ours)

    def body() -> Iterator[str]:
        for _piece in range(2):
            yield f"{number(MEMBERS)} "

    def answer(request: Any) -> StreamingHttpResponse:
        return StreamingHttpResponse(body())

    request = RequestFactory().get(f"/o/{ours.slug}/")
    request.user = member
    request.session = {}  # type: ignore[assignment]
    response = OrganisationMiddleware(answer)(request)
    assert isinstance(response, StreamingHttpResponse)
    pieces = iter(response.streaming_content)
    with tenant(theirs):
        assert next(pieces) == b"3 "  # type: ignore[call-overload]
        assert number(MEMBERS) == 2
    assert next(pieces) == b"3 "  # type: ignore[call-overload]
    assert number(MEMBERS) == 0


def test_what_is_carried_is_closed_in_its_scope(two: tuple[Organisation, Organisation]) -> None:
    ours, _theirs = two
    seen = []

    def items() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            seen.append(number(MEMBERS))

    with tenant(ours):
        taken = carried(items())
    assert next(taken) == 1
    taken.close()  # type: ignore[attr-defined]
    assert seen == [1]


def test_nobody_signed_in_is_in_no_scope() -> None:
    def answer(request: Any) -> HttpResponse:
        return HttpResponse(str(number(MEMBERS)))

    make_member(make_organisation())
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert OrganisationMiddleware(answer)(request).content == b"0"


def test_telling_the_scope_is_no_query_and_happens_only_when_it_changes(
    two: tuple[Organisation, Organisation], django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.db.postgresql import base

    spoken = []

    class Speaker(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            spoken.append(query)
            return super().execute(query, *arguments, **options)

    monkeypatch.setattr(base, "Cursor", Speaker)
    ours, theirs = two
    with tenant(theirs):
        number(MEMBERS)
    spoken.clear()
    with django_assert_num_queries(6), tenant(ours):
        for _turn in range(5):
            number(MEMBERS)
        with tenant(theirs):
            pass
        number(MEMBERS)
    assert len(spoken) == 1


def test_the_names_of_groups_behind_roles_say_nothing_outside_a_scope(two: tuple[Organisation, Organisation]) -> None:
    """Their table is Django's, belongs to no organisation, and is read with every right that is asked about."""
    names = [name for (name,) in ask("SELECT name FROM auth_group")]
    assert len(names) > 4
    assert not [name for name in names if not re.fullmatch(r"role [0-9a-f]{32}", name)]
