"""The wall in the database: PostgreSQL row-level security on every tenant table.

Each tenant table has one policy, made here from its model, and no other: a row is there only for the organisation that
the session was told (`core.db.postgresql`), or for work across all tenants. A model is a tenant's when

* it has a foreign key to the organisation: the row belongs to that organisation; where the key may be null, a row
  without one belongs to the installation and is there only across all tenants;
* otherwise, when it has foreign keys to tenants' rows (permission and many-to-many tables): it is there when those are.

A model says what differs in a class attribute: `wall = OwnRows("user")` lets a person read their own rows anywhere;
`wall = Unwalled("why")` has no wall. Tables without a class of their own are declared with `declare(...)`.

Policies are no migrations: a wall follows from the model as it is, not from its history. Every `migrate` compares what
the database has with what the models ask for and brings it up to that (`raise_walls`), and no process serves anything
while they differ (`faults`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from django.apps import apps
from django.db import models, transaction
from django.utils.translation import gettext as _

from core.db import leakproof
from core.errors import PermanentError

logger = structlog.get_logger(__name__)

TENANT_POLICY: Final = "pacsweb_tenant"
OWN_POLICY: Final = "pacsweb_own"
COMMENT: Final = "PACSWeb"
# A sub-select is evaluated once a statement, not once a row. A setting that was local to a past transaction is left
# behind as an empty text.
ORGANISATION: Final = "(SELECT NULLIF(current_setting('pacsweb.organisation', true), '')::bigint)"
PERSON: Final = "(SELECT NULLIF(current_setting('pacsweb.person', true), '')::bigint)"
ACROSS: Final = "(SELECT COALESCE(current_setting('pacsweb.reach', true), '') = 'all')"


@dataclass(frozen=True)
class OwnRows:
    """A person reads the rows that `person` (a foreign key to the account) gives them, in any organisation."""

    person: str


@dataclass(frozen=True)
class Through:
    """The row is there when the row of `model` is whose `column` equals this one's foreign key `key`."""

    key: str
    model: str
    column: str
    person: str = ""


@dataclass(frozen=True)
class Unwalled:
    """Not a tenant's, although a foreign key looks like it."""

    reason: str


Declaration = OwnRows | Through | Unwalled

_declared: dict[str, Declaration] = {}


def declare(*, table: str, wall: Declaration) -> None:
    """Say how a table is walled whose class is not ours to write in (a many-to-many table, a library's model)."""
    _declared[table] = wall


@dataclass(frozen=True, kw_only=True)
class Policy:
    name: str
    command: str
    using: str
    check: str

    def statement(self, *, table: str) -> str:
        check = f" WITH CHECK ({self.check})" if self.check else ""
        return f"CREATE POLICY {self.name} ON {_quoted(table)} FOR {self.command} USING ({self.using}){check}"

    def fingerprint(self, *, table: str) -> str:
        return _digest(self.statement(table=table))


@dataclass(frozen=True, kw_only=True)
class Wall:
    """The policies of one table, and the columns they read."""

    table: str
    policies: tuple[Policy, ...]
    columns: frozenset[str]


def walls() -> list[Wall]:
    """One for every tenant table, in the order of the table names."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        wall = policy_for(model)
        if wall is not None:
            found[wall.table] = wall
    return [found[table] for table in sorted(found)]


def policy_for(model: type[models.Model]) -> Wall | None:
    """The wall of a model's table; None for one that is no tenant's."""
    return _wall(model, visited=frozenset())


def _wall(model: type[models.Model], *, visited: frozenset[type[models.Model]]) -> Wall | None:
    meta = model._meta
    if meta.proxy or not meta.managed or model in visited:
        return None
    declaration = _declared.get(meta.db_table, getattr(model, "wall", None))
    if isinstance(declaration, Unwalled):
        return None
    person = ""
    if isinstance(declaration, Through):
        key = _column(model, declaration.key)
        parent = apps.get_model(declaration.model)
        conditions = [_exists(table=meta.db_table, key=key, parent=parent, column=_column(parent, declaration.column))]
        columns = {key}
        person = declaration.person
    else:
        conditions, columns = _conditions(model, visited=visited | {model})
        person = declaration.person if isinstance(declaration, OwnRows) else ""
    if not conditions:
        return None
    rule = f"{ACROSS} OR " + (conditions[0] if len(conditions) == 1 else "(" + " AND ".join(conditions) + ")")
    policies = [Policy(name=TENANT_POLICY, command="ALL", using=rule, check=rule)]
    if person:
        own = _column(model, person)
        policies.append(Policy(name=OWN_POLICY, command="SELECT", using=f"{_quoted(own)} = {PERSON}", check=""))
        columns.add(own)
    return Wall(table=meta.db_table, policies=tuple(policies), columns=frozenset(columns))


def _conditions(model: type[models.Model], *, visited: frozenset[type[models.Model]]) -> tuple[list[str], set[str]]:
    organisation = apps.get_model("access", "Organisation")
    keys: list[Any] = [key for key in model._meta.concrete_fields if isinstance(key, models.ForeignKey)]
    direct = [key for key in keys if key.related_model is organisation]
    named = [key for key in direct if key.name == "organisation"] or direct
    if named:
        column = named[0].column
        return [f"{_quoted(column)} = {ORGANISATION}"], {column}
    through = [key for key in keys if key.related_model is not model and _wall(key.related_model, visited=visited)]
    through = [key for key in through if not key.null] or through
    conditions = [
        _exists(table=model._meta.db_table, key=key.column, parent=key.related_model, column=key.target_field.column)
        for key in through
    ]
    return conditions, {key.column for key in through}


def _column(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return str(field.column)


def _exists(*, table: str, key: str, parent: type[models.Model], column: str) -> str:
    # The parent's own wall holds inside the sub-query too. The key names its table: a column of the parent with the
    # same name would hide it, and the condition would be true of everything.
    ours, theirs = f"{_quoted(table)}.{_quoted(key)}", f"parent.{_quoted(column)}"
    return f"EXISTS (SELECT 1 FROM {_quoted(parent._meta.db_table)} parent WHERE {theirs} = {ours})"


# What the database has ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A place where the wall has a hole."""

    code: str
    place: str
    sentence: str


