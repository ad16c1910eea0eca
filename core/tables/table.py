"""The list itself: reads the address, asks the database, answers as page, fragment or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from core import saved_views as view_store
from core.tables.columns import Column
from core.tables.filters import Bound, Chip, Filter, Option
from core.whole_numbers import read_whole_number

CSV_LIMIT = 50_000
LONGEST_SEARCH = 200
COOKIE_AGE = 365 * 24 * 3600


@dataclass(frozen=True)
class Heading:
    """The head of a column as the page draws it."""

    column: Column
    sort_query: str
    sorted: str  # "ascending", "descending" or ""


@dataclass(frozen=True)
class Cell:
    column: Column
    content: str


@dataclass(frozen=True)
class Row:
    object: Any
    key: str
    url: str
    drawer: str
    cells: tuple[Cell, ...]
    label: str


class Table:
    """Base of all lists; see the package for how to write one."""

    key: ClassVar[str] = "list"
    columns: ClassVar[Sequence[Column]] = ()
    filters: ClassVar[Sequence[Filter]] = ()
    search_fields: ClassVar[Sequence[str]] = ()
    search_label: ClassVar[Any] = ""
    default_sort: ClassVar[str] = ""
    noun: ClassVar[Any] = ngettext_lazy("%(n)s row", "%(n)s rows", "n")
    page_sizes: ClassVar[Sequence[int]] = (25, 50, 100, 200)
    default_size: ClassVar[int] = 50
    count_limit: ClassVar[int] = 10_000
    selectable: ClassVar[bool] = False
    exportable: ClassVar[bool] = True
    exports_all_columns: ClassVar[bool] = False
    """CSV of every column, not of those that are shown."""
    saveable: ClassVar[bool] = True
    """Whether people may keep what the address says under a name."""
    bulk_template: ClassVar[str] = ""
    """Buttons of the bar that shows when rows are chosen; they post `selected` (row keys)."""
    tools_template: ClassVar[str] = ""
    """More controls at the end of the tool row."""
    card_template: ClassVar[str] = ""
    """A `<c-card>` of one `row`: adds a grid view."""
    empty_template: ClassVar[str] = ""
    """Shown when there is nothing at all and nothing was asked for."""

    def __init__(
        self, *, request: HttpRequest, queryset: QuerySet[Any], context: Mapping[str, Any] | None = None
    ) -> None:
        self.request = request
        self.context = dict(context or {})
        self._all = queryset
        self.query: QueryDict = request.GET
        self.notes: list[str] = []
        self.words = self.query.get("q", "").replace("\x00", "").strip()[:LONGEST_SEARCH]
        self.bound = [self._bind(one) for one in self.filters]
        self.sort_column, self.descending = self._read_sort()
        self.size = self._read_size()
        self.visible_columns = self._read_columns()
        self.view = "grid" if self.card_template and self.query.get("view") == "grid" else "table"

    # What a list decides for itself -----------------------------------------------------------------------------------

    def row_url(self, row: Any) -> str:
        """Where Enter and a click lead."""
        return ""

    def row_drawer(self, row: Any) -> str:
        """A fragment shown beside the list by the → key."""
        return ""

    def row_key(self, row: Any) -> str:
        return str(getattr(row, "public_id", None) or row.pk)

    def row_label(self, row: Any) -> str:
        """What a screen reader calls the row's checkbox."""
        return str(row)

    def search(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        """Rows in which every word occurs in one of `search_fields`."""
        for word in words.split():
            condition = Q()
            for name in self.search_fields:
                condition |= Q(**{f"{name}__icontains": word})
            queryset = queryset.filter(condition)
        return queryset

    def exported(self, *, rows: int) -> None:
        """Called before CSV leaves; a list of valuable things records it in the trail here."""

    def prepare(self, rows: Sequence[Any]) -> None:
        """Fetch in one go what the cells of this page need beyond the queryset."""

    @property
    def has_search(self) -> bool:
        return bool(self.search_fields) or type(self).search is not Table.search

    # Reading the address ----------------------------------------------------------------------------------------------

    def _bind(self, one: Filter) -> Bound:
        state, problems = one.read(self.query)
        self.notes.extend(problems)
        return Bound(filter=one, state=state)

    def _read_sort(self) -> tuple[Column | None, bool]:
        asked = self.query.get("sort", "") or self.default_sort
        for words in (asked, self.default_sort):
            column = next((one for one in self.columns if one.key == words.lstrip("-") and one.sort is not None), None)
            if column is not None:
                return column, words.startswith("-")
            if words and words == asked:
                self.notes.append(_("This list cannot be sorted by “%(key)s”.") % {"key": words[:40]})
        return None, False

    def _read_size(self) -> int:
        words = self.query.get("per", "")
        if not words:
            return self.default_size
        asked = read_whole_number(words)
        if asked is not None and asked in self.page_sizes:
            return asked
        self.notes.append(_("Pages of “%(size)s” rows are not offered.") % {"size": words[:20]})
        return self.default_size

    @property
    def _cookie(self) -> str:
        return f"pw_cols_{self.key}"

    def _read_columns(self) -> list[Column]:
        asked = self.query.getlist("cols")
        if not asked and self._cookie in self.request.COOKIES:
            asked = self.request.COOKIES[self._cookie].split(".")
        fixed = [one for one in self.columns if one.primary or not one.heading]
        chosen = [one for one in self.columns if one in fixed or one.key in asked]
        if not asked or len(chosen) == len(fixed):
            return [one for one in self.columns if one.shown or one.primary]
        return chosen

    # Rows -------------------------------------------------------------------------------------------------------------

    def _narrowed(self, *, without: Filter | None = None) -> QuerySet[Any]:
        rows = self._all
        for bound in self.bound:
            if bound.is_active and bound.filter is not without:
                rows = bound.filter.narrow(rows, bound.state)
        return self.search(rows, self.words) if self.words and self.has_search else rows

    @cached_property
    def queryset(self) -> QuerySet[Any]:
        """All rows that the address asks for, in its order; the primary key settles ties so that pages are stable."""
        rows = self._narrowed()
        ordering = self.sort_column.ordering(descending=self.descending, model=rows.model) if self.sort_column else []
        if not ordering and not rows.ordered:
            return rows.order_by("pk")
        if not ordering:
            return rows
        return rows.order_by(*ordering, "-pk" if self.descending else "pk")

    @cached_property
    def count(self) -> int:
        """How many rows there are; counting stops one above `count_limit`."""
        return int(self.queryset.order_by()[: self.count_limit + 1].count())

    @property
    def is_counted(self) -> bool:
        return self.count <= self.count_limit

    @property
    def count_words(self) -> str:
        from core.templatetags.look import thousands

        if self.is_counted:
            return str(self.noun % {"n": self.count}).replace(str(self.count), thousands(self.count), 1)
        return _("more than %(count)s") % {
            "count": str(self.noun % {"n": self.count_limit}).replace(
                str(self.count_limit), thousands(self.count_limit), 1
            )
        }

    @property
    def pages(self) -> int:
        return max(1, -(-min(self.count, self.count_limit) // self.size))

    @cached_property
    def page(self) -> int:
        words = self.query.get("page", "1")
        if not (words.isascii() and words.isdigit() and int(words[:9]) >= 1):
            self.notes.append(_("There is no page “%(page)s”.") % {"page": words[:20]})
            return 1
        asked = int(words[:9])
        if asked > self.pages:
            self.notes.append(self._no_such_page(asked))
            return self.pages
        return asked

    def _no_such_page(self, asked: int) -> str:
        if self.is_counted:
            return _("There is no page %(asked)s: the list ends on page %(page)s, which is shown.") % {
                "asked": asked,
                "page": self.pages,
            }
        return _(
            "Page %(asked)s cannot be shown: of a list this long only the first %(count)s rows are paged, up to page "
            "%(page)s. Narrow it by a search or a filter to reach the others."
        ) % {"asked": asked, "count": self.count_limit, "page": self.pages}

    @cached_property
    def objects(self) -> list[Any]:
        start = (self.page - 1) * self.size
        found = list(self.queryset[start : start + self.size])
        self.prepare(found)
        return found

    @cached_property
    def rows(self) -> list[Row]:
        return [
            Row(
                object=one,
                key=self.row_key(one),
                url=self.row_url(one),
                drawer=self.row_drawer(one),
                cells=tuple(Cell(column, column.draw(row=one, table=self)) for column in self.visible_columns)
                if self.view == "table"
                else (),
                label=self.row_label(one),
            )
            for one in self.objects
        ]

    @property
    def first_index(self) -> int:
        return (self.page - 1) * self.size + 1

    @property
    def last_index(self) -> int:
        return self.first_index + len(self.objects) - 1

    # What the templates draw ------------------------------------------------------------------------------------------

    @property
    def element_id(self) -> str:
        return f"table-{self.key}"

    @property
    def path(self) -> str:
        return self.request.path

    def address(self, **changes: Any) -> str:
        """This list's address with some keys changed; None removes, a list repeats.

        A person who opens the list with a view of their own finds everything under `?all=1`.
        """
        query = self.query.copy()
        for name in ("page", "format"):
            query.pop(name, None)
        for name, value in changes.items():
            query.pop(name, None)
            if isinstance(value, list):
                query.setlist(name, value)
            elif value is not None:
                query[name] = str(value)
        for name in [name for name in query if not any(query.getlist(name))]:
            del query[name]
        if set(query) - {"all"}:
            query.pop("all", None)
        elif "all" in self.query or self.opens_with is not None:
            query["all"] = "1"
        return f"{self.path}?{query.urlencode()}" if query else self.path

    # Saved views ------------------------------------------------------------------------------------------------------

    @property
    def keeps_views(self) -> bool:
        organisation = getattr(self.request, "organisation", None)
        return self.saveable and organisation is not None and self.request.user.is_authenticated

    @cached_property
    def saved_views(self) -> list[view_store.Offered]:
        """The person's views of this list and those that colleagues share."""
        if not self.keeps_views:
            return []
        return view_store.offered(user=self.request.user, list_key=self.key, place=self.path)  # type: ignore[arg-type]

    @property
    def opens_with(self) -> str | None:
        """The query of the view that the person opens this list with."""
        return next((one.view.query for one in self.saved_views if one.is_default), None)

    @property
    def view_query(self) -> str:
        """What a view of this page would keep: the address, and the columns when they are not the usual ones."""
        query = self.query.copy()
        for name in view_store.PASSING_KEYS:
            query.pop(name, None)
        usual = [one.key for one in self.columns if one.shown or one.primary]
        shown = [one.key for one in self.visible_columns]
        if shown != usual:
            query.setlist("cols", shown)
        return query.urlencode()

    @property
    def current_view(self) -> view_store.Offered | None:
        return next((one for one in self.saved_views if self.view_query and one.view.query == self.view_query), None)

    def _address_to_open_with(self) -> str:
        """Where a person with a default view is led who asks for the bare list."""
        if self.query or self.is_fragment_request or self.request.method != "GET" or not self.keeps_views:
            return ""
        query = view_store.default_query(user=self.request.user, list_key=self.key, place=self.path)  # type: ignore[arg-type]
        return f"{self.path}?{query}" if query else ""

    @property
    def headings(self) -> list[Heading]:
        found = []
        for column in self.visible_columns:
            current = column is self.sort_column
            towards = f"-{column.key}" if current and not self.descending else column.key
            found.append(
                Heading(
                    column=column,
                    sort_query=self.address(sort=towards) if column.sort is not None else "",
                    sorted=("descending" if self.descending else "ascending") if current else "",
                )
            )
        return found

    @cached_property
    def facets(self) -> list[Bound]:
        """The filters with their options; counts respect the other filters and the search."""
        return [
            Bound(filter=bound.filter, state=bound.state, options=tuple(self.options_of(bound))) for bound in self.bound
        ]

    def options_of(self, bound: Bound) -> Sequence[Option]:
        """What a filter offers. A list that knows the values without reading its rows answers by itself."""
        rows = self._narrowed(without=bound.filter)
        return bound.filter.options(rows, bound.state, counted=self.is_counted)

    def is_narrowed_besides(self, one: Filter) -> bool:
        """Whether words or another filter narrow the list."""
        return bool(self.words) or any(bound.is_active and bound.filter is not one for bound in self.bound)

    @property
    def chips(self) -> list[tuple[Chip, str]]:
        return [(chip, self.address(**dict(chip.drop))) for bound in self.bound for chip in bound.chips]

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words) or any(bound.is_active for bound in self.bound)

    @property
    def cleared(self) -> str:
        names = {"q": None} | {name: None for one in self.filters for name in one.keys}
        return self.address(**names)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the form of filters carries along unchanged, e.g. the order and keys of the page itself."""
        own = {"q", "page", "cols", "format", "all", *(name for one in self.filters for name in one.keys)}
        return [(name, value) for name in self.query if name not in own for value in self.query.getlist(name) if value]

    @property
    def column_choices(self) -> list[tuple[Column, bool]]:
        return [(one, one in self.visible_columns) for one in self.columns if not one.primary and one.heading]

    @property
    def page_links(self) -> list[tuple[int | None, str]]:
        """Page numbers around this one with their addresses; None stands for a gap."""
        near = {1, self.pages, *range(self.page - 1, self.page + 2)}
        shown = sorted(number for number in near if 1 <= number <= self.pages)
        links: list[tuple[int | None, str]] = []
        for at, number in enumerate(shown):
            if at and number - shown[at - 1] == 2:
                links.append((number - 1, self.address(page=number - 1)))
            elif at and number - shown[at - 1] > 2:
                links.append((None, ""))
            links.append((number, self.address(page=number) if number > 1 else self.address()))
        return links

    @property
    def previous(self) -> str:
        return self.address(page=self.page - 1 if self.page > 2 else None) if self.page > 1 else ""

    @property
    def following(self) -> str:
        return self.address(page=self.page + 1) if self.page < self.pages else ""

    @property
    def size_choices(self) -> list[tuple[int, str]]:
        return [(size, self.address(per=size if size != self.default_size else None)) for size in self.page_sizes]

    @property
    def csv_address(self) -> str:
        return self.address(format="csv")

    @property
    def table_view_address(self) -> str:
        return self.address(view=None)

    @property
    def grid_view_address(self) -> str:
        return self.address(view="grid")

    # Answers ----------------------------------------------------------------------------------------------------------

    @property
    def is_fragment_request(self) -> bool:
        return self.request.headers.get("HX-Target") == self.element_id

    def respond(self, template: str, context: Mapping[str, Any] | None = None) -> HttpResponse:
        """The page, the list alone, or CSV, as the request asks; the bare address leads to the person's own view."""
        if preferred := self._address_to_open_with():
            return redirect(preferred)
        if self.exportable and self.query.get("format") == "csv":
            return self.csv_response()
        self.context.update(context or {})
        _page = self.page, self.rows  # settles the notes before the template shows them
        chosen = "core/table/block.html" if self.is_fragment_request else template
        response = render(self.request, chosen, self.context | {"table": self})
        response["Vary"] = "HX-Target, Cookie"
        if self.query.getlist("cols"):
            value = ".".join(one.key for one in self.visible_columns)
            response.set_cookie(self._cookie, value, max_age=COOKIE_AGE, samesite="Lax", httponly=True, path=self.path)
        return response

    def csv_response(self) -> HttpResponse:
        """All rows of the list, not of the page alone, in the order shown, as UTF-8 that spreadsheets recognise."""
        shown = self.columns if self.exports_all_columns else self.visible_columns
        columns = [one for one in shown if one.exported]
        buffer = io.StringIO()
        buffer.write("\ufeff")
        writer = csv.writer(buffer)
        writer.writerow([str(one.label) for one in columns])
        rows = self._export_rows()
        writer.writerows([column.exported_value(row) for column in columns] for row in rows)
        self.exported(rows=len(rows))
        day = timezone.localdate().isoformat()
        return HttpResponse(
            buffer.getvalue(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{self.key}-{day}.csv"'},
        )

    def _export_rows(self) -> list[Any]:
        found = list(self.queryset[:CSV_LIMIT])
        self.prepare(found)
        return found
