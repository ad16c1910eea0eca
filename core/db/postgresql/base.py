"""PostgreSQL that knows the tenant: before a statement the connection is told the scope the code runs in.

The row-level security policies (`core.wall`) compare each row with three settings of the session,
`pacsweb.organisation`, `pacsweb.reach` and `pacsweb.person`. They are sent lazily: right before a statement, and only
when what the server has differs from `core.tenancy.current_context()`. So it does not matter who opened the scope
(middleware, task, listener, command), in which thread, how deeply nested, or how the last transaction ended.

Inside a transaction the settings are local to it. Its end, by commit or rollback, brings back what the session had, which
is known, and a rollback to a savepoint makes them unknown. In autocommit they are the session's. What an open
connection brings along is never trusted.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.backends.postgresql.base import TIMESTAMPTZ_OID, ServerSideCursor
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.backends.postgresql.psycopg_any import register_tzloader
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.utils.functional import cached_property
from django_prometheus.db.backends.postgresql.base import DatabaseWrapper as MeasuredWrapper
from django_prometheus.db.common import ExportingCursorWrapper
from psycopg import Connection, Cursor
from psycopg.pq import Format, TransactionStatus

from core.tenancy import Context, all_tenants, current_context

SETTINGS: Final = ("pacsweb.organisation", "pacsweb.reach", "pacsweb.person")
SET_FOR_SESSION: Final = "SELECT " + ", ".join(f"set_config('{name}', %s, false)" for name in SETTINGS)
SET_FOR_TRANSACTION: Final = "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in SETTINGS)
UNKNOWN: Final = Context("?", "?", "?")
ATTRIBUTE: Final = "_pacsweb_told"
PREPARED_AFTER: Final = 5
PLANS_ONCE: Final = "_pacsweb_plans_once"


class Told:
    """What the server behind one connection was last told: for the session, and for the running transaction."""

    __slots__ = ("session", "transaction")

    def __init__(self) -> None:
        self.session = UNKNOWN
        self.transaction: Context | None = None


def told(connection: Connection[Any]) -> Told:
    found: Told | None = getattr(connection, ATTRIBUTE, None)
    if found is None:
        found = Told()
        setattr(connection, ATTRIBUTE, found)
    return found


def tell(connection: Connection[Any], *, context: Context) -> None:
    """Make the server know this context; one round trip when it does not yet, none when it does."""
    known = told(connection)
    status = connection.pgconn.transaction_status
    if status == TransactionStatus.IDLE:
        known.transaction = None
    elif status != TransactionStatus.INTRANS:
        return  # a failed transaction takes nothing but its rollback; a busy connection is not ours to speak on
    if (known.transaction or known.session) == context:
        return
    is_local = status == TransactionStatus.INTRANS or not connection.autocommit
    # Not through the measured cursor: it is no query of the application's.
    speaker: Cursor[Any] = Cursor(connection)
    try:
        speaker.execute(SET_FOR_TRANSACTION if is_local else SET_FOR_SESSION, context)
    except BaseException:
        if is_local:
            known.transaction = UNKNOWN
        else:
            known.session = UNKNOWN
        raise
    finally:
        speaker.close()
    if is_local:
        known.transaction = context
    else:
        known.session = context


class WalledCursor:
    """Mix-in in front of a psycopg cursor class: tells the scope first."""

    connection: Any

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        tell(self.connection, context=current_context())
        try:
            return super().execute(query, *arguments, **options)  # type: ignore[misc]
        finally:
            known = told(self.connection)
            if known.transaction is not None and _ends_a_savepoint(query):
                known.transaction = UNKNOWN

    def executemany(self, *arguments: Any, **options: Any) -> Any:
        tell(self.connection, context=current_context())
        return super().executemany(*arguments, **options)  # type: ignore[misc]

    def stream(self, *arguments: Any, **options: Any) -> Any:
        tell(self.connection, context=current_context())
        yield from super().stream(*arguments, **options)  # type: ignore[misc]

    def copy(self, *arguments: Any, **options: Any) -> Any:
        tell(self.connection, context=current_context())
        return super().copy(*arguments, **options)  # type: ignore[misc]


class PreparingCursor(Cursor[Any]):
    """Parameters travel beside the statement, and the server keeps its plan for as long as the connection lasts."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(query, params, prepare=True, **options)


