"""What happened for me: short lines behind the bell, each with a place to go to.

An app names its kinds in `AppConfig.ready` and sends inside the transaction of the act::

    notifications.register(
        kind="assignment.created",
        label=_("Assignments"),
        icon="calendar-clock",
        sentence=_("“%(title)s” is to be read by %(due)s"),
    )
    notifications.send(
        kind="assignment.created", organisation=…, persons=learners, subject=assignment.public_id, url=…,
        detail={"title": assignment.title, "due": assignment.due_at}, by=actor,
    )

A moment (an aware `datetime`) in the detail is read in each person's own time zone.

Nobody is told of their own acts. A line is kept for its person only, and says nothing that the place it leads to would not
show them: no patient's name, no diagnosis of a case that is still to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Max, QuerySet
from django.utils import timezone

from core.errors import Message
from core.models import Notification
from core.ready import ready

if TYPE_CHECKING:
    from access.models import Organisation, User

BELL_LENGTH = 8
KEPT_DAYS = 180
COUNT_LIMIT = 99


@dataclass(frozen=True, kw_only=True)
class Kind:
    key: str
    label: Message
    sentence: Message
    icon: str
    tone: str = ""


_kinds: dict[str, Kind] = {}


def register(*, kind: str, label: Message, sentence: Message, icon: str = "bell", tone: str = "") -> None:
    """Name a kind. `sentence` is filled with the detail by `%(name)s`; several kinds may share a label."""
    _kinds[kind] = Kind(key=kind, label=label, sentence=sentence, icon=icon, tone=tone)


def kinds() -> list[Kind]:
    return sorted(_kinds.values(), key=lambda one: one.key)


def kind_of(notification: Notification) -> Kind:
    """The kind of a line; one whose app is gone is shown as it was named."""
    found = _kinds.get(notification.kind)
    return found or Kind(key=notification.kind, label=notification.kind, sentence=notification.kind, icon="bell")


def sentence(notification: Notification) -> str:
    words: Any = kind_of(notification).sentence
    # A sentence that counts (`ngettext_lazy`) chooses its words by the number.
    values = {name: _readable(value) for name, value in notification.detail.items()}
    try:
        return str(words % values)
    except (KeyError, ValueError, TypeError):
        # A line kept by an older version may lack what the sentence wants today.
        return str(kind_of(notification).label)


def _readable(value: Any) -> int | str:
    if isinstance(value, Mapping):
        return timezone.localtime(datetime.fromisoformat(value["at"])).strftime("%Y-%m-%d %H:%M")
    return value if isinstance(value, int) else str(value)


def _kept(value: Any) -> Any:
    """As JSON; a moment keeps its place in time, not the hour of whoever sent it."""
    return {"at": value.isoformat()} if isinstance(value, datetime) else value


def send(
    *,
    kind: str,
    organisation: Organisation,
    persons: Iterable[User],
    subject: str,
    url: str = "",
    detail: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> int:
    """Tell people, in the caller's transaction; how many were told. The same subject again renews its line."""
    if kind not in _kinds:
        raise LookupError(f"The notification kind {kind!r} was never registered.")
    told = {person.pk: person for person in persons if by is None or person.pk != by.pk}
    moment = timezone.now()
    rows = [
        Notification(
            organisation=organisation,
            person=person,
            kind=kind,
            subject=subject[:100],
            detail={name: _kept(value) for name, value in (detail or {}).items()},
            url=url,
            happened_at=moment,
        )
        for _key, person in sorted(told.items())
    ]
    Notification.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["organisation", "person", "kind", "subject"],
        update_fields=["detail", "url", "happened_at", "read_at"],
    )
    return len(rows)


def was_sent(*, kind: str, organisation: Organisation, subject: str) -> bool:
    """Whether anybody has this line, read or not."""
    found: bool = Notification.objects.filter(organisation=organisation, kind=kind, subject=subject[:100]).exists()
    return found


def last_sent(*, kind: str, organisation: Organisation, subject: str) -> datetime | None:
    """When somebody was told last; None: nobody has the line."""
    rows = Notification.objects.filter(organisation=organisation, kind=kind, subject=subject[:100])
    found: datetime | None = rows.aggregate(last=Max("happened_at"))["last"]
    return found


def withdraw(*, kind: str, organisation: Organisation, subject: str) -> None:
    """Take a line back from everyone: what it asked for is done, or no longer wanted."""
    Notification.objects.filter(organisation=organisation, kind=kind, subject=subject[:100]).delete()


def of(*, user: User) -> QuerySet[Notification]:
    """A person's own lines in the organisation of the scope, newest first."""
    found: QuerySet[Notification] = Notification.objects.filter(person=user)
    return found


def latest(*, user: User) -> list[Notification]:
    return _latest.all(user_id=user.pk)


@ready(scoped=True, user_id=int)
def _latest(*, user_id: int) -> QuerySet[Notification]:
    return Notification.objects.filter(person_id=user_id)[:BELL_LENGTH]


def unread_count(*, user: User) -> int:
    """How many are unread; counting stops above `COUNT_LIMIT`."""
    return len(_unread.all(user_id=user.pk))


@ready(scoped=True, user_id=int)
def _unread(*, user_id: int) -> QuerySet[Notification]:
    return Notification.objects.filter(person_id=user_id, read_at=None).order_by().only("pk")[: COUNT_LIMIT + 1]


def mark_read(*, user: User, public_ids: Iterable[str] | None = None) -> int:
    """Mark some, or all, of the person's lines; how many had been unread."""
    rows = of(user=user).filter(read_at=None)
    if public_ids is not None:
        rows = rows.filter(public_id__in=list(public_ids))
    return int(rows.update(read_at=timezone.now()))


def mark_unread(*, user: User, public_ids: Iterable[str]) -> int:
    return int(of(user=user).filter(public_id__in=list(public_ids)).exclude(read_at=None).update(read_at=None))


def sweep() -> int:
    """Forget what is older than `KEPT_DAYS`; the caller lifts the scope."""
    count, _rows = Notification.objects.filter(happened_at__lt=timezone.now() - timedelta(days=KEPT_DAYS)).delete()
    return int(count)
