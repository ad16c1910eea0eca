"""What was on screen, for how long: one event is one image shown in one viewport without a change."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

MAX_EVENTS: Final = 500
#: An image left on screen longer than this between two reports is an absence, not a look.
MAX_MILLISECONDS: Final = 10 * 60 * 1000
_UID: Final = re.compile(r"[0-9.]{1,64}\Z")


@dataclass(frozen=True, kw_only=True)
class ViewEvent:
    """``zoom`` 1.0 is fit to the viewport; ``rect`` is the part of the image that was visible, in image pixels."""

    series: str
    instance: str
    frame: int
    milliseconds: int
    zoom: float = 1.0
    window: tuple[float, float] | None = None
    rect: tuple[float, float, float, float] | None = None
    #: Milliseconds since the page was opened, at which the image came on screen.
    at: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "series": self.series,
            "instance": self.instance,
            "frame": self.frame,
            "ms": self.milliseconds,
            "zoom": self.zoom,
            "voi": list(self.window) if self.window else None,
            "rect": list(self.rect) if self.rect else None,
            "at": self.at,
        }


def parse_events(payload: object) -> tuple[ViewEvent, ...]:
    """Events from untrusted JSON. Telemetry never breaks a read: what makes no sense is dropped, not refused.

    :raises ValueError: when the batch as a whole is not a list of at most ``MAX_EVENTS``.
    """
    if not isinstance(payload, list) or len(payload) > MAX_EVENTS:
        raise ValueError("A list of events was expected.")
    events = (_parse(item) for item in payload)
    return tuple(event for event in events if event is not None)


def _parse(item: object) -> ViewEvent | None:
    if not isinstance(item, dict):
        return None
    series, instance = item.get("series"), item.get("instance")
    if not (isinstance(series, str) and _UID.match(series) and isinstance(instance, str) and _UID.match(instance)):
        return None
    frame, milliseconds = _integer(item.get("frame"), 1), _integer(item.get("ms"), 0)
    if frame is None or milliseconds is None or frame < 1 or milliseconds <= 0:
        return None
    zoom = _numbers([item.get("zoom", 1.0)], 1)
    window = _numbers(item.get("voi"), 2)
    rect = _numbers(item.get("rect"), 4)
    return ViewEvent(
        series=series,
        instance=instance,
        frame=frame,
        milliseconds=min(milliseconds, MAX_MILLISECONDS),
        zoom=zoom[0] if zoom else 1.0,
        window=(window[0], window[1]) if window else None,
        rect=(rect[0], rect[1], rect[2], rect[3]) if rect else None,
        at=max(0, _integer(item.get("at"), 0) or 0),
    )


def _integer(value: object, default: int) -> int | None:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if abs(value) < 2**53 else None


def _numbers(value: object, count: int) -> list[float] | None:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        return None
    numbers: list[float] = []
    for v in value:
        if isinstance(v, bool) or not isinstance(v, (int, float)):
            return None
        if not -1.0e9 < v < 1.0e9:
            return None
        numbers.append(float(v))
    return numbers
