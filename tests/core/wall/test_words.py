"""Words are found by an index behind the wall, and the index shows nothing that the wall hides."""

from __future__ import annotations

import io
import re
from typing import NamedTuple

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import DatabaseError, ProgrammingError, connection, transaction

from access.services import grant_role
from archive.lists import matching_studies
from archive.models import Archive, Study
from core import wall
from core.db import leakproof
from core.tenancy import all_tenants, signed_in, tenant
from dicomweb.domain.query import parse
from dicomweb.queries import search_studies
from pacsweb.env import ROOT
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_archive, make_series
from tests.core.wall.raw_sql import ask, number

pytestmark = pytest.mark.django_db

# Table, condition with a word in it, index.
PLACES = [
    ("archive_patient", "search_name LIKE '%QUARTZ%'", "patient_search_name"),
    ("archive_patient", "UPPER(patient_id::text) LIKE UPPER('%quartz%')", "patient_id_search"),
    ("archive_study", "UPPER(description::text) LIKE UPPER('%quartz%')", "study_description_search"),
    ("archive_study", "UPPER(accession_number::text) LIKE UPPER('%quartz%')", "study_accession_search"),
]
# Whatever a person may type: no pattern of ours may end in an open escape, the one thing that LIKE refuses.
HOSTILE = ["\\", "\\\\", "Quartz\\", "Quartz^Ours\\", "%", "_", "\\%", "%\\", "*\\", "\\*", "'", "Quartz'; --", "\\_*"]


class Two(NamedTuple):
    ours: Archive
    theirs: Archive


@pytest.fixture
def two() -> Two:
    """The same word in every place that is searched, in both organisations: one study of ours, two of theirs."""
    both = Two(make_archive(), make_archive())
    for archive, names in ((both.ours, ["Ours"]), (both.theirs, ["Theirs", "Secret"])):
        for name in names:
            elements = {"PatientID": f"Quartz-{name}", "StudyDescription": f"Knee quartz {name}"}
            elements |= {"PatientName": f"Quartz^{name}", "AccessionNumber": f"quartz{name}"}
            deliver(archive, make_series(count=1, **elements))
    return both


def by_index(table: str, condition: str) -> str:
    ask("SET LOCAL enable_seqscan = off")
    return "\n".join(line for (line,) in ask(f"EXPLAIN SELECT id FROM {table} WHERE {condition}".replace("%", "%%")))


def count(table: str, condition: str) -> int:
    return number(f"SELECT count(*) FROM {table} WHERE {condition}".replace("%", "%%"))


@pytest.mark.parametrize(("table", "condition", "index"), PLACES, ids=[place[2] for place in PLACES])
def test_the_index_gives_no_row_of_another_organisation(two: Two, table: str, condition: str, index: str) -> None:
    places = [
        (tenant(two.ours.organisation), 1),
        (tenant(two.theirs.organisation), 2),
        (signed_in(user_id=None), 0),  # nowhere
        (tenant(make_archive().organisation), 0),
        (all_tenants(), 3),
    ]
    for place, expected in places:
        with place:
            # No condition on the organisation but the wall's own.
            plan = by_index(table, condition)
            assert f"Bitmap Index Scan on {index}" in plan and "organisation_id =" in plan
            assert count(table, condition) == expected


@pytest.mark.parametrize(("table", "condition", "index"), PLACES, ids=[place[2] for place in PLACES])
def test_nothing_of_another_organisation_is_changed_through_the_index(
    two: Two, table: str, condition: str, index: str
) -> None:
    with tenant(two.ours.organisation):
        by_index(table, condition)
        changed = ask(
            f"UPDATE {table} SET public_id = 'changed' WHERE {condition} RETURNING organisation_id".replace("%", "%%")
        )
        assert changed == [(two.ours.organisation.pk,)]
    with tenant(two.theirs.organisation):
        assert number(f"SELECT count(*) FROM {table} WHERE public_id = 'changed'") == 0


def test_a_search_in_another_organisations_archive_finds_nothing(two: Two) -> None:
    with tenant(two.ours.organisation):
        assert set(matching_studies(archive=two.ours, word="quartz").values_list("pk", flat=True)) == set(
            Study.objects.values_list("pk", flat=True)
        )
        assert list(matching_studies(archive=two.theirs, word="quartz")) == []
        everything = connection.ops.quote_name(Study._meta.db_table)
        for archive in two:
            found = ask(
                f"SELECT organisation_id FROM {everything} WHERE archive_id = %s AND UPPER(description) LIKE %s",
                archive.pk, "%QUARTZ%",
            )  # fmt: skip
            assert found == ([(two.ours.organisation.pk,)] if archive is two.ours else [])


