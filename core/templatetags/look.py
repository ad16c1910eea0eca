"""Template tags of the design system: `{% load look %}`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import template
from django.conf import settings
from django.forms import (
    BoundField,
    CheckboxInput,
    CheckboxSelectMultiple,
    FileInput,
    PasswordInput,
    RadioSelect,
    Select,
    Textarea,
)
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.utils import timezone
from django.utils.html import json_script
from django.utils.translation import gettext as _

from core import disks, icons, navigation
from core.models import Job

register = template.Library()

TONE_ICONS = {
    "pass": "circle-check",
    "fail": "circle-x",
    "query": "circle-question-mark",
    "blinded": "eye-off",
    "info": "info",
    "success": "circle-check",
    "error": "circle-x",
    "warning": "triangle-alert",
    "debug": "info",
}
TONE_OF_LEVEL = {"success": "pass", "error": "fail", "warning": "query", "info": "info", "debug": "info"}


@register.simple_tag
def icon(name: str, classes: str = "", label: str = "") -> str:
    """`{% icon "search" %}`: a Lucide icon, decorative unless `label` is given."""
    return icons.draw(name, classes=classes, label=label)


@register.simple_tag
def tone_icon(tone: str, name: str = "") -> str:
    return icons.draw(name or _known_icon(tone))


def _known_icon(tone: str) -> str:
    return TONE_ICONS.get(tone, "circle-dot")


@register.filter
def tone_of(message_level: str) -> str:
    """The tone of a Django message level."""
    return TONE_OF_LEVEL.get(message_level, "info")


@register.simple_tag(takes_context=True)
def shell_navigation(context: template.Context) -> list[navigation.Entry]:
    """The places of the person; the page's `nav` block names the current one, else the address does."""
    request = context.get("request")
    if request is None:
        return []
    named = ""
    blocks = context.render_context.get(BLOCK_CONTEXT_KEY)
    block = blocks.get_block("nav") if blocks is not None else None
    if block is not None:
        named = block.nodelist.render(context).strip()
    return navigation.entries(request, current=named)


@register.simple_tag(takes_context=True)
def recent_jobs(context: template.Context) -> list[Job]:
    """The person's jobs for the tray."""
    from core.queries import tray_jobs

    request = context.get("request")
    if request is None or getattr(request, "organisation", None) is None:
        return []
    return tray_jobs(user=request.user)


@register.simple_tag
def version() -> str:
    return str(getattr(settings, "VERSION", "") or "0.1.0")


@register.filter
def middle(value: Any, length: int | str = 22) -> str:
    """Shorten in the middle: the root and the tail of a UID are what people compare."""
    words, length = str(value or ""), int(length)
    if len(words) <= length:
        return words
    tail = (length - 1) // 2
    return f"{words[: length - 1 - tail]}…{words[-tail:]}"


@register.filter
def iso(value: date | datetime | None) -> str:
    """A date or moment as people read it in tables: ISO, in the person's time zone, to the minute."""
    if value is None or value == "":
        return ""
    if isinstance(value, datetime):
        return (
            timezone.localtime(value).strftime("%Y-%m-%d %H:%M")
            if timezone.is_aware(value)
            else value.strftime("%Y-%m-%d %H:%M")
        )
    return value.isoformat() if isinstance(value, date) else str(value)


@register.filter
def machine_time(value: date | datetime | None) -> str:
    return value.isoformat() if value else ""


@register.filter
def thousands(value: Any) -> str:
    """1 204 331 with thin spaces, the same in each language."""
    try:
        return f"{int(value):,}".replace(",", "\u202f")
    except (TypeError, ValueError):
        return str(value)


