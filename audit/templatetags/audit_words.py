from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from audit import queries
from audit.models import Event

register = template.Library()


@register.filter
def sentence(event: Event) -> SafeString:
    """An event in words."""
    return queries.sentence(event)
