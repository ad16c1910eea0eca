"""Filters: each reads its keys from the address, narrows the list, and names itself as a chip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from core.errors import Message

Choices = Sequence[tuple[str, Message]]


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    count: int | None
    chosen: bool


@dataclass(frozen=True)
class Chip:
    """An active filter and the changes of the address that end it."""

    name: str
    value: str
    drop: Mapping[str, list[str] | None]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A filter with what the address says about it."""

    filter: Filter
    state: Any
    problems: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()

    @property
    def is_active(self) -> bool:
        return bool(self.state)

    @property
    def chips(self) -> list[Chip]:
        return self.filter.chips(self.state) if self.state else []

    @property
    def template(self) -> str:
        return self.filter.template


class Filter:
    """Base of all filters. `key` is the name in the address."""

    template: ClassVar[str] = ""
    key: str
    label: Message

    def read(self, query: QueryDict) -> tuple[Any, list[str]]:
        """The state (falsy when off) and a sentence for each value that makes no sense."""
        raise NotImplementedError

    def narrow(self, queryset: QuerySet[Any], state: Any) -> QuerySet[Any]:
        raise NotImplementedError

    def chips(self, state: Any) -> list[Chip]:
        raise NotImplementedError

    def options(self, queryset: QuerySet[Any], state: Any, *, counted: bool) -> tuple[Option, ...]:
        """What can be chosen, with counts within the other filters."""
        return ()

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)


@dataclass(frozen=True)
class Choice(Filter):
    """One or several of a set of values.

    `choices` is a sequence of (value, label), a function that returns one, or None: then the values of the list
    itself are offered. `lookup` is a function from values to `Q` for what a plain `field__in` cannot say. Values are
    counted unless `counted` is off.
    """

    key: str
    label: Message
    field: str = ""
    choices: Choices | Callable[[], Choices] | None = None
    lookup: Callable[[list[str]], Q] | None = None
    counted: bool = True
    template: ClassVar[str] = "core/table/filter_choice.html"

    def _known(self) -> dict[str, str] | None:
        given = self.choices() if callable(self.choices) else self.choices
        return None if given is None else {value: str(label) for value, label in given}

    def read(self, query: QueryDict) -> tuple[list[str], list[str]]:
        asked = [value for value in dict.fromkeys(query.getlist(self.key)) if value and "\x00" not in value]
        known = self._known()
        if known is None:
            return asked[:50], []
        strange = [value for value in asked if value not in known]
        problems = [
            _("“%(value)s” is not a choice of %(filter)s and was left out.")
            % {"value": value[:40], "filter": self.label}
            for value in strange
        ]
        return [value for value in asked if value in known], problems

    def narrow(self, queryset: QuerySet[Any], state: list[str]) -> QuerySet[Any]:
        if self.lookup:
            return queryset.filter(self.lookup(state))
        return queryset.filter(**{f"{self.field or self.key}__in": state})

    def chips(self, state: list[str]) -> list[Chip]:
        known = self._known() or {}
        return [
            Chip(str(self.label), known.get(value, value), {self.key: [one for one in state if one != value] or None})
            for value in state
        ]

    def options(self, queryset: QuerySet[Any], state: list[str], *, counted: bool) -> tuple[Option, ...]:
        known = self._known()
        counts: dict[str, int] = {}
        if (self.counted and counted and not self.lookup) or known is None:
            name = self.field or self.key
            rows = queryset.order_by().values(name).annotate(n=Count("pk", distinct=True)).order_by(name)[:200]
            counts = {str(row[name]): row["n"] for row in rows if row[name] not in (None, "")}
        labels = known if known is not None else {value: value for value in [*counts, *state]}
        shows_counts = self.counted and counted and not self.lookup
        return tuple(
            Option(value, label, counts.get(value, 0) if shows_counts else None, value in state)
            for value, label in labels.items()
        )


@dataclass(frozen=True)
class DateRange(Filter):
    """From a day to a day, both included: `key_from` and `key_to` as ISO dates."""

    key: str
    label: Message
    field: str = ""
    is_moment: bool = False
    template: ClassVar[str] = "core/table/filter_dates.html"

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"{self.key}_from", f"{self.key}_to")

    def read(self, query: QueryDict) -> tuple[dict[str, date], list[str]]:
        state: dict[str, date] = {}
        problems = []
        for end in ("from", "to"):
            words = query.get(f"{self.key}_{end}", "").strip()
            if not words:
                continue
            try:
                state[end] = date.fromisoformat(words)
            except ValueError:
                problems.append(
                    _("“%(value)s” is not a date (write YYYY-MM-DD) and was left out.") % {"value": words[:40]}
                )
        return state, problems

    def narrow(self, queryset: QuerySet[Any], state: dict[str, date]) -> QuerySet[Any]:
        name = f"{self.field or self.key}{'__date' if self.is_moment else ''}"
        limits = {}
        if "from" in state:
            limits[f"{name}__gte"] = state["from"]
        if "to" in state:
            limits[f"{name}__lte"] = state["to"]
        return queryset.filter(**limits)

    def chips(self, state: dict[str, date]) -> list[Chip]:
        if "from" in state and "to" in state:
            words = f"{state['from']} – {state['to']}"
        elif "from" in state:
            words = _("from %(day)s") % {"day": state["from"]}
        else:
            words = _("until %(day)s") % {"day": state["to"]}
        return [Chip(str(self.label), words, dict.fromkeys(self.keys))]


@dataclass(frozen=True)
class Flag(Filter):
    """On or off: a chip that narrows the list to rows that meet `condition`."""

    key: str
    label: Message
    condition: Q = field(default_factory=Q)
    template: ClassVar[str] = "core/table/filter_flag.html"

    def read(self, query: QueryDict) -> tuple[bool, list[str]]:
        return query.get(self.key) in ("1", "on", "true"), []

    def narrow(self, queryset: QuerySet[Any], state: bool) -> QuerySet[Any]:
        return queryset.filter(self.condition)

    def chips(self, state: bool) -> list[Chip]:
        return []


@dataclass(frozen=True)
class Text(Filter):
    """Words within one field."""

    key: str
    label: Message
    fields: Iterable[str] = ()
    template: ClassVar[str] = "core/table/filter_text.html"

    def read(self, query: QueryDict) -> tuple[str, list[str]]:
        return query.get(self.key, "").replace("\x00", "").strip()[:200], []

    def narrow(self, queryset: QuerySet[Any], state: str) -> QuerySet[Any]:
        condition = Q()
        for name in self.fields or (self.key,):
            condition |= Q(**{f"{name}__icontains": state})
        return queryset.filter(condition)

    def chips(self, state: str) -> list[Chip]:
        return [Chip(str(self.label), state, {self.key: None})]
