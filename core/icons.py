"""Lucide outlines for server-rendered pages, read from the front end's build."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import structlog
from django.conf import settings
from django.utils.html import format_html, format_html_join

logger = structlog.get_logger(__name__)

FALLBACK = "circle-dot"


@lru_cache(maxsize=1)
def _outlines() -> dict[str, list[tuple[str, dict[str, str]]]]:
    for directory in settings.STATICFILES_DIRS:
        built = Path(directory) / "icons.json"
        if built.exists():
            found: dict[str, list[tuple[str, dict[str, str]]]] = json.loads(built.read_text(encoding="utf-8"))
            return found
    return {}


@lru_cache(maxsize=512)
def _body(name: str) -> str:
    outlines = _outlines()
    if not outlines:
        return ""  # the front end is not built: pages still work, without pictures
    if name not in outlines:
        # A misspelt name must not take a page down; tests/look finds those that stand in templates.
        logger.warning("unknown_icon", icon=name)
    nodes = outlines.get(name) or outlines[FALLBACK]
    parts = []
    for tag, attributes in nodes:
        drawn = format_html_join("", ' {}="{}"', attributes.items())
        parts.append(format_html("<{}{}/>", tag, drawn))
    return format_html_join("", "{}", ((part,) for part in parts))


def names() -> frozenset[str]:
    """Every icon of the build; empty before the first build."""
    return frozenset(_outlines())


def draw(name: str, *, classes: str = "", label: str = "") -> str:
    """The icon as inline SVG: decoration unless it has a label."""
    about = format_html('role="img" aria-label="{}"', label) if label else format_html('aria-hidden="{}"', "true")
    return format_html(
        '<svg class="icon{}" viewBox="0 0 24 24" {}>{}</svg>', f" {classes}" if classes else "", about, _body(name)
    )
