from __future__ import annotations

from django import template

from audit import queries
from audit.models import Event

register = template.Library()


@register.filter
def sentence(event: Event) -> str:
    """An event in words."""
    return queries.sentence(event)


@register.filter
def place(event: Event) -> str:
    """Where it happened, by name."""
    return queries.place_words(event)
