"""What the parts of the write side share."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from access import sight
from core.errors import Invalid


def validate(row: Any) -> None:
    """Raises `Invalid` with the sentences of each field."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error


def rights_changed(*people: int) -> None:
    """What was remembered of these people's rights is forgotten when the change is kept."""
    transaction.on_commit(lambda: sight.forget(*people))
