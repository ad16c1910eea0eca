"""Acts of the floor below (access) and of Django's own sign-in enter the trail here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)

from access.models import User
from access.sign_in import sessions
from access.sign_in.addresses import find_account
from audit import services


def record_access_act(
    *,
    action: str,
    organisation: Any,
    actor: Any,
    target: Any,
    detail: dict[str, Any],
    outcome: str,
    request: Any,
    target_label: str,
) -> None:
    services.record(
        action=action,
        organisation=organisation,
        actor=actor,
        target=target,
        target_label=target_label or account_label(target),
        detail=detail,
        outcome=outcome,
        request=request,
    )


def account_label(target: Any) -> str:
    return str(target.username) if isinstance(target, User) else ""


def connect() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="audit.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="audit.signed_out")
    user_login_failed.connect(_sign_in_refused, dispatch_uid="audit.sign_in_refused")


def _signed_in(*, request: Any, user: User, **_unused: Any) -> None:
    sessions.tell(action="session.started", user=user, request=request)


def _signed_out(*, request: Any, user: User | None, **_unused: Any) -> None:
    if user is not None:
        sessions.tell(action="session.ended", user=user, request=request)


def _sign_in_refused(*, credentials: dict[str, Any], request: Any = None, **_unused: Any) -> None:
    typed = str(credentials.get("username", ""))
    sessions.tell_of_name(
        action="session.refused", user=find_account(typed), typed=typed, request=request, outcome="refused"
    )
