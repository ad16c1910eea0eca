"""How a role at a place is said: one sentence for it, whoever tells it."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from access.models import RoleContainer


def place(container: RoleContainer) -> str:
    """A container as people call it: *archive Clinical*, *trial LUNG-1*."""
    return f"{container._meta.verbose_name} {container}"


def role_at(roles: Iterable[str], *, container: RoleContainer) -> str:
    """Roles somebody has on a container: *manager of archive Clinical*, in the order in which the container names them."""
    # Every member holds "member" besides.
    held = set(roles) - {"member"} or set(roles)
    named = [str(label) for role, (label, _rights) in container.ROLES.items() if role in held] or sorted(held)
    words = ", ".join(label[:1].lower() + label[1:] for label in named)
    return _("%(roles)s of %(place)s") % {"roles": words, "place": place(container)}
