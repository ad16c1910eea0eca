"""API tokens: made, used, rotated, shut out and revoked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries
from access.models import ApiToken, Organisation, User
from access.services.common import validate
from core.errors import Conflict, Invalid, NotFound
from core.ready import ready
from core.tenancy import tenant

TOKEN_PREFIX = "pw_"
LAST_USED_RESOLUTION_SECONDS = 60
DEFAULT_DAYS = 90
# For who is a member of no organisation, which would set its own limit.
LONGEST_DAYS = 365
# What a script needs to look: nothing that changes people, settings or records of the API.
DEFAULT_SCOPES = (ApiToken.Scope.READ, ApiToken.Scope.DICOMWEB, ApiToken.Scope.FHIR)
OVERLAP_HOURS_MAX = 24 * 14
CONTAINERS_MAX = 50


@transaction.atomic
def create_token(
    *,
    user: User,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    containers: Sequence[str] = (),
    actor: User | None = None,
    request: Any = None,
) -> tuple[ApiToken, str]:
    """Make a token; the secret is returned once and not kept. Raises `Invalid`.

    Every token ends: without `expires_at` after `DEFAULT_DAYS`, or sooner where an organisation of the person says so.
    `containers` ("archive.archive:12", "access.organisation:3") limits what it reaches; none: all that the person may.
    `actor` makes a token for a service account of an organisation that they administer.
    """
    unknown = sorted(set(scopes) - set(ApiToken.Scope.values))
    if not scopes or unknown:
        raise Invalid(fields={"scopes": [_("Choose at least one of: %s.") % ", ".join(ApiToken.Scope.values)]})
    if actor is not None and actor.pk != user.pk:
        _require_service_account(actor=actor, user=user)
    token, secret = _new(
        user=user,
        name=name.strip() or _("Token"),
        scopes=sorted(set(scopes)),
        expires_at=expires_at or timezone.now() + timedelta(days=default_days(user)),
        containers=_known_containers(user=user, containers=containers),
        created_by=actor or user,
    )
    _tell(
        action="token.created",
        token=token,
        actor=actor or user,
        detail={"scopes": token.scopes, "containers": token.containers},
        request=request,
    )
    return token, secret


def _tell(
    *, action: str, token: ApiToken, actor: User, detail: dict[str, Any] | None = None, request: Any = None
) -> None:
    """An act on a token concerns each organisation that it reaches: every officer finds it in their own trail."""
    reached: list[Organisation | None] = []
    for open_to in queries.organisations_open_to(token.user):
        with tenant(open_to):
            if queries.tokens_reaching(open_to).filter(pk=token.pk).exists():
                reached.append(open_to)
    for organisation in reached or [token.user.service_of]:
        hooks.tell(action=action, organisation=organisation, actor=actor, target=token, detail=detail, request=request)


def _new(**fields: Any) -> tuple[ApiToken, str]:
    _check_end(user=fields["user"], expires_at=fields["expires_at"])
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(digest=token_digest(secret), prefix=secret[:9], **fields)
    validate(token)
    token.save()
    return token, secret


def longest_days(user: User) -> int:
    """The shortest of the limits of the person's organisations; `LONGEST_DAYS` for who is a member of none."""
    return min((one.token_days_max for one in queries.organisations_open_to(user)), default=LONGEST_DAYS)


def default_days(user: User) -> int:
    """How long a token lives when nobody says."""
    return min(DEFAULT_DAYS, longest_days(user))


def _check_end(*, user: User, expires_at: datetime) -> None:
    now = timezone.now()
    if expires_at <= now:
        raise Invalid(fields={"expires_at": [_("The date has passed.")]})
    days = longest_days(user)
    if expires_at > now + timedelta(days=days, hours=1):
        raise Invalid(fields={"expires_at": [_("A token can last %(days)s days at most.") % {"days": days}]})


def _known_containers(*, user: User, containers: Sequence[str]) -> list[str]:
    """The containers as they are kept. Raises `Invalid` for one that the person holds no role on."""
    if not containers:
        return []
    if len(containers) > CONTAINERS_MAX:
        raise Invalid(fields={"containers": [_("Choose at most %(n)s.") % {"n": CONTAINERS_MAX}]})
    known = {choice.key for choice in queries.reach_of(user)}
    if not set(containers) <= known:
        raise Invalid(fields={"containers": [_("Choose among the places where the account has a role.")]})
    return sorted(set(containers))


