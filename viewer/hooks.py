"""What upper floors add to the viewer: header actions on an archive study, and listeners for what was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from viewer.domain.events import ViewEvent
    from viewer.domain.manifest import Action
    from viewer.models import ReadingSession


class ActionProvider(Protocol):
    def __call__(self, *, user: Any, study: Any, request: Any) -> Action | None:
        """The button for this person and study, or None when it is not theirs to press."""


class EventListener(Protocol):
    def __call__(self, *, session: ReadingSession, events: Sequence[ViewEvent]) -> None:
        """Take a batch of what was on screen; runs in the transaction that takes the batch."""


_actions: dict[str, tuple[int, ActionProvider]] = {}
_listeners: dict[str, list[EventListener]] = {}


def register_action(name: str, provider: ActionProvider, *, order: int = 100) -> None:
    """Put a button into the header of the viewer in mode ``study``. A second registration replaces the first."""
    _actions[name] = (order, provider)


def study_actions(*, user: Any, study: Any, request: Any) -> tuple[Action, ...]:
    found = []
    for _order, provider in sorted(_actions.values(), key=lambda entry: entry[0]):
        action = provider(user=user, study=study, request=request)
        if action is not None:
            found.append(action)
    return tuple(found)


def on_view_events(kind: str, listener: EventListener) -> None:
    """Hear what was on screen in reading sessions of one kind (the ``kind`` given to ``services.open_session``)."""
    listeners = _listeners.setdefault(kind, [])
    if listener not in listeners:
        listeners.append(listener)


def tell_view_events(*, session: ReadingSession, events: Sequence[ViewEvent]) -> None:
    for listener in _listeners.get(session.kind, ()):
        listener(session=session, events=events)
