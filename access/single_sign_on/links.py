"""Letting go of a provider: one's own link, as an act of the person."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils.translation import gettext as _

from access import hooks
from access.models import User
from access.sign_in import factors
from access.single_sign_on.models import Directory, IdentityProvider
from core.errors import Conflict, NotFound
from core.tenancy import all_tenants, tenant


@transaction.atomic
def disconnect(*, user: User, account: int, request: Any = None) -> None:
    """Raises `NotFound`, and `Conflict` when nothing else would open the account."""
    row = SocialAccount.objects.select_for_update().filter(pk=account, user=user).first()
    if row is None:
        raise NotFound
    others = SocialAccount.objects.filter(user=user).exclude(pk=row.pk).exists()
    if not (others or user.has_usable_password() or factors.has_passkey(user)):
        raise Conflict(_("Nothing else opens your account. Add a passkey first, then disconnect."))
    with all_tenants():
        sign_on = (
            IdentityProvider.objects.select_related("organisation").filter(public_id=row.provider).first()
            or Directory.objects.select_related("organisation").filter(public_id=row.provider).first()
        )
    row.delete()
    if sign_on is None:
        return
    with tenant(sign_on.organisation):
        hooks.tell(
            action="sign-on.disconnected",
            organisation=sign_on.organisation,
            actor=user,
            target=user,
            detail={"sign_on": sign_on.public_id},
            request=request,
        )
