"""Authors write Markdown; pages show it. No HTML of theirs passes, and no image or script of anyone else's."""

from __future__ import annotations

from typing import Final

from markdown_it import MarkdownIt

_renderer: Final = MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": True}).disable(["image"])


class Html(str):
    """Text that is HTML already. Templates know it by the `__html__` protocol, which needs no framework."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def to_html(text: str) -> Html:
    """Safe HTML of a Markdown text; the parser lets links to http, https and mailto pass, and escapes all HTML."""
    return Html(_renderer.render(text))


def first_line(text: str, *, limit: int = 120) -> str:
    line = next((part.strip().lstrip("#*- ").strip() for part in text.splitlines() if part.strip()), "")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
