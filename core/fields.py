"""What form fields say of themselves beyond what Django's do."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.forms import Field

from core.errors import Message


def required_when(when: Message, field: Field) -> Any:
    """A field that its service asks for in some cases only. `when` names them and stands beside the label, where the
    other fields say *optional* or nothing: "with a DICOM sender".
    """
    field.required = False
    field.required_when = when  # type: ignore[attr-defined]
    return field


def offer(field: Any, rows: QuerySet[Any], *, prompt: Message) -> None:
    """Fill a `ModelChoiceField`. Where there is a choice the select begins at `prompt`, which is no row; the only row
    there is, is chosen beforehand.
    """
    field.empty_label = None if len(rows[:2]) == 1 else str(prompt)
    field.queryset = rows
