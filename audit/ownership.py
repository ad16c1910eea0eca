"""Who owns the trail in the database: not the role that the application connects as.

The application's role adds events and reads them, nothing else. Whatever could take an event away belongs to others: the
tables and the functions of their triggers to `OWNER`, which nobody can log in as, and the schema to a superuser, because
the owner of a schema (since PostgreSQL 15 the owner of the database) may drop what is in it. Migrations that change these
tables run while the application's role is, for their time, a member of `OWNER` (`open_for_migrations`).

Only a superuser can hand over. The launcher does it where the server is its own; elsewhere `migrate` does, when it is
given one's address (`PACSWEB_DATABASE_ADMIN_URL`), or an administrator by the statements of docs/operations.md. Until then
`manage.py check --database default` names what is missing. Nothing here needs Django.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

OWNER: Final = "pacsweb_audit"
SCHEMA: Final = "public"
TABLES: Final = ("audit_event", "audit_chainlink")
ALLOWED: Final = ("SELECT", "INSERT")
FORBIDDEN: Final = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")

OWNER_OF_SCHEMA: Final = """
    SELECT n.nspname, pg_get_userbyid(n.nspowner), pg_has_role(%(role)s, n.nspowner, 'MEMBER')
      FROM pg_namespace n
     WHERE n.nspname = %(schema)s
"""
KEPT: Final = """
    SELECT 'table', c.relname, pg_get_userbyid(c.relowner), pg_has_role(%(role)s, c.relowner, 'MEMBER')
      FROM pg_class c
     WHERE c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s) AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT DISTINCT 'function', p.proname, pg_get_userbyid(p.proowner), pg_has_role(%(role)s, p.proowner, 'MEMBER')
      FROM pg_trigger t
      JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE NOT t.tgisinternal AND c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s)
     ORDER BY 1 DESC, 2
"""
DATABASE: Final = """
    SELECT d.datname, pg_has_role(%(role)s, d.datdba, 'MEMBER') FROM pg_database d WHERE d.datname = current_database()
"""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that lets the application's role alter the trail."""

    code: str
    place: str
    sentence: str


def faults(cursor: Any, *, role: str) -> list[Fault]:
    """What `role`, the application's, could do to the trail beyond adding to it. Empty before there are any tables."""
    asked = _asked(role)
    cursor.execute(KEPT, asked)
    kept = cursor.fetchall()
    tables = [name for kind, name, _owner, _may in kept if kind == "table"]
    if not tables:
        return []
    found = [
        Fault(
            code="owner", place=name, sentence=f"The {kind} {name} belongs to {owner}, which the application acts as."
        )
        for kind, name, owner, may in kept
        if may
    ]
    for table in tables:
        for right in FORBIDDEN:
            cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [role, f"{SCHEMA}.{table}", right])
            if cursor.fetchone()[0] and not any(one.place == table for one in found):
                found.append(Fault(code="right", place=table, sentence=f"The application has {right} on {table}."))
    cursor.execute(OWNER_OF_SCHEMA, asked)
    for name, owner, may in cursor.fetchall():
        if may:
            sentence = f"The schema {name} belongs to {owner}, which the application acts as: it can drop the trail."
            found.append(Fault(code="schema", place=name, sentence=sentence))
    cursor.execute(DATABASE, asked)
    for name, may in cursor.fetchall():
        if may:
            sentence = f"The database {name} belongs to the application's role: it can drop it."
            found.append(Fault(code="database", place=name, sentence=sentence))
    return found


def _asked(role: str) -> dict[str, Any]:
    return {"role": role, "schema": SCHEMA, "tables": list(TABLES)}


def make_owner(cursor: Any) -> None:
    """The role that owns the trail. It cannot log in, and row-level security binds it as everybody."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER])
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOSUPERUSER NOBYPASSRLS").format(sql.Identifier(OWNER)))


def open_for_migrations(cursor: Any, *, role: str) -> None:
    """Let the application's role alter the tables until `hand_over`, which must follow whatever happens."""
    cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(OWNER), sql.Identifier(role)))


def hand_over(cursor: Any, *, role: str, with_database: bool = True) -> bool:
    """Put everything in its place, in the database that the superuser's `cursor` is connected to; True when it was not.

    Nothing is locked when nothing has to change.
    """
    # The application's role may make functions and operators in the schema; a superuser must not run them.
    cursor.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)")
    _end_membership(cursor, role=role)
    wrong = [one for one in faults(cursor, role=role) if with_database or one.code != "database"]
    if not wrong:
        return False
    for statement in _composed(cursor, role=role, with_database=with_database):
        cursor.execute(statement)
    return True


def _end_membership(cursor: Any, *, role: str) -> None:
    cursor.execute(
        "SELECT 1 FROM pg_auth_members WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = %s) "
        "AND member = (SELECT oid FROM pg_roles WHERE rolname = %s)",
        [OWNER, role],
    )
    if cursor.fetchone() is not None:
        cursor.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(OWNER), sql.Identifier(role)))


def _composed(cursor: Any, *, role: str, with_database: bool) -> list[sql.Composed]:
    cursor.execute("SELECT pg_catalog.current_database()")
    database = sql.Identifier(cursor.fetchone()[0])
    cursor.execute(KEPT, _asked(role))
    kept = [(kind, name) for kind, name, _owner, _may in cursor.fetchall()]
    schema = sql.Identifier(SCHEMA)
    names = {"owner": sql.Identifier(OWNER), "app": sql.Identifier(role), "schema": schema, "database": database}
    composed = [
        sql.SQL("ALTER SCHEMA {schema} OWNER TO CURRENT_USER").format(**names),
        sql.SQL("GRANT USAGE, CREATE ON SCHEMA {schema} TO {app}").format(**names),
        sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {owner}").format(**names),
    ]
    for kind, name in kept:
        thing = sql.SQL("{}.{}").format(schema, sql.Identifier(name))
        if kind == "function":
            composed.append(sql.SQL("ALTER FUNCTION {}() OWNER TO {owner}").format(thing, **names))
            continue
        composed += [
            sql.SQL("ALTER TABLE {} OWNER TO {owner}").format(thing, **names),
            sql.SQL("REVOKE ALL ON {} FROM PUBLIC, {app}").format(thing, **names),
            sql.SQL("GRANT SELECT, INSERT ON {} TO {app}").format(thing, **names),
        ]
    if with_database:
        composed += [
            sql.SQL("ALTER DATABASE {database} OWNER TO CURRENT_USER").format(**names),
            sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {app}").format(**names),
        ]
    return composed
