"""The one permission filter, and the one way to load and authorise.

A model says how it hangs on its container: `permission_path = "study__archive"` (empty on the container itself). HTML,
API, DICOMweb and DIMSE all ask here.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from access import hooks
from access.models import ApiToken, ContainerRole, Membership, Organisation, RoleContainer, RoleGrant, User
from access.sharing import registry
from core.db.among import asked_first
from core.errors import Forbidden, NotFound
from core.models import TenantModel
from core.ready import Ready, ready
from core.tenancy import all_tenants, signed_in, tenant

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Reach:
    """A place that a token can be limited to."""

    key: str
    container: RoleContainer


def unexpired(prefix: str = "", *, at: datetime | None = None) -> Q:
    """A grant whose end has not come, as a condition on the relation named by `prefix`."""
    now = at or timezone.now()
    return Q(**{f"{prefix}expires_at": None}) | Q(**{f"{prefix}expires_at__gt": now})


def memberships_open_to(user: Any) -> QuerySet[Membership]:
    """The memberships through which this person, token or look may act now: active, and not of a suspended one."""
    found = Membership.objects.filter(user=user, is_active=True, organisation__suspended_at=None)
    bound_to: int | None = getattr(user, "bound_to", None)
    if bound_to is not None:
        found = found.filter(organisation=bound_to)
    token: ApiToken | None = getattr(user, "api_token", None)
    if token is not None:
        if token.shut_out_of:
            found = found.exclude(organisation__in=token.shut_out_of)
        if token.containers:
            found = found.filter(organisation__in=_organisations_of_reach(token))
    return found


def has_membership(*, user: User | AnonymousUser, organisation: Organisation) -> bool:
    """Whether the person belongs to the organisation, whatever else stands in the way at the moment."""
    if not user.is_authenticated or not user.is_active:
        return False
    with tenant(organisation):
        return Membership.objects.filter(user=user, organisation=organisation, is_active=True).exists()


def is_member(*, user: User | AnonymousUser, organisation: Organisation) -> bool:
    if not user.is_authenticated or not user.is_active:
        return False
    with tenant(organisation):
        return memberships_open_to(user).filter(organisation=organisation).exists()


def every_organisation() -> QuerySet[Organisation]:
    """All of the installation, for those who administer it (`require_installation_administrator`)."""
    return Organisation.objects.all()


def organisations_of(user: User) -> QuerySet[Organisation]:
    """The organisations of the person who is signed in (`core.tenancy.signed_in`): one's memberships are one's own to
    read in whatever organisation, another person's are not."""
    return Organisation.objects.filter(pk__in=memberships_open_to(user).values("organisation")).order_by("name")


@ready(user_id=int)
def _organisations_of_plain(*, user_id: int) -> QuerySet[Organisation]:
    return organisations_of(User(pk=user_id))


def organisations_to_switch_to(user: User) -> list[Organisation]:
    """The same, for every page."""
    if is_plain(user) and user.bound_to is None:
        return _organisations_of_plain.all(user_id=user.pk)
    return list(organisations_of(user))


def organisations_open_to(user: User) -> list[Organisation]:
    """The same, asked on the person's behalf whoever asks: for what befalls an account in each of its organisations,
    such as a sign-in that is only just happening or was refused."""
    with signed_in(user_id=user.pk):
        return list(organisations_of(user))


def people_count(organisation: Organisation) -> int:
    """People, not service accounts, who count against the quota."""
    with tenant(organisation):
        return Membership.objects.filter(organisation=organisation, is_active=True, user__service_of=None).count()


def container_model(model: type[Model]) -> tuple[type[RoleContainer], str]:
    """The container class of a model and the lookup path to it."""
    path: str = model.permission_path  # type: ignore[attr-defined]
    found: Any = model
    for step in filter(None, path.split("__")):
        found = found._meta.get_field(step).related_model
    return found, path


