"""What the shell shows of organisations: `{% load access_shell %}`."""

from __future__ import annotations

from django import template

from access import queries
from access.models import Organisation

register = template.Library()


@register.simple_tag(takes_context=True)
def my_organisations(context: template.Context) -> list[Organisation]:
    """The organisations the person may switch to."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return []
    return list(queries.organisations_of(request.user))
