"""Directories at work: the password on the ordinary form, and the nightly look at who is still there.

The LDAP library is loaded where a directory is asked: it takes half a second, and most processes never ask one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils import timezone

from access import hooks, throttle
from access.errors import DirectoryAway, PeopleQuotaReached
from access.models import RoleGrant, User
from access.single_sign_on import arriving, exchange, queries, rights
from access.single_sign_on.errors import ProviderUnreachable, SecretUnreadable, SignOnRefused, TooManyGuesses
from access.single_sign_on.models import Directory
from core.tenancy import all_tenants, tenant

logger = structlog.get_logger(__name__)

# That many people do not leave in one night: rather the filter, the base or the rights of the reading account changed.
GONE_AT_ONCE_AT_LEAST = 5
GONE_AT_ONCE_PART = 0.5


@dataclass(frozen=True)
class Arrival:
    user: User
    directory: Directory


def arrive(*, username: str, password: str, request: Any) -> Arrival | None:
    """Sign somebody in by `name@organisation` and the directory's password; None when no directory takes it.

    Raises `SignOnRefused` when the password was right and the person may not come in, or no directory could be asked.
    """
    from access.single_sign_on import ldap

    name, at, slug = username.strip().rpartition("@")
    if not at or not name or not password:
        return None
    silent: SignOnRefused | SecretUnreadable | None = None
    for directory in queries.directories_of(slug.lower()):
        guessing = _Guessing(directory=directory, request=request)
        try:
            with exchange.with_provider(directory):
                entry = ldap.authenticate(directory, name=name, password=password, admit=guessing.admit)
        except exchange.Busy as error:
            guessing.was_none()
            # Anybody can bring this about by asking much; it must not push what matters out of the list.
            silent = error
            continue
        except (ProviderUnreachable, SecretUnreadable) as error:
            guessing.was_none()
            logger.warning("directory_unreachable", directory=directory.public_id, code=error.code)
            arriving.note(sign_on=directory, outcome=error.code)
            silent = error
            continue
        except SignOnRefused as error:
            arriving.refuse(sign_on=directory, code=error.code, request=request)
            raise
        if entry is None:
            arriving.note(sign_on=directory, outcome="wrong-password")
            continue
        guessing.succeeded()
        try:
            user = arriving.enter(sign_on=directory, subject=entry.identifier, claims=entry.claims, request=request)
        except SignOnRefused as error:
            arriving.refuse(sign_on=directory, code=error.code, request=request)
            raise
        return Arrival(user=user, directory=directory)
    if isinstance(silent, exchange.Busy):
        raise silent
    if silent is not None:
        raise ProviderUnreachable(code=silent.code)
    return None


class _Guessing:
    """Counts attempts at one person of a directory, by whatever name they were found: a filter may know several."""

    def __init__(self, *, directory: Directory, request: Any) -> None:
        self._directory = directory
        self._request = request
        self._attempt: throttle.Attempt | None = None

    def admit(self, identifier: str) -> None:
        name = f"directory {self._directory.public_id} {identifier}"
        self._attempt = throttle.attempt(request=self._request, name=name)
        if not self._attempt.is_admitted:
            raise TooManyGuesses(code="too-many-attempts")

    def succeeded(self) -> None:
        if self._attempt is not None:
            self._attempt.succeeded()

    def was_none(self) -> None:
        """The directory fell silent: the password was not looked at."""
        if self._attempt is not None:
            self._attempt.was_none()


def linked(user: User) -> list[tuple[Directory, str]]:
    """The directories in use that the account is a person of, with the identifier there."""
    accounts = {one.provider: one.uid for one in SocialAccount.objects.filter(user=user)}
    if not accounts:
        return []
    with all_tenants():
        found = Directory.objects.select_related("organisation").filter(
            public_id__in=accounts, is_active=True, organisation__suspended_at=None
        )
        return [(one, accounts[one.public_id]) for one in found]


def takes_password(*, user: User, password: str) -> bool:
    """Whether a directory says that this is the person's password. Raises `DirectoryAway` when none could be asked."""
    name = user.username.rpartition("@")[0]
    from access.single_sign_on import ldap

    is_away = False
    for directory, identifier in linked(user):
        try:
            with exchange.with_provider(directory):
                entry = ldap.authenticate(directory, name=name, password=password)
        except (ProviderUnreachable, SecretUnreadable):
            is_away = True
            continue
        except SignOnRefused:
            continue
        if entry is not None and entry.identifier == identifier:
            return True
    if is_away:
        raise DirectoryAway
    return False


def sync(*, directory: Directory) -> int:
    """Look at everybody the directory let in: roles as they are now, and an end for who is gone.

    Returns how many memberships ended. When the directory does not answer nothing is changed. Safe to repeat.
    """
    from access.single_sign_on import ldap

    accounts = list(SocialAccount.objects.filter(provider=directory.public_id).select_related("user"))
    with tenant(directory.organisation):
        here = set(
            RoleGrant.objects.filter(source=directory.source, ended_at=None)
            .values_list("user_id", flat=True)
            .distinct()
        )
    accounts = [one for one in accounts if one.user_id in here]
    try:
        with exchange.with_provider(directory, is_long=True), ldap.searching(directory) as connection:
            found = {
                one.user_id: ldap.look_up_identifier(connection, directory, identifier=one.uid) for one in accounts
            }
    except (SignOnRefused, SecretUnreadable) as error:
        logger.warning("directory_not_synced", directory=directory.public_id, code=error.code)
        arriving.note(sign_on=directory, outcome=error.code)
        return 0
    gone = [one for one in accounts if found[one.user_id] is None]
    if len(gone) >= GONE_AT_ONCE_AT_LEAST and len(gone) > GONE_AT_ONCE_PART * len(accounts):
        logger.warning("directory_too_many_gone", directory=directory.public_id, gone=len(gone))
        arriving.note(sign_on=directory, outcome="many-gone")
        return 0
    ended = 0
    for account in accounts:
        entry = found[account.user_id]
        user: Any = account.user
        if entry is None:
            if rights.end_gone(sign_on=directory, user=user):
                ended += 1
            arriving.note(sign_on=directory, outcome="gone", user=user)
            continue
        try:
            rights.bring_up_to_date(sign_on=directory, user=user, claims=entry.claims)
        except (SignOnRefused, PeopleQuotaReached):
            continue  # suspended: nothing to bring up to date
    with transaction.atomic(), tenant(directory.organisation):
        Directory.objects.filter(pk=directory.pk).update(last_synced_at=timezone.now())
        arriving.note(sign_on=directory, outcome="synced")
        hooks.tell(
            action="sign-on.synced",
            organisation=directory.organisation,
            target=directory,
            detail={"sign_on": directory.public_id, "ended": ended, "people": len(accounts)},
        )
    return ended


def sync_all() -> int:
    with all_tenants():
        found = list(
            Directory.objects.select_related("organisation").filter(is_active=True, organisation__suspended_at=None)
        )
    return sum(sync(directory=directory) for directory in found)
