"""The guides of this version, served by the product: Markdown files of `docs/`, their headings, and a search over them.

The files are the project's own and come with it, so they are read once a process; HTML in them is escaped all the same.
Links from guide to guide and to pictures become addresses of the product; links to other files of the repository become
plain words, as they lead nowhere here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core import navigation, palette

MOST_HITS = 40
EXCERPT = 160
NAME = re.compile(r"[a-z][a-z0-9-]{0,60}\Z")
PICTURE = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.(png|svg|webp)\Z")
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

#: People's guides come first, in the order of their work; what is not named follows by title.
FIRST = ("trainee", "educator", "trials", "officer", "archive", "viewer", "deidentification", "operations")


class Html(str):
    """What the Markdown parser wrote, which escapes all HTML of the text. Templates know it by `__html__`."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@dataclass(frozen=True)
class Heading:
    """A heading with the words that stand under it."""

    level: int
    title: str
    anchor: str
    words: str


@dataclass(frozen=True)
class Guide:
    name: str
    title: str
    summary: str
    html: Html
    headings: tuple[Heading, ...]

    @property
    def url(self) -> str:
        return reverse("core:guide", kwargs={"guide": self.name})

    @property
    def contents(self) -> list[Heading]:
        """What the list beside the text shows."""
        return [heading for heading in self.headings if heading.level == 2]


@dataclass(frozen=True)
class Found:
    guide: Guide
    heading: Heading
    excerpt: str

    @property
    def url(self) -> str:
        return self.guide.url if self.heading.level == 1 else f"{self.guide.url}#{self.heading.anchor}"


def folder() -> Path:
    return Path(settings.BASE_DIR) / "docs"


@lru_cache(maxsize=1)
def _all(_modified: tuple[tuple[str, float], ...]) -> dict[str, Guide]:
    found = [_read(path) for path in sorted(folder().glob("*.md")) if NAME.match(path.stem)]
    rank = {name: at for at, name in enumerate(FIRST)}
    found.sort(key=lambda guide: (rank.get(guide.name, len(rank)), guide.title.casefold()))
    return {guide.name: guide for guide in found}


def every() -> dict[str, Guide]:
    """Name → guide, in the order people are shown them; none when the files were not installed."""
    return _all(tuple((path.name, path.stat().st_mtime) for path in sorted(folder().glob("*.md"))))


def picture(name: str) -> Path | None:
    """The file of a picture that the guides show."""
    path = folder() / "pictures" / name
    return path if PICTURE.match(name) and path.is_file() else None


# Reading --------------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Guide:
    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": False})
    tokens = parser.parse(path.read_text(encoding="utf-8"))
    headings = _mark_headings(tokens)
    for token in tokens:
        _turn_links(token)
    title = headings[0].title if headings else path.stem
    # The page's own head shows the title; the text begins below it.
    body = tokens[3:] if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1" else tokens
    html = str(parser.renderer.render(body, parser.options, {}))
    html = html.replace("<table>", '<div class="table-scroll" tabindex="0"><table class="table">')
    html = html.replace("</table>", "</table></div>").replace("<th></th>", "<td></td>")
    return Guide(
        name=path.stem,
        title=title,
        summary=_summary(tokens),
        html=Html(html),
        headings=tuple(headings),
    )


def _mark_headings(tokens: Sequence[Token]) -> list[Heading]:
    """Give each heading an anchor of its own, and collect the words below it."""
    found: list[tuple[int, str, str, list[str]]] = []
    taken: dict[str, int] = {}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            title = _plain(tokens[at + 1])
            anchor = slugify(title, allow_unicode=True) or "section"
            taken[anchor] = taken.get(anchor, 0) + 1
            if taken[anchor] > 1:
                anchor = f"{anchor}-{taken[anchor]}"
            token.attrSet("id", anchor)
            found.append((int(token.tag[1]), title, anchor, []))
        elif found and token.type in ("inline", "fence", "code_block") and tokens[at - 1].type != "heading_open":
            found[-1][3].append(_plain(token))
    return [Heading(level, title, anchor, " ".join(words)) for level, title, anchor, words in found]


