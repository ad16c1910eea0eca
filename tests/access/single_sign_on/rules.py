"""Rules that give roles by what a provider or directory says of a person."""

from __future__ import annotations

from typing import Any

from access.models import Directory, IdentityProvider, User
from access.single_sign_on import services as sign_ons


def key_of(container: Any, role: str) -> str:
    return f"{container.container_kind()}:{container.pk}:{role}"


def rule(
    administrator: User,
    sign_on: IdentityProvider | Directory,
    *,
    value: str,
    role: str,
    claim: str = "groups",
    how: str = "equals",
) -> None:
    sign_ons.add_rule(actor=administrator, sign_on=sign_on, claim=claim, how=how, value=value, role=role)
