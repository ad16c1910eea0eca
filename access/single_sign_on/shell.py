"""What single sign-on adds to the administration, and the words for where a role comes from."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access import hooks
from access.shell import may_manage_people
from access.single_sign_on.models import Directory, IdentityProvider
from access.single_sign_on.queries import label_of
from core import navigation


def _by_provider(source: str) -> str:
    return _("Single sign-on: %(provider)s") % {"provider": label_of(source)}


def _by_directory(source: str) -> str:
    return _("Directory: %(directory)s") % {"directory": label_of(source)}


def register() -> None:
    hooks.register_source_words(IdentityProvider.SOURCE, _by_provider)
    hooks.register_source_words(Directory.SOURCE, _by_directory)
    navigation.register_administration(
        key="sign-on", label=gettext_lazy("Single sign-on"), url="access:sso-list", order=60, may=may_manage_people
    )
