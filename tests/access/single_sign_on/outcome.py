"""What came of a sign-on: who is in, who may read, what was written down."""

from __future__ import annotations

from django.test import Client

from access import queries
from access.models import Directory, IdentityProvider, SignOnEvent, User
from archive.models import Archive
from core.tenancy import all_tenants, tenant


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def may_read(user: User, archive: Archive) -> bool:
    with tenant(archive.organisation):
        return bool(queries.may(user, "archive.view_archive", archive))


def outcomes(sign_on: IdentityProvider | Directory) -> list[str]:
    kind = "provider" if isinstance(sign_on, IdentityProvider) else "directory"
    with all_tenants():
        rows = SignOnEvent.objects.filter(**{kind: sign_on}).order_by("pk")
        return list(rows.values_list("outcome", flat=True))
