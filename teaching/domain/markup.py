"""Authors write Markdown; pages show it. No HTML of theirs passes, and no image or script of anyone else's."""

from __future__ import annotations

from typing import Final

from markdown_it import MarkdownIt

_renderer: Final = MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": True}).disable(["image"])


def to_html(text: str) -> str:
    """Safe HTML of a Markdown text; links open as they are, with http, https and mailto only (the parser's rule)."""
    return str(_renderer.render(text))


def first_line(text: str, *, limit: int = 120) -> str:
    line = next((part.strip().lstrip("#*- ").strip() for part in text.splitlines() if part.strip()), "")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
