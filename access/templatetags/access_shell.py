"""What the shell shows of organisations: `{% load access_shell %}`."""

from __future__ import annotations

from typing import Any

from django import template

from access import kept_text, queries
from access.break_glass import queries as glasses
from access.models import Organisation, User

register = template.Library()


@register.simple_tag(takes_context=True)
def kept_text_key(context: template.Context) -> str:
    """The key of what the person's browser keeps; none for a page that is looked at as somebody else."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if not isinstance(user, User) or getattr(user, "seen_by", None) is not None:
        return ""
    return kept_text.key_of(user)


@register.simple_tag(takes_context=True)
def my_organisations(context: template.Context) -> list[Organisation]:
    """The organisations the person may switch to."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return []
    return queries.organisations_to_switch_to(request.user)


@register.inclusion_tag("access/break_glass/banner.html", takes_context=True)
def break_glass_banner(context: template.Context) -> dict[str, Any]:
    """On every page while emergency access runs: until when, and the way to end it."""
    request = context.get("request")
    found = glasses.shown_to(request) if request is not None else []
    return {"glasses": found, "request": request, "csrf_token": context.get("csrf_token")}
