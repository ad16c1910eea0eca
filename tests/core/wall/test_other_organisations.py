"""The wall in the database, by raw SQL on the application's own connection, over every tenant table there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, transaction

from access.models import Membership
from audit import ownership
from core import wall
from core.tenancy import all_tenants, signed_in, tenant
from tests.access.factories import make_member, make_organisation
from tests.core.rows import Rows
from tests.core.wall.raw_sql import ask, number, quote

pytestmark = pytest.mark.django_db


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
            if table in ownership.TABLES:
                continue  # nobody's rows are changed there: tests/audit/test_ownership.py
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
                pytest.raises(DatabaseError, match=r"row-level security|append-only|never changed|permission denied"),
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
