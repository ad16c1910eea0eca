"""Acts of the floor below (access) and of Django's own sign-in enter the trail here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)

from access import queries
from access.models import User
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
) -> None:
    services.record(
        action=action,
        organisation=organisation,
        actor=actor,
        target=target,
        target_label=account_label(target),
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
    _in_each_organisation(action="session.started", user=user, request=request)


def _signed_out(*, request: Any, user: User | None, **_unused: Any) -> None:
    if user is not None:
        _in_each_organisation(action="session.ended", user=user, request=request)


def _sign_in_refused(*, credentials: dict[str, Any], request: Any = None, **_unused: Any) -> None:
    user = find_account(str(credentials.get("username", "")))
    if user is not None:
        _in_each_organisation(
            action="session.refused",
            user=user,
            request=request,
            outcome="refused",
            as_actor=False,
        )
        return
    # What was typed is not kept: people type passwords into the name field.
    services.record(
        action="session.refused",
        organisation=None,
        target_label="an unknown account",
        outcome="refused",
        request=request,
    )


def _in_each_organisation(
    *,
    action: str,
    user: User,
    request: Any,
    outcome: str = "success",
    as_actor: bool = True,
) -> None:
    # A sign-in concerns every organisation the person may then enter; each officer sees it in their own trail.
    concerned: list[Any] = list(queries.organisations_open_to(user)) or [None]
    for organisation in concerned:
        services.record(
            action=action,
            organisation=organisation,
            actor=user if as_actor else None,
            target=user,
            target_label=user.username,
            outcome=outcome,
            request=request,
        )