class WalledServerSideCursor(WalledCursor, ServerSideCursor):
    """A cursor of the server keeps the scope in which it was opened, also when rows are fetched in another one:
    PostgreSQL reads the settings when the plan first needs them, which may be at any fetch."""

    opened_in: Context | None = None

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self.opened_in = current_context()
        return super().execute(query, *arguments, **options)

    def _return(self) -> None:
        if self.opened_in is not None:
            tell(self.connection, context=self.opened_in)

    def fetchone(self) -> Any:
        self._return()
        return super().fetchone()  # type: ignore[misc]

    def fetchmany(self, *arguments: Any, **options: Any) -> Any:
        self._return()
        return super().fetchmany(*arguments, **options)  # type: ignore[misc]

    def fetchall(self) -> Any:
        self._return()
        return super().fetchall()  # type: ignore[misc]

    def __iter__(self) -> Any:
        while (row := self.fetchone()) is not None:
            yield row


def _ends_a_savepoint(query: Any) -> bool:
    return not isinstance(query, str) or query.lstrip()[:8].upper() == "ROLLBACK"


class SchemaEditor(DatabaseSchemaEditor):
    """Migrations change the rows of all organisations."""

    def __enter__(self) -> SchemaEditor:
        self._reach = all_tenants()
        self._reach.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)
        finally:
            self._reach.__exit__(None, None, None)


class Operations(DatabaseOperations):
    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> Any:
        if isinstance(cursor, PreparingCursor):
            return self.compose_sql(sql, params)
        return super().last_executed_query(cursor, sql, params)


class DatabaseWrapper(MeasuredWrapper):
    SchemaEditorClass = SchemaEditor
    ops_class = Operations

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        measured = parameters["cursor_factory"]
        parameters["cursor_factory"] = type("Cursor", (WalledCursor, measured), {})
        # Django's own cursors put values into the statement and never prepare; `prepared_cursor` does.
        parameters["prepare_threshold"] = PREPARED_AFTER
        return parameters

    def prepared_cursor(self) -> Any:
        """A cursor for `core.ready`, measured, logged and told its scope as every other."""
        self.ensure_connection()
        with self.wrap_database_errors:
            self._plan_once()
            kind: Any = self._preparing_class
            return self._prepare_cursor(kind(self.connection))

    def _plan_once(self) -> None:
        """One plan for all values from the first time on: PostgreSQL would plan a statement anew five times first.

        Only prepared statements heed this, and those are written for it: each looks rows up by their keys.
        """
        connection: Any = self.connection
        if getattr(connection, PLANS_ONCE, False):
            return
        setattr(connection, PLANS_ONCE, True)
        # This may be the first word of a transaction: what was told to the one before must not count for it.
        tell(connection, context=current_context())
        with Cursor(connection) as speaker:
            speaker.execute("SET plan_cache_mode = force_generic_plan", prepare=False)

    @cached_property
    def _preparing_class(self) -> Any:
        measured = ExportingCursorWrapper(PreparingCursor, self.alias, self.vendor)
        return type("PreparedCursor", (WalledCursor, measured), {})

    def create_cursor(self, name: str | None = None) -> Any:
        if name is None:
            return super().create_cursor()
        kind: Any = WalledServerSideCursor  # the stubs know psycopg 2's class
        cursor = kind(self.connection, name=name, scrollable=False, withhold=self.connection.autocommit)
        # As Django does for its own: times in the connection's zone.
        if self.timezone != self.connection.adapters.get_loader(TIMESTAMPTZ_OID, Format.TEXT).timezone:
            register_tzloader(self.timezone, cursor)
        return cursor