@transaction.atomic
def rotate_token(*, actor: User, token: ApiToken, overlap_hours: int = 24, request: Any = None) -> tuple[ApiToken, str]:
    """Make the successor of a token; the old secret works for the overlap and then no more.

    The successor has the same scopes and reach, and a life as long as the old one's. Raises `Invalid`, `Conflict`.
    """
    _require_own_or_service(actor=actor, token=token)
    if not 0 <= overlap_hours <= OVERLAP_HOURS_MAX:
        raise Invalid(fields={"overlap": [_("Choose between 0 and %(n)s hours.") % {"n": OVERLAP_HOURS_MAX}]})
    now = timezone.now()
    old = ApiToken.objects.select_for_update(of=("self",)).select_related("user").get(pk=token.pk)
    if not old.is_valid_at(now) or old.replaced_by_id is not None:
        raise Conflict(_("This token has ended or was rotated already. Make a new one."))
    life = min(old.expires_at - old.created_at, timedelta(days=longest_days(old.user)))
    made, secret = _new(
        user=old.user,
        name=old.name,
        scopes=old.scopes,
        containers=old.containers,
        shut_out_of=old.shut_out_of,
        expires_at=now + life,
        created_by=actor,
    )
    end = now + timedelta(hours=overlap_hours)
    old.expires_at = min(old.expires_at, end)
    old.replaced_by = made
    old.save(update_fields=["expires_at", "replaced_by"])
    _tell(
        action="token.rotated",
        token=made,
        actor=actor,
        detail={"old": f"{old.prefix}…", "hours": overlap_hours},
        request=request,
    )
    return made, secret


@transaction.atomic
def revoke_token(*, actor: User, token: ApiToken, request: Any = None) -> None:
    """End a token at once, also for a download that is under way. Raises `NotFound` for a token of somebody else."""
    _require_own_or_service(actor=actor, token=token)
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now(), revoked_by=actor)
    _tell(action="token.revoked", token=token, actor=actor, request=request)


@transaction.atomic
def shut_out_token(
    *, actor: User, organisation: Organisation, token: ApiToken, is_out: bool = True, request: Any = None
) -> None:
    """Close the organisation to a member's token, or open it again; elsewhere it goes on working."""
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        if not queries.tokens_reaching(organisation).filter(pk=token.pk).exists():
            raise NotFound
        locked = ApiToken.objects.select_for_update().get(pk=token.pk)
        places = set(locked.shut_out_of)
        places = places | {organisation.pk} if is_out else places - {organisation.pk}
        locked.shut_out_of = sorted(places)
        locked.save(update_fields=["shut_out_of"])
        hooks.tell(
            action="token.shut-out" if is_out else "token.let-in",
            organisation=organisation,
            actor=actor,
            target=token,
            request=request,
        )


@ready(digest=str)
def _token_of(*, digest: str) -> QuerySet[ApiToken]:
    return ApiToken.objects.select_related("user").filter(digest=digest)


def authenticate_token(*, secret: str, address: str = "") -> ApiToken | None:
    """The valid token behind a secret, its person loaded and bound to it; None for anything else."""
    token = _token_of.first(digest=token_digest(secret))
    now = timezone.now()
    if token is None or not token.is_valid_at(now) or not token.user.is_active:
        return None
    if (
        token.last_used_at is None
        or (now - token.last_used_at).total_seconds() > LAST_USED_RESOLUTION_SECONDS
        or (address and token.last_used_from != address)
    ):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address or None)
    token.user.api_token = token
    return token


def is_still_good(token: ApiToken) -> bool:
    """Whether a token that opened a long answer may go on."""
    found = ApiToken.objects.filter(pk=token.pk, user__is_active=True).first()
    return found is not None and found.is_valid_at(timezone.now()) and found.shut_out_of == token.shut_out_of


def token_digest(secret: str) -> str:
    # The secret has 256 random bits: a plain hash is enough, a slow one would only slow every request.
    return hashlib.sha256(secret.encode()).hexdigest()


def _require_service_account(*, actor: User, user: User) -> None:
    if user.service_of is None:
        raise NotFound
    with tenant(user.service_of):
        queries.require(actor, "access.manage_people", user.service_of)


def _require_own_or_service(*, actor: User, token: ApiToken) -> None:
    if token.user_id != actor.pk:
        _require_service_account(actor=actor, user=token.user)