@dataclass(kw_only=True)
class _Table:
    enabled: bool
    forced: bool
    columns: frozenset[str]
    policies: dict[str, tuple[str, str]] = field(default_factory=dict)  # name → (digest of what it is, its comment)


TABLES: Final = """
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
           array_agg(a.attname::text) FILTER (WHERE a.attnum > 0 AND NOT a.attisdropped)
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
     GROUP BY c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity
"""
POLICIES: Final = """
    SELECT c.relname, p.polname,
           concat_ws('|', p.polcmd, p.polpermissive, p.polroles::text, pg_get_expr(p.polqual, p.polrelid),
                     pg_get_expr(p.polwithcheck, p.polrelid)),
           COALESCE(obj_description(p.oid, 'pg_policy'), '')
      FROM pg_policy p
      JOIN pg_class c ON c.oid = p.polrelid
     WHERE c.relnamespace = current_schema()::regnamespace
"""
ROLE: Final = """
    SELECT r.rolname, r.rolsuper, r.rolbypassrls
      FROM pg_roles r
     WHERE (r.rolsuper OR r.rolbypassrls)
       AND (r.rolname IN (current_user, session_user) OR pg_has_role(session_user, r.oid, 'MEMBER'))
     ORDER BY r.rolname
"""


def _tables(connection: Any) -> dict[str, _Table]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        found = {
            name: _Table(enabled=enabled, forced=forced, columns=frozenset(columns or ()))
            for name, enabled, forced, columns in cursor.fetchall()
        }
        cursor.execute(POLICIES)
        for table, name, definition, comment in cursor.fetchall():
            if table in found:
                found[table].policies[name] = (_digest(definition), comment)
    return found


def faults(connection: Any) -> list[Fault]:
    """Every hole: a role that could pass, a table without its wall, a wall that is not the one the models ask for."""
    with connection.cursor() as cursor:
        cursor.execute(ROLE)
        found = [
            Fault(
                code="role",
                place=name,
                sentence=_(
                    "The database role in use is, or may become, %(role)s, which row-level security does not bind: "
                    "connect as a role without SUPERUSER and BYPASSRLS."
                )
                % {"role": name},
            )
            for name, _is_superuser, _passes in cursor.fetchall()
        ]
    tables = _tables(connection)
    wanted = {wall.table: wall for wall in walls()}
    for wall in wanted.values():
        found.extend(_faults_of(wall, tables.get(wall.table)))
    for name, table in sorted(tables.items()):
        if name not in wanted and "organisation_id" in table.columns and name not in _exempt_tables():
            found.append(_fault("unknown", name, _("holds rows of organisations, but no model says how it is walled")))
    return found


def _exempt_tables() -> set[str]:
    return {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if isinstance(_declared.get(model._meta.db_table, getattr(model, "wall", None)), Unwalled)
    }


