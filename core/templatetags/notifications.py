"""What the bell shows: `{% load notifications %}`."""

from __future__ import annotations

from dataclasses import dataclass

from django import template

from core import notifications
from core.models import Notification

register = template.Library()


@dataclass(frozen=True)
class Line:
    row: Notification
    kind: notifications.Kind
    words: str


@dataclass(frozen=True)
class Recent:
    lines: tuple[Line, ...] = ()
    unread: int = 0

    @property
    def unread_words(self) -> str:
        return f"{notifications.COUNT_LIMIT}+" if self.unread > notifications.COUNT_LIMIT else str(self.unread)


@register.simple_tag(takes_context=True)
def recent_notifications(context: template.Context) -> Recent:
    """The person's latest lines and how many are unread."""
    request = context.get("request")
    if request is None or getattr(request, "organisation", None) is None:
        return Recent()
    rows = notifications.latest(user=request.user)
    lines = tuple(Line(row, notifications.kind_of(row), notifications.sentence(row)) for row in rows)
    return Recent(lines=lines, unread=notifications.unread_count(user=request.user))


@register.simple_tag
def notification_kind(row: Notification) -> notifications.Kind:
    return notifications.kind_of(row)
