"""An element by its path through sequences."""

from __future__ import annotations

from typing import Final

from archive.domain.elements.model import Element, Elements
from archive.domain.elements.representation import Context, context_of, item_context

MAXIMUM_DEPTH: Final = 32


def find(elements: Elements, path: str) -> tuple[Element, Context]:
    """The element at `tag[/item/tag…]`, items counted from 0, and what holds there. Raises `KeyError`."""
    steps = path.strip("/").split("/")
    if len(steps) % 2 == 0 or len(steps) > 2 * MAXIMUM_DEPTH + 1:
        raise KeyError(path)
    current, context = elements, context_of(elements)
    for tag, number in zip(steps[:-1:2], steps[1::2], strict=True):
        items = _at(current, tag).items
        if items is None or not (number.isascii() and number.isdecimal()) or len(number) > 6:
            raise KeyError(path)
        if int(number) >= len(items):
            raise KeyError(path)
        current = items[int(number)]
        context = item_context(current, context)
    return _at(current, steps[-1]), context


def _at(elements: Elements, tag: str) -> Element:
    try:
        found = elements.get(int(tag, 16)) if len(tag) == 8 else None
    except ValueError:
        found = None
    if found is None:
        raise KeyError(tag)
    return found