def _faults_of(wall: Wall, table: _Table | None) -> Iterator[Fault]:
    if table is None:
        yield _fault("absent", wall.table, _("is not there; run the migrations"))
        return
    if not table.enabled:
        yield _fault("off", wall.table, _("has row-level security switched off"))
    if not table.forced:
        yield _fault("unforced", wall.table, _("does not force row-level security on its owner"))
    for policy in wall.policies:
        kept = table.policies.get(policy.name)
        if kept is None:
            yield _fault("missing", wall.table, _("has no policy %(name)s") % {"name": policy.name})
        elif kept[1] != _comment(policy, table=wall.table, definition=kept[0]):
            yield _fault(
                "altered", wall.table, _("has another policy %(name)s than its model asks for") % {"name": policy.name}
            )
    for name in sorted(set(table.policies) - {policy.name for policy in wall.policies}):
        yield _fault("foreign", wall.table, _("has a policy %(name)s that is not ours") % {"name": name})


def _fault(code: str, table: str, what: str) -> Fault:
    return Fault(code=code, place=table, sentence=_("The table %(table)s %(what)s.") % {"table": table, "what": what})


_owners: list[Callable[[], AbstractContextManager[None]]] = []


def register_owner(opened: Callable[[], AbstractContextManager[None]]) -> None:
    """`opened` makes the application's role the owner of tables that are another role's, for as long as it is entered."""
    _owners.append(opened)


@contextmanager
def as_owner(connection: Any) -> Iterator[None]:
    """Change walls as the owner of every table, all of them or none."""
    with ExitStack() as stack:
        for opened in _owners:
            stack.enter_context(opened())
        stack.enter_context(transaction.atomic(using=connection.alias))
        yield


def raise_walls(connection: Any) -> list[str]:
    """Give every tenant table that is there exactly its policies; returns the tables that were changed."""
    tables = _tables(connection)
    changed = []
    for wall in walls():
        table = tables.get(wall.table)
        # Halfway through a history of migrations a table may still lack the column; a later run finds it.
        if table is None or not wall.columns <= table.columns or not list(_faults_of(wall, table)):
            continue
        _build(connection, wall=wall, existing=table.policies)
        changed.append(wall.table)
    if changed:
        logger.info("walls_raised", tables=len(changed))
    return changed


def drop_walls(connection: Any) -> list[str]:
    """Take every policy of ours away again, for an administrator who goes back to an older release."""
    changed = []
    for name, table in sorted(_tables(connection).items()):
        ours = [policy for policy in table.policies if policy in (TENANT_POLICY, OWN_POLICY)]
        if not ours:
            continue
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for policy in ours:
                cursor.execute(f"DROP POLICY {policy} ON {_quoted(name)}")
            cursor.execute(f"ALTER TABLE {_quoted(name)} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
        changed.append(name)
    return changed


def _build(connection: Any, *, wall: Wall, existing: Iterable[str]) -> None:
    table = _quoted(wall.table)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        for name in existing:
            cursor.execute(f"DROP POLICY {_quoted(name)} ON {table}")
        for policy in wall.policies:
            cursor.execute(policy.statement(table=wall.table))
        made = _tables(connection)[wall.table].policies
        for policy in wall.policies:
            comment = _comment(policy, table=wall.table, definition=made[policy.name][0])
            cursor.execute(f"COMMENT ON POLICY {policy.name} ON {table} IS '{comment}'")


def _comment(policy: Policy, *, table: str, definition: str) -> str:
    """Fixes both what we asked for and what PostgreSQL made of it, so that a change of either is seen."""
    return f"{COMMENT} {policy.fingerprint(table=table)} {definition}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# Starting -------------------------------------------------------------------------------------------------------------


class WallDown(PermanentError):
    """Nothing may be served: the wall between the organisations has a hole."""

    code = "wall-down"


def require_walls(connection: Any) -> None:
    """Raise `WallDown` with a sentence for each hole."""
    found = faults(connection)
    if found:
        raise WallDown(describe(found))


def slow_searches(connection: Any) -> str:
    """A sentence when words are searched past their indexes because of the wall (`core.db.leakproof`), else nothing."""
    with connection.cursor() as cursor:
        if not leakproof.unmarked(cursor):
            return ""
    return _(
        "Searches for words read every row of an archive: this database does not hold LIKE and upper() for leakproof, so it "
        "uses no index for them behind the wall."
    )


def tell_slow_searches(connection: Any) -> None:
    """One line in the log of each `migrate`."""
    if slow_searches(connection):
        logger.warning("searches_are_slow", statements=list(leakproof.STATEMENTS), guide="docs/operations.md")


def describe(found: list[Fault]) -> str:
    first = [fault.sentence for fault in found[:5]]
    if len(found) > len(first):
        first.append(_("And %(count)s more; `manage.py walls` lists them.") % {"count": len(found) - len(first)})
    return " ".join([_("The wall between organisations has holes, so nothing is started."), *first])