def test_a_function_that_is_not_marked_sees_nothing_of_another_organisation(two: Two) -> None:
    # What the wall is there for: a condition that is cheaper than the policy and tells what it was asked about.
    ask("CREATE TEMPORARY TABLE seen (name text)")
    ask(
        "CREATE FUNCTION peek(name text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS "
        "$$ BEGIN INSERT INTO seen VALUES (name); RETURN true; END $$"
    )
    with tenant(two.ours.organisation):
        for condition in ("peek(search_name)", "peek(search_name) AND search_name LIKE '%QUARTZ%'"):
            assert count("archive_patient", condition) == 1
    assert {name for (name,) in ask("SELECT name FROM seen")} == {"QUARTZ OURS"}


def test_the_application_cannot_mark_a_function_itself() -> None:
    for statement in (
        "ALTER FUNCTION pg_catalog.lower(text) LEAKPROOF",
        "CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'",
    ):
        with pytest.raises(ProgrammingError, match=r"must be owner|only superuser"), transaction.atomic():
            ask(statement)


def test_only_what_we_argue_for_is_marked() -> None:
    made = "SELECT count(*) FROM pg_proc WHERE proleakproof AND pronamespace <> 'pg_catalog'::regnamespace"
    assert number(made) == 0
    # The neighbours of what is marked, which could be marked by a mistaken name, are as PostgreSQL made them.
    marked = ask(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE proleakproof AND proname IN "
        "('textlike', 'textnlike', 'texticlike', 'like', 'namelike', 'bpcharlike', 'upper', 'lower', 'textregexeq')"
    )
    assert {name for (name,) in marked} == {"textlike(text,text)", "upper(text)"}


@pytest.mark.parametrize("word", HOSTILE)
def test_no_pattern_of_ours_is_refused_because_of_what_a_row_holds(two: Two, word: str) -> None:
    reader = make_member(two.ours.organisation)
    grant_role(actor=None, container=two.ours, role="reader", user=reader)
    with tenant(two.ours.organisation):
        for found in (matching_studies(archive=two.ours, word=word), matching_studies(archive=two.theirs, word=word)):
            assert set(found.values_list("pk", flat=True)) <= set(Study.objects.values_list("pk", flat=True))
        for keyword in ("PatientName", "PatientID", "StudyDescription", "AccessionNumber"):
            # A pattern that matches up to its last character, and one that goes on.
            for typed in (f"*{word}", f"*{word}*"):
                page = search_studies(user=reader, archive=two.ours, query=parse([(keyword, typed)]), most=10)
                assert {row.archive_id for row in page.rows} <= {two.ours.pk}


def test_what_is_refused_quotes_no_row(two: Two) -> None:
    """The one thing that LIKE refuses depends on what it compares: the refusal itself must tell no more than that."""
    with tenant(two.ours.organisation), pytest.raises(DatabaseError) as refused, transaction.atomic():
        ask("SET LOCAL enable_bitmapscan = off")  # the index would find no such row to compare
        ask("SELECT count(*) FROM archive_patient WHERE search_name LIKE %s", "QUARTZ OUR\\")
    assert not re.search("quartz|ours|theirs|secret", str(refused.value), re.IGNORECASE)


def test_without_the_marks_searches_are_slow_and_whole_and_an_administrator_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert wall.slow_searches(connection) == ""
    monkeypatch.setattr(leakproof, "FUNCTIONS", ("pg_catalog.lower(text)",))
    (warning,) = run_checks(tags=["database"], databases=["default"])
    assert warning.id == "pacsweb.search.slow" and not warning.is_serious()
    assert warning.hint is not None and all(statement in warning.hint for statement in leakproof.STATEMENTS)
    wall.require_walls(connection)
    written = io.StringIO()
    call_command("walls", stdout=written)
    assert "The wall stands" in written.getvalue() and leakproof.STATEMENTS[0] in written.getvalue()


def test_whoever_brings_a_database_is_told_the_same_statements() -> None:
    for place in ("docker/database-role.sh", "docs/operations.md"):
        text = (ROOT / place).read_text(encoding="utf-8")
        for statement in leakproof.STATEMENTS:
            assert f"{statement};" in text, place
