"""Looking at results is part of the trail."""

from __future__ import annotations

from typing import Any

from practice.models import Attempt
from practice.services.telling import tell


def record_result_viewed(*, actor: Any, attempt: Attempt, request: Any = None) -> None:
    tell(action="attempt.result_viewed", attempt=attempt, actor=actor, request=request)
