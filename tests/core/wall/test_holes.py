"""Holes in the wall are found, refused and repaired."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection, connections

from audit import ownership
from core import wall
from pacsweb.opened_trail import TrailClosed
from tests import superuser
from tests.access.factories import make_member, make_organisation
from tests.core.wall.raw_sql import MEMBERS, ask, number

pytestmark = pytest.mark.django_db


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


def test_the_command_takes_walls_down_and_puts_them_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    make_member(make_organisation())
    ask("SET CONSTRAINTS ALL IMMEDIATE")
    monkeypatch.setenv("PACSWEB_DATABASE_ADMIN_URL", superuser.url())
    call_command("walls", drop=True, verbosity=0)
    assert number(MEMBERS) == 1
    assert {place for code, place in codes() if code == "off"} == {found.table for found in wall.walls()}
    call_command("walls", build=True, verbosity=0)
    assert number(MEMBERS) == 0
    with superuser.connect() as master, master.cursor() as cursor:
        assert ownership.faults(cursor, role=connection.settings_dict["USER"]) == []


def test_without_a_superuser_no_wall_comes_down_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PACSWEB_DATABASE_ADMIN_URL", raising=False)
    with pytest.raises(TrailClosed, match="set PACSWEB_DATABASE_ADMIN_URL"):
        call_command("walls", drop=True, verbosity=0)
    assert codes() == set()


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
