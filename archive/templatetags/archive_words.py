"""Values of data sets in templates."""

from __future__ import annotations

from django import template

from archive import reading

register = template.Library()


@register.filter
def person_name(value: str) -> str:
    return reading.person_name(value or "")


@register.filter
def da(value: str) -> str:
    return reading.shown_date(value or "")


@register.filter
def tm(value: str) -> str:
    return reading.shown_time(value or "")


SOP_KINDS = {
    "SR": "file-text",
    "PR": "layers",
    "KO": "key",
    "DOC": "file-text",
    "RTSTRUCT": "pen-tool",
    "ECG": "activity",
}


@register.filter
def modality_icon(modality: str) -> str:
    return SOP_KINDS.get(modality or "", "scan")
