"""Reading what a script of ours sends to a page's own door: JSON that anybody may have tampered with."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from django.http.request import RawPostDataException


def read_json(request: HttpRequest) -> Any:
    """The body as JSON; None when it is anything else.

    A form is not JSON either: by the time the view asks, its fields were read and the bytes are gone.
    """
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError, RawPostDataException):
        return None