def containers_with(
    *, user: User | AnonymousUser, permission: str, container: type[RoleContainer], at: datetime | None = None
) -> QuerySet[Any]:
    """Containers on which one of the person's roles holds `permission` ("archive.view_archive"), as a lazy query.

    Rights come from explicit grants only: there is no superuser shortcut and no global permission, and none holds
    without an active membership of the organisation.
    """
    rows = container._default_manager.all()
    if not user.is_authenticated or not user.is_active or getattr(user, "guest", None) is not None:
        return rows.none()
    app_label, codename = permission.split(".")
    if app_label != container._meta.app_label:
        return rows.none()
    roles = container.roles_with(codename)
    if not roles:
        return rows.none()
    # The whitelist: a permission row counts only where the role, by the container's own table, holds the permission,
    # and only on the container whose role it is. A row put there by hand opens nothing.
    held = "group__container_role__"
    grants = permission_table(container).objects.filter(
        unexpired(f"{held}grants__", at=at),
        **{
            "content_object": OuterRef("pk"),
            "permission__codename": codename,
            "permission__content_type__app_label": app_label,
            f"{held}container_kind": container.container_kind(),
            f"{held}container_id": OuterRef("pk"),
            f"{held}role__in": roles,
            f"{held}grants__user": user,
            f"{held}grants__ended_at": None,
        },
    )
    organisation = "pk" if container is Organisation else "organisation_id"
    membership = memberships_open_to(user).filter(organisation_id=OuterRef(organisation))
    allowed = rows.filter(Exists(grants), Exists(membership)).order_by()
    for confinement in hooks.confinements(container):
        if permission not in confinement.spared:
            allowed = allowed.exclude(pk__in=confinement.rule(user=user, at=at))
    token: ApiToken | None = user.api_token
    if token is not None and token.containers:
        within = _within_reach(token, container=container, path="", codename=codename)
        allowed = allowed.filter(_reaching_further(within, token=token, model=container, permission=permission))
    if user.seen_by is not None:
        seen = containers_with(user=user.seen_by, permission=permission, container=container)
        allowed = allowed.filter(pk__in=seen.values("pk"))
    return allowed


def permission_table(container: type[RoleContainer]) -> Any:
    return apps.get_model(container._meta.app_label, f"{container.__name__}GroupObjectPermission")


def _organisations_of_reach(token: ApiToken) -> QuerySet[Any]:
    """The organisations that a limited token enters: those it names, and those of the containers it names."""
    kinds = {one.rpartition(":")[0] for one in token.containers}
    found = Q(pk__in=token.ids_of(Organisation.container_kind()) or [])
    for kind in sorted(kinds - {Organisation.container_kind()}):
        model: Any = apps.get_model(kind)
        # Asked before any organisation is entered: to whom the named containers belong is the token's own matter.
        with all_tenants():
            rows = model._base_manager.filter(pk__in=token.ids_of(kind) or [])
            owned = list(rows.values_list("organisation_id", flat=True))
        found |= Q(pk__in=owned)
    return Organisation.objects.filter(found).order_by().values("pk")


def _within_reach(token: ApiToken, *, container: type[RoleContainer], path: str, codename: str = "") -> Q:
    """The rows below the containers that a limited token names (or below an organisation that it names as a whole)."""
    whole = token.ids_of(Organisation.container_kind()) or []
    if container is Organisation:
        if codename == "view_organisation":
            return Q(**{f"{path or 'pk'}__in": _organisations_of_reach(token)})
        return Q(**{f"{path or 'pk'}__in": whole})
    named = token.ids_of(container.container_kind()) or []
    step = f"{path}__" if path else ""
    return Q(**{f"{path or 'pk'}__in": named}) | Q(**{f"{step}organisation__in": whole})


def _reaching_further(within: Q, *, token: ApiToken, model: type[Model], permission: str) -> Q:
    """The rows below the named containers, and those that upper floors say belong to them."""
    for provider in hooks.reach_providers(model):
        reach = provider(token=token, permission=permission)
        if reach is not None:
            within |= reach
    return within


