"""What form fields say of themselves beyond what Django's do."""

from __future__ import annotations

from typing import Any

from django.forms import Field

from core.errors import Message


def required_when(when: Message, field: Field) -> Any:
    """A field that its service asks for in some cases only. `when` names them and stands beside the label, where the
    other fields say *optional* or nothing: "with a DICOM sender".
    """
    field.required = False
    field.required_when = when  # type: ignore[attr-defined]
    return field
