"""The functions by which words are searched, and which PostgreSQL must hold for leakproof to use an index behind the wall.

Where a table has row-level security, PostgreSQL lets nothing look at a row before its policy did, unless it is marked as
telling nothing of what it looked at; an index is such a look. `=` is marked from the start, LIKE and upper() are not, so a
search for a word reads every row of an archive, past the trigram indexes made for it. Marked, they change the way in
which rows are found and never which: the policy is still asked of each row (docs/security.md argues why they leak nothing).

Only a superuser may mark them, in each database anew; the application's role never is one. The launcher does it where the
server is its own. Elsewhere an administrator does it once, or searches stay slow and complete. Nothing here needs Django.
"""

from __future__ import annotations

from typing import Any, Final

#: `LIKE`, and the capitals of the indexed expressions. Nothing else may look before the wall does.
FUNCTIONS: Final = ("pg_catalog.textlike(text, text)", "pg_catalog.upper(text)")
STATEMENTS: Final = tuple(f"ALTER FUNCTION {name} LEAKPROOF" for name in FUNCTIONS)
UNMARKED: Final = """
    SELECT name FROM unnest(%s::text[]) name JOIN pg_proc p ON p.oid = to_regprocedure(name) WHERE NOT p.proleakproof
"""


def unmarked(cursor: Any) -> list[str]:
    """Those of the functions that this database does not hold for leakproof."""
    cursor.execute(UNMARKED, [list(FUNCTIONS)])
    return sorted(name for (name,) in cursor.fetchall())


def mark(cursor: Any) -> None:
    """Mark those that are not yet. Only on a superuser's connection, in autocommit."""
    # The database belongs to the application's role, which could have put functions of its own in the way of these names.
    cursor.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)")
    if unmarked(cursor):
        for statement in STATEMENTS:
            cursor.execute(statement)