def visible_to(
    user: User | AnonymousUser, queryset: QuerySet[Row], permission: str, *, openly: bool = False
) -> QuerySet[Row]:
    """The rows of `queryset` that `user` holds `permission` on. One query; no duplicates.

    Besides roles on the container, upper floors add their own reasons (see `access.hooks.register_visibility`).
    `openly` leaves out what is seen for blind reasons only: readers of an unknown see images, not what is written in them.
    """
    model = queryset.model
    share = getattr(user, "guest", None)
    if share is not None:
        # A guest sees what the share reaches, whatever else the person may hold elsewhere.
        shareable = registry.find(share.kind)
        is_shown = shareable is not None and not (openly and shareable.is_blind)
        reach = shareable.reach(share, model, permission) if shareable is not None and is_shown else None
        return queryset.filter(reach) if reach is not None else queryset.none()
    viewer: User | None = getattr(user, "seen_by", None)
    if viewer is not None:
        # What both may see, each for their own reasons.
        alone = copy(user)
        alone.seen_by = None  # type: ignore[union-attr]
        return visible_to(viewer, visible_to(alone, queryset, permission, openly=openly), permission, openly=openly)
    container, path = container_model(model)
    allowed = containers_with(user=user, permission=permission, container=container)
    reasons = Q(**{f"{path}__in" if path else "pk__in": allowed.values("pk")})
    for reason in _other_reasons(user, model=model, permission=permission, openly=openly):
        reasons |= reason
    found = queryset.filter(reasons)
    token: ApiToken | None = getattr(user, "api_token", None)
    if token is not None and token.containers:
        # Whatever the reason to see a row: a limited token stays within its containers.
        within = _within_reach(token, container=container, path=path)
        found = found.filter(_reaching_further(within, token=token, model=model, permission=permission))
    return found


def _other_reasons(user: User | AnonymousUser, *, model: type[Model], permission: str, openly: bool = False) -> list[Q]:
    reasons = [one for one in hooks.visibility_reasons(model) if not (openly and one.is_blind)]
    kinds = _kinds_held(user) if any(one.kinds is not None for one in reasons) else None
    found = (
        one.provider(user=user, permission=permission)
        for one in reasons
        if one.kinds is None or kinds is None or one.kinds & kinds
    )
    return [reason for reason in found if reason is not None]


def _kinds_held(user: User | AnonymousUser) -> frozenset[str] | None:
    """The kinds of containers that a plain person has a role on, in the organisation in scope; None when it is not
    known. To leave out a reason that cannot hold costs less than to ask it."""
    if not is_plain(user):
        return None
    if user._state.adding:  # type: ignore[union-attr]
        return None  # never saved: stands for whoever asks a query that is made ready
    rows = _roles_by_kind.all(user_id=user.pk, at=timezone.now())
    return frozenset(row.container_kind for row in rows)


@ready(scoped=True, user_id=int, at=datetime)
def _roles_by_kind(*, user_id: int, at: datetime) -> QuerySet[ContainerRole]:
    """One role of each kind of container."""
    held = RoleGrant.objects.filter(unexpired(at=at), container_role=OuterRef("pk"), user_id=user_id, ended_at=None)
    rows: QuerySet[ContainerRole] = ContainerRole.objects.filter(Exists(held))
    return rows.order_by("container_kind").distinct("container_kind")


@dataclass(frozen=True, slots=True)
class Within(Generic[Row]):
    """Rows of one container that somebody sees; `is_whole` only where nothing of the container is hidden from them."""

    rows: QuerySet[Row]
    is_whole: bool = False


def visible_within(
    user: User | AnonymousUser,
    queryset: QuerySet[Row],
    permission: str,
    *,
    is_open: bool,
    container: RoleContainer | None = None,
) -> QuerySet[Row]:
    """The rows of `seen_within`."""
    return seen_within(user, queryset, permission, is_open=is_open, container=container).rows