@register.filter
def file_size(value: Any) -> str:
    """Bytes in decimal units with three figures."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return ""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f}\u202f{unit}" if unit == "B" or number >= 100 else f"{number:.3g}\u202f{unit}"
        number /= 1000
    return ""


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """`mapping|lookup:key` or `list|lookup:index`, empty when absent."""
    try:
        return mapping[key]
    except (KeyError, IndexError, TypeError):
        return ""


@register.simple_tag
def control(field: BoundField, **attributes: Any) -> str:
    """The widget of a bound field with the classes and ARIA attributes of the design system."""
    widget = field.field.widget
    given = {name.replace("_", "-"): value for name, value in attributes.items() if value not in ("", None)}
    own: dict[str, Any] = {}
    if not isinstance(widget, PasswordInput):
        # With the attribute browsers cut what is pasted, and say nothing; the field refuses it and says how long it is.
        own["maxlength"] = False
    if not isinstance(widget, (CheckboxInput, CheckboxSelectMultiple, RadioSelect)):
        kind = "select" if isinstance(widget, Select) else "textarea" if isinstance(widget, Textarea) else "input"
        own["class"] = f"{kind} {widget.attrs.get('class', '')}".strip()
        if isinstance(widget, FileInput):
            own["class"] = "input"
    described = [f"{field.auto_id}_help"] if field.help_text else []
    if field.errors:
        own["aria-invalid"] = "true"
        described.insert(0, f"{field.auto_id}_error")
    if described:
        own["aria-describedby"] = " ".join(described)
    return field.as_widget(attrs=own | given)


@register.filter
def widget_kind(field: BoundField) -> str:
    """How a field is laid out: `check`, `group`, `hidden` or `control`."""
    widget = field.field.widget
    if field.is_hidden:
        return "hidden"
    if isinstance(widget, (CheckboxSelectMultiple, RadioSelect)):
        return "group"
    if isinstance(widget, CheckboxInput):
        return "check"
    return "control"


@register.simple_tag(takes_context=True)
def query_with(context: template.Context, **changes: Any) -> str:
    """The query string of this page with some keys changed (None removes)."""
    query = context["request"].GET.copy()
    for key, value in changes.items():
        if value is None:
            query.pop(key, None)
        else:
            query[key] = value
    return f"?{query.urlencode()}" if query else "?"


@register.simple_tag
def status_word(tone: str) -> str:
    """The word that goes with a tone, when nothing better is known."""
    return {
        "pass": _("Pass"),
        "fail": _("Fail"),
        "query": _("Query"),
        "blinded": _("Blinded"),
        "info": _("Info"),
    }.get(tone, tone)


@register.simple_tag
def active_of(jobs: list[Job]) -> int:
    """How many of the jobs are under way."""
    return sum(job.is_active for job in jobs)


@register.simple_tag
def script_texts() -> str:
    """The translated sentences that scripts show, for `static/src/lib/text.ts`."""
    return json_script(
        {
            "forbidden": _("Your role does not allow this."),
            "notFound": _("This no longer exists, or it is not shared with you."),
            "conflict": _("Somebody changed this in the meantime. Reload the page and try again."),
            "serverError": _("The server could not carry this out. Nothing was changed."),
            "offline": _("The server did not answer. Check the connection and try again."),
            "restored": _("What you typed here and did not send has been filled in again."),
            "discard": _("Discard"),
            "unsent": _("Not sent: no connection. What you typed is kept, and sent as soon as the server answers."),
            "tryAgain": _("Try again"),
            "passkeyKnown": _("This device holds a passkey of yours already."),
            "passkeyAddress": _("Passkeys do not work at this address."),
            "passkeyCancelled": _("No passkey was used. Try again, or choose another way."),
            "selected": _("{n} selected"),
            "nothingFound": _("Nothing found"),
            "remove": _("Remove {name}"),
            "tooLong": _("At most {most} characters; this has {n}."),
            "asTable": _("As a table"),
            "thisPage": _("This page"),
            "openResult": _("Open the result"),
        },
        "pw-text",
    )


@register.simple_tag(takes_context=True)
def administration_places(context: template.Context) -> list[navigation.Entry]:
    """The tabs that apps add to the administration."""
    request = context.get("request")
    return navigation.administration(request) if request is not None else []


@register.inclusion_tag("core/disk_banner.html", takes_context=True)
def disk_banner(context: template.Context) -> dict[str, Any]:
    """Tells everybody who is signed in that nothing new is taken, while that is so."""
    user = context.get("user")
    if user is None or not user.is_authenticated or getattr(context.get("request"), "guest", None) is not None:
        return {}
    room = disks.least_room()
    return {"room": room if room.is_short else None}
