"""The wall in the database, by raw SQL on the application's own connection, over every tenant table there is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError, ProgrammingError, connection, connections, transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from access.middleware import OrganisationMiddleware
from access.models import Membership, Organisation
from core import wall
from core.models import Job
from core.tasks import task
from core.tenancy import all_tenants, carried, signed_in, tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.core.rows import Rows

pytestmark = pytest.mark.django_db


def ask(sql: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else [(cursor.rowcount,)]


def number(sql: str, *parameters: Any) -> int:
    return int(ask(sql, *parameters)[0][0])


def quote(name: str) -> str:
    return connection.ops.quote_name(name)


@pytest.fixture
def both() -> tuple[Rows, Rows]:
    return Rows.of_everything(), Rows.of_everything()


def each(rows: Rows) -> Iterator[tuple[str, str, Any]]:
    for table, row in sorted(rows.made.items()):
        yield table, quote(row._meta.pk.column), row.pk  # type: ignore[union-attr]


def test_every_tenant_table_has_a_row_to_try_the_wall_with(both: tuple[Rows, Rows]) -> None:
    ours, _theirs = both
    assert set(ours.made) == {found.table for found in wall.walls()}
    assert len(ours.made) >= 50


def test_nothing_of_another_organisation_is_read_or_counted(both: tuple[Rows, Rows]) -> None:
    ours, theirs = both
    with tenant(ours.organisation):
        for table, key, pk in each(ours):
            assert number(f"SELECT count(*) FROM {quote(table)} WHERE {key} = %s", pk) == 1, table
        for table, key, pk in each(theirs):
            assert number(f"SELECT count(*) FROM {quote(table)} WHERE {key} = %s", pk) == 0, table
        counts = {table: number(f"SELECT count(*) FROM {quote(table)}") for table in ours.made}
    with all_tenants():
        for table, key, pk in each(theirs):
            assert number(f"SELECT count(*) FROM {quote(table)} WHERE {key} = %s", pk) == 1, table
            assert number(f"SELECT count(*) FROM {quote(table)}") > counts[table], table


def test_nothing_of_another_organisation_is_changed_or_deleted(both: tuple[Rows, Rows]) -> None:
    ours, theirs = both
    with tenant(ours.organisation):
        for table, key, pk in each(theirs):
            assert number(f"UPDATE {quote(table)} SET {key} = {key} WHERE {key} = %s", pk) == 0, table
            assert number(f"DELETE FROM {quote(table)} WHERE {key} = %s", pk) == 0, table
            assert number(f"SELECT count(*) FROM (SELECT 1 FROM {quote(table)} WHERE {key} = %s FOR UPDATE) x", pk) == 0


def test_no_row_is_put_into_another_organisation(both: tuple[Rows, Rows]) -> None:
    ours, theirs = both
    copies = {}
    with all_tenants():
        for table, key, pk in each(theirs):
            (copies[table],) = ask(f"SELECT row_to_json(x)::text FROM {quote(table)} x WHERE {key} = %s", pk)[0]
    generated = {table: _generated(row) for table, row in theirs.made.items()}
    for place in (tenant(ours.organisation), signed_in(user_id=None)):
        with place:
            for table, copy in copies.items():
                # What the row may not be is asked before its keys: the copy of a row that exists is refused as foreign.
                columns = ", ".join(quote(name) for name in json.loads(copy) if name not in generated[table])
                with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
                    ask(
                        f"INSERT INTO {quote(table)} ({columns}) OVERRIDING SYSTEM VALUE "
                        f"SELECT {columns} FROM json_populate_record(NULL::{quote(table)}, %s)",
                        copy,
                    )


def _generated(row: Any) -> set[str]:
    return {column.column for column in row._meta.concrete_fields if getattr(column, "generated", False)}


def test_no_row_moves_to_another_organisation(both: tuple[Rows, Rows]) -> None:
    ours, theirs = both
    tried = 0
    with tenant(ours.organisation):
        for table, key, pk in each(ours):
            if not any(column.column == "organisation_id" for column in ours.made[table]._meta.concrete_fields):
                continue
            statement = f"UPDATE {quote(table)} SET organisation_id = %s WHERE {key} = %s"
            with (
                pytest.raises(DatabaseError, match=r"row-level security|append-only|never changed"),
                transaction.atomic(),
            ):
                ask(statement, theirs.organisation.pk, pk)
            tried += 1
    assert tried >= 40


def test_outside_every_scope_no_table_has_a_row(both: tuple[Rows, Rows]) -> None:
    for table in both[0].made:
        assert number(f"SELECT count(*) FROM {quote(table)}") == 0, table


def test_a_persons_own_membership_is_theirs_to_read_anywhere_and_nothing_more() -> None:
    organisation, other = make_organisation(), make_organisation()
    member = make_member(organisation)
    make_member(other)
    with signed_in(user_id=member.pk):
        assert [row.user_id for row in Membership.objects.all()] == [member.pk]
        assert Membership.objects.update(is_active=False) == 0
        assert Membership.objects.all().delete()[0] == 0
        with tenant(other):
            assert {row.organisation_id for row in Membership.objects.all()} == {organisation.pk, other.pk}


# The scope follows the code ------------------------------------------------------------------------------------------


@pytest.fixture
def two() -> tuple[Organisation, Organisation]:
    ours, theirs = make_organisation(), make_organisation()
    make_member(ours)
    make_member(theirs)
    make_member(theirs)
    return ours, theirs


MEMBERS = "SELECT count(*) FROM access_membership"


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


# Holes are found ------------------------------------------------------------------------------------------------------


def codes() -> set[tuple[str, str]]:
    return {(fault.code, fault.place) for fault in wall.faults(connection)}


def test_the_wall_stands() -> None:
    assert wall.faults(connection) == []
    assert run_checks(tags=["database"], databases=["default"]) == []
    call_command("walls", verbosity=0)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("ALTER TABLE core_job DISABLE ROW LEVEL SECURITY", "off"),
        ("ALTER TABLE core_job NO FORCE ROW LEVEL SECURITY", "unforced"),
        ("DROP POLICY pacsweb_tenant ON core_job", "missing"),
        ("ALTER POLICY pacsweb_tenant ON core_job USING (true)", "altered"),
        ("ALTER POLICY pacsweb_tenant ON core_job WITH CHECK (true)", "altered"),
        ("ALTER POLICY pacsweb_tenant ON core_job TO CURRENT_USER", "altered"),
        ("COMMENT ON POLICY pacsweb_tenant ON core_job IS NULL", "altered"),
        ("CREATE POLICY open ON core_job USING (true)", "foreign"),
    ],
)
def test_each_hole_is_found_refused_and_repaired(statement: str, code: str) -> None:
    ask(statement)
    assert codes() == {(code, "core_job")}
    (error,) = run_checks(tags=["database"], databases=["default"])
    assert (error.id, error.obj) == (f"pacsweb.wall.{code}", "core_job")
    with pytest.raises(wall.WallDown, match="core_job"):
        wall.require_walls(connection)
    with pytest.raises(CommandError, match="1 hole"):
        call_command("walls")
    assert wall.raise_walls(connection) == ["core_job"]
    assert codes() == set()


def test_a_table_of_organisations_that_no_model_knows_is_a_hole() -> None:
    ask("CREATE TABLE left_over (id bigint PRIMARY KEY, organisation_id bigint NOT NULL)")
    assert codes() == {("unknown", "left_over")}


def test_a_table_that_is_not_there_is_a_hole() -> None:
    ask("ALTER TABLE core_job RENAME TO elsewhere")
    assert ("absent", "core_job") in codes()


@pytest.mark.parametrize("right", ["rolsuper", "rolbypassrls"])
def test_a_role_that_the_wall_does_not_bind_is_refused(right: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The application's role cannot make itself a superuser, so the catalogue is stood in for.
    roles = f"(SELECT oid, rolname, {right == 'rolsuper'} AS rolsuper, {right == 'rolbypassrls'} AS rolbypassrls FROM pg_roles)"
    monkeypatch.setattr(wall, "ROLE", wall.ROLE.replace("pg_roles", roles))
    assert ("role", connection.settings_dict["USER"]) in codes()
    with pytest.raises(wall.WallDown, match="SUPERUSER and BYPASSRLS"):
        wall.require_walls(connection)


def test_walls_come_down_and_go_up_again() -> None:
    make_member(make_organisation())
    ask("SET CONSTRAINTS ALL IMMEDIATE")
    dropped = wall.drop_walls(connection)
    assert set(dropped) == {found.table for found in wall.walls()}
    assert number(MEMBERS) == 1
    assert set(wall.raise_walls(connection)) == set(dropped)
    assert number(MEMBERS) == 0


def test_the_processes_refuse_to_serve_with_a_hole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pacsweb import start

    monkeypatch.setattr(connections, "close_all", lambda: None)
    start.refuse_without_walls()
    ask("ALTER TABLE core_job NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(SystemExit, match="1"):
        start.refuse_without_walls()
    assert "core_job does not force" in capsys.readouterr().err
    with pytest.raises(CommandError, match="core_job does not force"):
        call_command("run_dimse")