def seen_within(
    user: User | AnonymousUser,
    queryset: QuerySet[Row],
    permission: str,
    *,
    is_open: bool,
    container: RoleContainer | None = None,
) -> Within[Row]:
    """The same as `visible_to` for rows of one container, for lists.

    `is_open` is the answer of `may` for that container: when a role opens all of it, asking that first by one short query
    spares the list the whole filter (docs/performance.md). Otherwise, with the `container`, one more asks whether another
    reason opens all of it, and the rest are asked before the list, which then looks up its few rows by index.
    """
    if is_open:
        return Within(queryset, is_whole=True)
    if container is None or not is_plain(user):
        return Within(visible_to(user, queryset, permission))
    model = queryset.model
    _container, path = container_model(model)
    # Rows below a study name their archive themselves, too.
    keys = {f"{path}__in", f"{path.rpartition('__')[2]}__in"}
    wholes: list[QuerySet[Any]] = []
    rest = [
        _without_wholes(reason, keys=keys, wholes=wholes)
        for reason in _other_reasons(user, model=model, permission=permission)
    ]
    if wholes:
        opening = Q()
        for whole in wholes:
            opening |= Q(pk__in=whole)
        if type(container)._default_manager.filter(opening, pk=container.pk).exists():
            return Within(queryset, is_whole=True)
    reasons = Q()
    for reason in filter(None, rest):
        reasons |= reason
    return Within(queryset.filter(asked_first(reasons)) if reasons else queryset.none())


def _without_wholes(reason: Q, *, keys: set[str], wholes: list[QuerySet[Any]]) -> Q:
    """A reason less those of its alternatives that open whole containers, which are put aside."""
    if reason.negated or (reason.connector != Q.OR and len(reason.children) > 1):
        return reason
    kept = Q(_connector=Q.OR)
    for child in reason.children:
        if isinstance(child, Q):
            inner = _without_wholes(child, keys=keys, wholes=wholes)
            if inner:
                kept.children.append(inner)
        elif isinstance(child, tuple) and child[0] in keys and isinstance(child[1], QuerySet):
            wholes.append(child[1])
        else:
            kept.children.append(child)
    return kept


def get_visible(user: User | AnonymousUser, queryset: QuerySet[Row], permission: str, **lookup: Any) -> Row:
    """Load one row and authorise in the same step.

    Raises `NotFound` for what does not exist in the scope and `Forbidden` for a row that is there but that the
    member lacks the right to.
    """
    found = visible_to(user, queryset.filter(**lookup), permission).first()
    if found is not None:
        return found
    if queryset.filter(**lookup).exists():
        raise Forbidden
    raise NotFound


def may(user: User | AnonymousUser, permission: str, container: RoleContainer) -> bool:
    """Whether a role of the person holds `permission` on this container."""
    with tenant(container.owning_organisation):
        if is_plain(user):
            asked = _role_opens(type(container), permission)
            return asked.first(user_id=user.pk, container_id=container.pk, at=timezone.now()) is not None
        found = containers_with(user=user, permission=permission, container=type(container))
        return found.filter(pk=container.pk).exists()


def is_plain(user: User | AnonymousUser) -> bool:
    """An active person with all their rights: no guest, no token that is limited, no look through other eyes."""
    if not user.is_authenticated or not user.is_active or getattr(user, "guest", None) is not None:
        return False
    if user.seen_by is not None:
        return False
    token: ApiToken | None = user.api_token
    return token is None or not (token.containers or token.shut_out_of)


def ready_for_plain(build: Callable[..., QuerySet[Row]]) -> Callable[[Any], list[Row]]:
    """Decorates `build(user, *, at)`, a query of rows of the organisation in scope, which every page asks: for a plain
    person made ready, for all others as it is written. Called with the person, it gives the rows as of now."""

    @ready(scoped=True, user_id=int, at=datetime)
    def of_plain(*, user_id: int, at: datetime) -> QuerySet[Row]:
        return build(User(pk=user_id, is_active=True), at=at)

    def ask(user: Any) -> list[Row]:
        now = timezone.now()
        return of_plain.all(user_id=user.pk, at=now) if is_plain(user) else list(build(user, at=now))

    return ask


