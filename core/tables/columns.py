"""Columns: what a cell shows, what sorting by it means, what CSV gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Field, ForeignKey, Model
from django.db.models.expressions import Expression, OrderBy
from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import format_html

from core.errors import Message
from core.templatetags.look import file_size, iso, thousands

Kind = Literal["text", "number", "date", "uid", "size"]
SortBy = str | Expression | Sequence[str | Expression]

# What a spreadsheet would run instead of showing (CWE-1236).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """One column of a list.

    `value` is an attribute path ("patient.name") or a function of the row; it defaults to the key. `template` draws the
    cell with `row`, `value` and `table` in its context; without one `kind` decides. `sort` names the fields or
    expressions to order by; a column without it cannot be sorted. `csv` gives the exported value when it differs.
    `heading=False` keeps the label for screen readers only (columns of buttons).
    """

    key: str
    label: Message
    value: str | Callable[[Any], Any] | None = None
    sort: SortBy | None = None
    kind: Kind = "text"
    template: str = ""
    primary: bool = False
    shown: bool = True
    shrink: bool = False
    hint: Message = ""
    csv: Callable[[Any], Any] | None = None
    exported: bool = True
    heading: bool = True

    @property
    def is_numeric(self) -> bool:
        return self.kind in ("number", "size")

    def read(self, row: Any) -> Any:
        if callable(self.value):
            return self.value(row)
        found = row
        for step in (self.value or self.key).split("."):
            found = getattr(found, step, None)
            if found is None:
                return None
        return found() if callable(found) else found

    def draw(self, *, row: Any, table: Any) -> str:
        value = self.read(row) if self.value or not self.template else None
        if self.template:
            context = {"row": row, "value": value, "table": table, "request": table.request}
            return get_template(self.template).render(context, table.request)
        if value is None or value == "":
            return ""
        if self.kind == "number":
            return thousands(value)
        if self.kind == "size":
            return file_size(value)
        if self.kind == "date":
            return format_html('<time datetime="{}" class="nowrap">{}</time>', value.isoformat(), iso(value))
        if self.kind == "uid":
            return get_template("core/table/uid.html").render({"value": value}, table.request)
        return str(value)

    def exported_value(self, row: Any) -> str:
        value = self.csv(row) if self.csv else self.read(row)
        if value is None:
            return ""
        if isinstance(value, datetime):
            return (timezone.localtime(value) if timezone.is_aware(value) else value).isoformat(timespec="seconds")
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, (int, float)):
            return str(value)
        words = str(value)
        return f"'{words}" if words.startswith(FORMULA_STARTS) else words

    def ordering(self, *, descending: bool, model: type[Model]) -> list[OrderBy]:
        """Rows without a value come last either way.

        Where there always is a value the order says nothing about it: PostgreSQL takes an index for `DESC` and none that
        it has for `DESC NULLS LAST`, and would sort the whole list for its first page.
        """
        if self.sort is None:
            return []
        parts = [self.sort] if isinstance(self.sort, (str, Expression)) else list(self.sort)
        return [
            OrderBy(
                F(part) if isinstance(part, str) else part,
                descending=descending,
                nulls_last=True if may_be_empty(model, part) else None,
            )
            for part in parts
        ]


def may_be_empty(model: type[Model], part: str | Expression) -> bool:
    """Whether what a list is ordered by can be NULL: everything but columns that cannot, on the row or reached from it
    by relations that cannot."""
    if not isinstance(part, str):
        return True
    found: type[Model] | None = model
    for step in part.split("__"):
        try:
            field = found._meta.pk if step == "pk" and found else found._meta.get_field(step) if found else None
        except FieldDoesNotExist:
            return True
        if not isinstance(field, Field) or field.null:
            return True
        found = field.related_model if isinstance(field, ForeignKey) else None
    return False