def _plain(token: Token) -> str:
    if not token.children:
        return token.content
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children)


def _summary(tokens: Sequence[Token]) -> str:
    """The first sentence of running text."""
    for at, token in enumerate(tokens):
        is_text = token.type == "inline" and at > 0 and tokens[at - 1].type == "paragraph_open"
        if is_text and not any(child.type == "image" for child in token.children or ()):
            first = re.split(r"(?<=[.!?]) ", _plain(token), maxsplit=1)[0]
            return first if len(first) <= EXCERPT else f"{first[:EXCERPT].rsplit(' ', 1)[0]}…"
    return ""


def _turn_links(token: Token) -> None:
    for child in token.children or ():
        if child.type == "image":
            name = str(child.attrGet("src") or "").removeprefix("pictures/")
            child.attrSet("src", reverse("core:guide-picture", kwargs={"name": name}) if PICTURE.match(name) else "")
            child.attrSet("loading", "lazy")
        elif child.type == "link_open":
            _turn_link(child)


def _turn_link(link: Token) -> None:
    target = str(link.attrGet("href") or "")
    if ABSOLUTE.match(target):
        link.attrSet("rel", "noreferrer")
        return
    path, _sign, anchor = target.partition("#")
    name = path.removesuffix(".md")
    if not path:
        return
    if path.endswith(".md") and NAME.match(name) and (folder() / path).is_file():
        there = reverse("core:guide", kwargs={"guide": name})
        link.attrSet("href", f"{there}#{anchor}" if anchor else there)
    else:
        link.attrs.pop("href", None)


# Searching ------------------------------------------------------------------------------------------------------------


def search(words: str) -> list[Found]:
    """Sections in which every word occurs; those that say it in their heading come first."""
    wanted = [word.casefold() for word in words.split()][:10]
    if not wanted:
        return []
    ranked: list[tuple[int, int, Found]] = []
    for guide in every().values():
        for heading in guide.headings:
            title = f"{guide.title} {heading.title}".casefold()
            text = f"{title} {heading.words.casefold()}"
            if not all(word in text for word in wanted):
                continue
            rank = sum(word not in heading.title.casefold() for word in wanted)
            ranked.append((rank, len(ranked), Found(guide, heading, _excerpt(heading.words, wanted))))
    return [found for _rank, _at, found in sorted(ranked, key=lambda row: row[:2])[:MOST_HITS]]


def _excerpt(words: str, wanted: Sequence[str]) -> str:
    places = [at for word in wanted if (at := words.casefold().find(word)) >= 0]
    start = max(0, min(places, default=0) - EXCERPT // 4)
    part = words[start : start + EXCERPT]
    return f"{'…' if start else ''}{part.strip()}{'…' if start + EXCERPT < len(words) else ''}"


def find_in_palette(request: HttpRequest, words: str, limit: int) -> list[palette.Hit]:
    return [
        palette.Hit(label=found.heading.title, url=found.url, icon="book-open-text", note=found.guide.title)
        for found in search(words)[:limit]
    ]


# Whose guide is which -------------------------------------------------------------------------------------------------

_recommended: list[tuple[int, str, str]] = []


def recommend(*, place: str, guide: str, order: int) -> None:
    """Say which guide belongs to those who may enter a place of the navigation; the lowest order is a person's own."""
    if (order, place, guide) not in _recommended:
        _recommended.append((order, place, guide))


def own(request: HttpRequest) -> Guide | None:
    """The guide for what this person mostly does here."""
    places = {entry.key for entry in navigation.entries(request)}
    known = every()
    names = (name for _order, place, name in sorted(_recommended) if place in places and name in known)
    name = next(names, None)
    return known[name] if name else None