@cache
def _role_opens(container: type[RoleContainer], permission: str) -> Ready[Any]:
    """The permission filter for one plain person and one container, made ready."""

    @ready(scoped=issubclass(container, TenantModel), user_id=int, container_id=int, at=datetime)
    def opens(*, user_id: int, container_id: int, at: datetime) -> QuerySet[Any]:
        person = User(pk=user_id, is_active=True)
        found = containers_with(user=person, permission=permission, container=container, at=at)
        return found.filter(pk=container_id).only("pk")

    return opens


def require(user: User | AnonymousUser, permission: str, container: RoleContainer) -> None:
    """Raise `NotFound` to a stranger of the organisation and `Forbidden` to a member without the right."""
    if may(user, permission, container):
        return
    if is_member(user=user, organisation=container.owning_organisation):
        raise Forbidden
    raise NotFound


def roles_of(*, user: User, organisation: Organisation) -> dict[tuple[str, int], set[str]]:
    """Every role of a person in an organisation: (container kind, container id) → roles."""
    found: dict[tuple[str, int], set[str]] = {}
    rows = ContainerRole.objects.filter(
        unexpired("grants__"), organisation=organisation, grants__user=user, grants__ended_at=None
    ).distinct()
    for kind, container_id, role in rows.values_list("container_kind", "container_id", "role"):
        found.setdefault((kind, container_id), set()).add(role)
    return found


def people_with_role(*, container: RoleContainer, role: str | None = None) -> QuerySet[User]:
    """Active members who hold a role (any, when none is named) on the container."""
    groups = ContainerRole.objects.filter(container_kind=container.container_kind(), container_id=container.pk)
    if role is not None:
        groups = groups.filter(role=role)
    grants = RoleGrant.objects.filter(unexpired(), container_role__in=groups, ended_at=None)
    return User.objects.filter(
        pk__in=grants.values("user"),
        is_active=True,
        memberships__organisation=container.owning_organisation,
        memberships__is_active=True,
    ).distinct()


def people_who_may(permission: str, organisation: Organisation) -> QuerySet[User]:
    """Active members whose role on the organisation itself holds a permission ("access.manage_people")."""
    roles = Organisation.roles_with(permission.partition(".")[2])
    groups = ContainerRole.objects.filter(
        container_kind=Organisation.container_kind(), container_id=organisation.pk, role__in=roles
    )
    grants = RoleGrant.objects.filter(unexpired(), container_role__in=groups, ended_at=None)
    return User.objects.filter(
        pk__in=grants.values("user"),
        is_active=True,
        memberships__organisation=organisation,
        memberships__is_active=True,
    ).distinct()


def container_of(row: ContainerRole) -> RoleContainer:
    """The container behind a role. Inside its organisation's scope. Raises `NotFound` when it is gone."""
    model: Any = apps.get_model(row.container_kind)
    found: RoleContainer | None = model._default_manager.filter(pk=row.container_id).first()
    if found is None:
        raise NotFound
    return found


def reach_of(user: User) -> list[Reach]:
    """The organisations and containers that the person holds a role on: what a token can be limited to."""
    found: list[Reach] = []
    for organisation in organisations_open_to(user):
        with tenant(organisation):
            found.append(Reach(key=f"{organisation.container_kind()}:{organisation.pk}", container=organisation))
            for kind, number in sorted(roles_of(user=user, organisation=organisation)):
                if kind == Organisation.container_kind():
                    continue
                model: Any = apps.get_model(kind)
                container = model._default_manager.filter(pk=number).first()
                if container is not None:
                    found.append(Reach(key=f"{kind}:{number}", container=container))
    return found


def tokens_reaching(organisation: Organisation) -> QuerySet[ApiToken]:
    """Every token that could open something of the organisation, ended ones too. Inside its scope."""
    from access.people import container_classes

    members = Membership.objects.filter(organisation=organisation, is_active=True).values("user")
    keys = [f"{organisation.container_kind()}:{organisation.pk}"]
    for model in container_classes():
        if model is not Organisation:
            rows = model._default_manager.values_list("pk", flat=True)
            keys += [f"{model.container_kind()}:{pk}" for pk in rows]
    return ApiToken.objects.filter(Q(containers=[]) | Q(containers__overlap=keys), user__in=members).select_related(
        "user", "created_by"
    )
