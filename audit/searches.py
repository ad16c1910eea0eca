"""Words typed at the desk as conditions on events.

An event keeps the words of its row, folded, and a trigram index finds parts of them. What a row shows besides is not looked
for in every row: days and times become ranges in the reader's time zone, and names that can change since the event was
written (people's, places', the sentence itself) are resolved to ids, places and actions first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from string import Formatter
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from access.models import Membership, Organisation, RoleContainer, User
from access.people import containers_of
from access.role_words import place
from audit import actions
from core.tenancy import tenant

MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(.+))?")
TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")


def folded(text: str) -> str:
    """Without case and accents, so that Jose finds José."""
    plain = unicodedata.normalize("NFKD", text.replace("\x00", "")).casefold()
    return "".join(one for one in plain if not unicodedata.combining(one))


def conditions(words: Sequence[str], *, organisation: Organisation) -> list[Q]:
    """What an event must be to show each word, for all of them to hold. Three queries, and one for each kind of place."""
    asked = [word for word in words if word]
    if not asked:
        return []
    names = _Names(organisation)
    return [_shows(word, names=names) for word in asked]


class _Names:
    """What people, places and acts of an organisation are called now, folded."""

    def __init__(self, organisation: Organisation) -> None:
        of_members = Membership.objects.filter(organisation=organisation).values_list("user", "user__display_name")
        of_services = User.objects.filter(service_of=organisation).values_list("pk", "display_name")
        self.people = [(pk, folded(name)) for pk, name in (*of_members, *of_services) if name]
        with tenant(organisation):
            self.places = [(one, folded(_called(one))) for one in containers_of(organisation)]
        self.acts = [(one.code, folded(_fixed_words(str(one.sentence)))) for one in actions.all_actions()]


def _called(container: RoleContainer) -> str:
    return f"{place(container)} {getattr(container, 'name', '')}"


def _fixed_words(sentence: str) -> str:
    return " ".join(text for text, _field, _spec, _conversion in Formatter().parse(sentence))


def _shows(word: str, *, names: _Names) -> Q:
    wanted = folded(word)
    found = Q(search__contains=wanted)
    number = word.lstrip("#")
    if number.isascii() and number.isdigit() and len(number) < 19:
        found |= Q(pk=int(number))
    for moment in _moments(word):
        found |= moment
    people = [pk for pk, name in names.people if wanted in name]
    if people:
        found |= Q(actor__in=people) | Q(target_kind=User._meta.label_lower, target_id__in=[str(pk) for pk in people])
    places = [one for one, name in names.places if wanted in name]
    for one in places:
        found |= Q(place=place(one)) | Q(target_kind=one._meta.label_lower, target_id=_id_of(one))
    codes = [code for code, fixed in names.acts if wanted in fixed]
    if codes:
        found |= Q(action__in=codes)
    return found | (Q(search="") & _before_words(word, places=places))


def _id_of(container: RoleContainer) -> str:
    return str(getattr(container, "public_id", None) or container.pk)


def _before_words(word: str, *, places: list[RoleContainer]) -> Q:
    """Events from before their words were kept."""
    found = (
        Q(actor_label__icontains=word)
        | Q(target_label__icontains=word)
        | Q(target_id__iexact=word)
        | Q(explained_by__icontains=word)
        | Q(request_id=word)
        | Q(action__icontains=word)
    )
    for one in places:
        found |= Q(detail__container=one.container_kind(), detail__container_id=one.pk)
    return found


def _moments(word: str) -> Iterator[Q]:
    """A day, a month, a time of day, or a day with a time, as rows show them."""
    month = MONTH.fullmatch(word)
    if month is not None:
        first = _day(f"{month[1]}-{month[2]}-01")
        if first is not None:
            yield _between(first, (first + timedelta(days=31)).replace(day=1))
    day = DAY.fullmatch(word)
    if day is not None:
        found = _day(day[1])
        at = Q() if day[2] is None else _at(day[2])
        if found is not None and at is not None:
            yield _between(found, found + timedelta(days=1)) & at
    at = _at(word)
    if at is not None:
        yield at


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    # Midnight of the first and last years may lie outside them in another time zone.
    return found if 1 < found.year < 9999 else None


def _between(first: date, behind: date) -> Q:
    return Q(occurred_at__gte=_midnight(first), occurred_at__lt=_midnight(behind))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _at(text: str) -> Q | None:
    """A time of day, which is no range: on whichever day."""
    found = TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), None if found[3] is None else int(found[3])
    if hour > 23 or minute > 59 or (second or 0) > 59:
        return None
    parts: dict[str, Any] = {"occurred_at__hour": hour, "occurred_at__minute": minute}
    return Q(**parts) if second is None else Q(**parts, occurred_at__second=second)
