"""The application adds to the trail and reads it; the database refuses it everything else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from django.db.utils import DatabaseError

from audit import ownership, services
from audit.models import ChainLink, Event
from audit.tasks import seal_chains
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_organisation

ATTEMPTS = [
    "UPDATE audit_event SET outcome = 'failed'",
    "UPDATE audit_event SET outcome = 'failed' WHERE id = -1",
    "DELETE FROM audit_event",
    "TRUNCATE audit_event CASCADE",
    "TRUNCATE audit_chainlink",
    "TRUNCATE access_organisation CASCADE",
    "UPDATE audit_chainlink SET digest = previous",
    "DELETE FROM audit_chainlink",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE audit_event DISABLE TRIGGER USER",
    "DROP TRIGGER audit_event_append_only ON audit_event",
    "DROP TABLE audit_event CASCADE",
    "DROP SCHEMA public CASCADE",
    "ALTER SCHEMA public RENAME TO gone",
    "ALTER TABLE audit_event RENAME TO gone",
    "ALTER TABLE audit_event DROP COLUMN detail",
    "ALTER TABLE audit_event OWNER TO CURRENT_USER",
    "ALTER TABLE audit_event NO FORCE ROW LEVEL SECURITY",
    "CREATE RULE silence AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "CREATE TRIGGER silence BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_forbid_change()",
    "CREATE OR REPLACE FUNCTION audit_forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "DROP FUNCTION audit_forbid_change() CASCADE",
    "SET session_replication_role = replica",
    "SET ROLE pacsweb_audit",
    "SELECT * FROM audit_event FOR UPDATE",
]


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ATTEMPTS)
def test_the_applications_role_only_adds_and_reads(statement: str) -> None:
    ours, theirs = make_organisation(), make_organisation()
    for organisation in (ours, theirs):
        services.record(action="organisation.changed", organisation=organisation)
    seal_chains()
    with all_tenants(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            cursor.execute(statement)
    assert isinstance(
        refused.value.__cause__, psycopg.errors.InsufficientPrivilege | psycopg.errors.FeatureNotSupported
    )
    with all_tenants():
        assert Event.objects.count() == ChainLink.objects.count() >= 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET outcome = 'failed'",
        "UPDATE audit_event SET outcome = 'failed' WHERE id = -1",
        "DELETE FROM audit_chainlink",
        "DELETE FROM audit_event WHERE id = -1",
        "TRUNCATE audit_event CASCADE",
        "TRUNCATE audit_chainlink",
    ],
)
def test_even_a_superuser_meets_the_triggers(statement: str) -> None:
    services.record(action="organisation.changed", organisation=make_organisation())
    seal_chains()
    with superuser.connect() as master, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        master.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_an_event_is_written_and_sealed_with_these_rights_alone() -> None:
    ours, theirs = make_organisation(), make_organisation()
    services.record(action="organisation.changed", organisation=ours)
    services.record(action="organisation.changed", organisation=theirs)
    seal_chains()
    with all_tenants():
        for organisation in (ours, theirs):
            written = Event.objects.filter(organisation=organisation).values_list("pk", flat=True)
            sealed = ChainLink.objects.filter(organisation=organisation).values_list("event", flat=True)
            assert written and set(written) == set(sealed)


def found_faults() -> set[str]:
    with connection.cursor() as cursor:
        found = ownership.faults(cursor, role=connection.settings_dict["USER"])
    return {f"{one.code} {one.place}" for one in found}


@pytest.fixture
def as_before() -> Any:
    yield
    with superuser.connect() as master, master.cursor() as cursor:
        ownership.hand_over(cursor, role=connection.settings_dict["USER"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("ALTER TABLE audit_event OWNER TO pacsweb", "owner audit_event"),
        ("ALTER FUNCTION audit_forbid_change() OWNER TO pacsweb", "owner audit_forbid_change"),
        ("GRANT UPDATE ON audit_event TO pacsweb", "right audit_event"),
        ("GRANT DELETE ON audit_chainlink TO PUBLIC", "right audit_chainlink"),
        ("GRANT TRUNCATE ON audit_chainlink TO pacsweb", "right audit_chainlink"),
        ("GRANT pacsweb_audit TO pacsweb", "owner audit_event"),
        ("ALTER SCHEMA public OWNER TO pacsweb", "schema public"),
        ("ALTER DATABASE test_pacsweb OWNER TO pacsweb", "database test_pacsweb"),
    ],
)
def test_what_opens_the_trail_is_named_and_put_right(statement: str, fault: str) -> None:
    assert found_faults() == set()
    with superuser.connect() as master, master.cursor() as cursor:
        cursor.execute(statement)
        assert fault in found_faults()
        warnings = run_checks(databases=["default"], tags=["database"])
        assert f"pacsweb.audit.{fault.partition(' ')[0]}" in {one.id for one in warnings}
        ownership.hand_over(cursor, role="pacsweb")
        assert found_faults() == set()
        assert not ownership.hand_over(cursor, role="pacsweb")
