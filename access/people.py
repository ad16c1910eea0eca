"""People of an organisation: reading who has what, and making and renewing accounts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries, services
from access.models import ContainerRole, Membership, Organisation, RoleContainer, RoleGrant, User
from core.errors import Conflict, Forbidden, Invalid, Message, NotFound
from core.models import PUBLIC_ID_ALPHABET
from core.tenancy import tenant

ONE_TIME_FLAG = "one_time_password"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


@dataclass(frozen=True)
class HeldRole:
    role: str
    label: Message
    held: bool


@dataclass(frozen=True)
class ContainerRoles:
    """A container and its roles as one person holds them."""

    container: RoleContainer
    kind: str
    kind_label: str
    roles: tuple[HeldRole, ...]


def container_classes() -> list[type[RoleContainer]]:
    """Every model that rights are given on, the organisation first."""
    found = [model for model in apps.get_models() if issubclass(model, RoleContainer) and not model._meta.proxy]
    return sorted(found, key=lambda model: (model is not Organisation, model._meta.app_label, model.__name__))


def containers_of(organisation: Organisation) -> list[RoleContainer]:
    """All containers of the organisation; one query for each kind."""
    found: list[RoleContainer] = []
    for model in container_classes():
        rows = (
            Organisation.objects.filter(pk=organisation.pk) if model is Organisation else model._default_manager.all()
        )
        found.extend(rows.select_related(*model.NAMED_WITH) if model.NAMED_WITH else rows)
    return found


def members(organisation: Organisation) -> QuerySet[User]:
    """The active members, by name."""
    return User.objects.filter(
        memberships__organisation=organisation, memberships__is_active=True, is_active=True
    ).order_by("display_name", "username")


def service_accounts(organisation: Organisation) -> QuerySet[User]:
    """The organisation's accounts for programs, with the number of their living tokens."""
    living = Q(api_tokens__revoked_at=None, api_tokens__expires_at__gt=timezone.now())
    return (
        User.objects.filter(service_of=organisation)
        .annotate(tokens=Count("api_tokens", filter=living), used=Max("api_tokens__last_used_at"))
        .order_by("display_name", "username")
    )


def memberships(organisation: Organisation) -> QuerySet[Membership]:
    return Membership.objects.filter(organisation=organisation).select_related("user")


def roles_by_person(*, organisation: Organisation, people: Iterable[int]) -> dict[int, list[ContainerRole]]:
    """The roles of several people in one query."""
    found: dict[int, list[ContainerRole]] = {}
    for grant in active_grants(organisation).filter(user__in=list(people)).order_by("container_role_id"):
        held = found.setdefault(grant.user_id, [])
        if grant.container_role not in held:
            held.append(grant.container_role)
    return found


def active_grants(organisation: Organisation) -> QuerySet[RoleGrant]:
    """What holds now, with role and person."""
    rows: QuerySet[RoleGrant] = RoleGrant.objects.filter(
        queries.unexpired(), organisation=organisation, ended_at=None
    ).select_related("container_role", "user", "granted_by")
    return rows


def role_sheet(*, organisation: Organisation, user: User) -> list[ContainerRoles]:
    """Every container of the organisation with its roles, and which of them the person holds."""
    held = queries.roles_of(user=user, organisation=organisation)
    return [
        ContainerRoles(
            container=container,
            kind=container.container_kind(),
            kind_label=str(container._meta.verbose_name),
            roles=tuple(
                HeldRole(role, label, role in held.get((container.container_kind(), container.pk), set()))
                for role, (label, _permissions) in container.ROLES.items()
            ),
        )
        for container in containers_of(organisation)
    ]


def roles_held(*, user: User, organisation: Organisation) -> list[str]:
    """The roles of a person in an organisation in words, e.g. "Reader · Clinical"."""
    with tenant(organisation):
        return [
            f"{role.label} · {line.container}" if line.container != organisation else str(role.label)
            for line in role_sheet(organisation=organisation, user=user)
            for role in line.roles
            if role.held
        ]


@dataclass(frozen=True)
class RolePeople:
    label: Message
    people: tuple[User, ...]


@dataclass(frozen=True)
class ContainerPeople:
    container: RoleContainer
    kind: str
    kind_label: str
    roles: tuple[RolePeople, ...]


def who_has_what(organisation: Organisation) -> list[ContainerPeople]:
    """Every container with the people behind each of its roles."""
    active = Membership.objects.filter(organisation=organisation, is_active=True, user__is_active=True)
    rows = active_grants(organisation).filter(user__in=active.values("user"))
    found: dict[tuple[str, int, str], dict[int, User]] = {}
    for grant in rows.order_by("user__display_name", "user__username"):
        held = grant.container_role
        found.setdefault((held.container_kind, held.container_id, held.role), {})[grant.user_id] = grant.user
    holders = {key: tuple(people.values()) for key, people in found.items()}
    return [
        ContainerPeople(
            container=container,
            kind=container.container_kind(),
            kind_label=str(container._meta.verbose_name),
            roles=tuple(
                RolePeople(label, holders.get((container.container_kind(), container.pk, role), ()))
                for role, (label, _permissions) in container.ROLES.items()
            ),
        )
        for container in containers_of(organisation)
    ]


def is_at_home(*, user: User, organisation: Organisation) -> bool:
    """Whether the account was made by this organisation, which may then renew its password."""
    return user.username.endswith(f"@{organisation.slug}")


def new_one_time_password() -> str:
    """About 98 bits in four groups that can be read out."""
    return "-".join("".join(secrets.choice(PUBLIC_ID_ALPHABET) for _unused in range(5)) for _group in range(4))


def free_username(*, name: str, organisation: Organisation) -> str:
    """`name@organisation`, when the name is well formed and not taken. Raises `Invalid`."""
    name = name.strip().lower()
    if not name or len(name) > 60 or not set(name) <= NAME_CHARACTERS:
        raise Invalid(fields={"name": [_("Use up to 60 lower-case letters, digits, dots, hyphens and underscores.")]})
    username = f"{name}@{organisation.slug}"
    if User.objects.filter(username__iexact=username).exists():
        raise Invalid(fields={"name": [_("There is already an account with this name.")]})
    return username


def save_new(user: User) -> None:
    """Save an account whose name was free a moment ago. Raises `Invalid` when somebody took it meanwhile."""
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise Invalid(fields={"name": [_("There is already an account with this name.")]}) from error


@transaction.atomic
def create_service_account(
    *, actor: User, organisation: Organisation, name: str, display_name: str, request: Any = None
) -> User:
    """An account for a program: owned by the organisation, no password, opened by tokens alone. Raises `Invalid`."""
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        user = User(
            username=free_username(name=name, organisation=organisation),
            display_name=display_name.strip() or name,
            time_zone=organisation.time_zone,
            service_of=organisation,
        )
        user.set_unusable_password()
        save_new(user)
        hooks.tell(action="service.created", organisation=organisation, actor=actor, target=user, request=request)
        services.add_member(actor=actor, organisation=organisation, user=user, request=request)
        return user


@transaction.atomic
def create_person(
    *,
    actor: User,
    organisation: Organisation,
    name: str,
    display_name: str,
    email: str = "",
    roles: Sequence[str] = (),
    request: Any = None,
) -> tuple[User, str]:
    """Make an account `name@organisation` with a one-time password, which is returned and not kept in clear.

    Raises `Forbidden` or `NotFound` for who may not, `Invalid` for a name that is malformed or taken.
    """
    queries.require(actor, "access.manage_people", organisation)
    username = free_username(name=name, organisation=organisation)
    password = new_one_time_password()
    user = User(
        username=username,
        display_name=display_name.strip(),
        email=email.strip(),
        time_zone=organisation.time_zone,
        preferences={ONE_TIME_FLAG: True},
    )
    user.set_password(password)
    save_new(user)
    hooks.tell(action="account.created", organisation=organisation, actor=actor, target=user, request=request)
    services.add_member(actor=actor, organisation=organisation, user=user, roles=roles, request=request)
    return user, password


@transaction.atomic
def renew_password(*, actor: User, organisation: Organisation, user: User, request: Any = None) -> str:
    """Replace a forgotten password by a one-time one; every session of the account ends.

    The e-mail address of the account counts as unproven until its owner opens a letter again: whoever holds the one-time
    password is not thereby the reader of that address. A letter tells the owner.
    """
    queries.require(actor, "access.manage_people", organisation)
    with tenant(organisation):
        if not Membership.objects.filter(organisation=organisation, user=user).exists():
            raise NotFound
    if not is_at_home(user=user, organisation=organisation):
        raise Forbidden(_("This account belongs to another organisation, which can renew its password."))
    if user.is_service:
        raise NotFound
    if actor.pk == user.pk:
        raise Conflict(_("Change your own password on your profile."))
    password = new_one_time_password()
    locked = User.objects.select_for_update().get(pk=user.pk)
    locked.set_password(password)
    locked.preferences = locked.preferences | {ONE_TIME_FLAG: True}
    locked.save(update_fields=["password", "preferences"])
    _unprove_addresses(user)
    hooks.tell(action="password.renewed", organisation=organisation, actor=actor, target=user, request=request)
    return password


def _unprove_addresses(user: User) -> None:
    from access.tasks import tell_of_renewed_password

    for row in EmailAddress.objects.filter(user=user, verified=True):
        EmailAddress.objects.filter(pk=row.pk).update(verified=False)
        tell_of_renewed_password.enqueue(address_id=row.pk)


@transaction.atomic
def choose_password(*, user: User, password: str, request: Any = None) -> None:
    """Set the person's own password; the one-time password ends with it."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    locked.set_password(password)
    locked.preferences = {name: value for name, value in locked.preferences.items() if name != ONE_TIME_FLAG}
    locked.save(update_fields=["password", "preferences"])
    user.password, user.preferences = locked.password, locked.preferences
    hooks.tell(action="password.changed", actor=user, target=user, request=request)


def save_preferences(*, user: User, changes: dict[str, Any]) -> None:
    """Theme, density, time zone, language, name: the person's own settings. Raises `Invalid`."""
    from django.core.exceptions import ValidationError

    single_keys = changes.pop("single_keys", None)
    for name, value in changes.items():
        setattr(user, name, value)
    fields = list(changes)
    if single_keys is not None:
        user.preferences = user.preferences | {"single_keys": bool(single_keys)}
        fields.append("preferences")
    try:
        user.clean_fields(exclude=[f.name for f in User._meta.fields if f.name not in fields])
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error
    user.save(update_fields=fields)


def set_roles(*, actor: User, organisation: Organisation, user: User, wanted: set[str], request: Any = None) -> int:
    """Bring a person's roles to `wanted` ("archive.archive:12:reader"); returns how many changed."""
    queries.require(actor, "access.manage_people", organisation)
    if not queries.is_member(user=user, organisation=organisation):
        raise NotFound
    changed = 0
    with transaction.atomic():
        for sheet in role_sheet(organisation=organisation, user=user):
            for held in sheet.roles:
                is_wanted = f"{sheet.kind}:{sheet.container.pk}:{held.role}" in wanted
                if is_wanted == held.held or (isinstance(sheet.container, Organisation) and held.role == "member"):
                    continue
                act = services.grant_role if is_wanted else services.revoke_role
                act(actor=actor, container=sheet.container, role=held.role, user=user, request=request)
                changed += 1
    return changed


# People × containers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MatrixColumn:
    container: RoleContainer
    kind: str
    kind_label: str


@dataclass(frozen=True)
class MatrixRow:
    user: User
    cells: tuple[tuple[Message, ...], ...]

    @property
    def count(self) -> int:
        return sum(len(cell) for cell in self.cells)


@dataclass(frozen=True)
class MatrixPage:
    rows: tuple[MatrixRow, ...]
    number: int
    pages: int


@dataclass(frozen=True)
class Matrix:
    """Every person of the organisation with the roles on every container."""

    containers: tuple[MatrixColumn, ...]
    rows: tuple[MatrixRow, ...]
    kinds: tuple[tuple[str, str], ...]
    words: str
    kind: str
    only_holders: bool
    sort: str

    def page(self, *, number: str, size: int) -> MatrixPage:
        pages = max(1, -(-len(self.rows) // size))
        asked = int(number[:6]) if number.isascii() and number.isdigit() else 1
        asked = min(max(asked, 1), pages)
        return MatrixPage(rows=self.rows[(asked - 1) * size : asked * size], number=asked, pages=pages)


def matrix(
    *, organisation: Organisation, words: str = "", kind: str = "", only_holders: bool = False, sort: str = "name"
) -> Matrix:
    """Roles of all members on all containers (of one kind); one query for each kind and two for the people."""
    words = words.replace("\x00", "").strip()
    kinds = tuple((model.container_kind(), str(model._meta.verbose_name)) for model in container_classes())
    columns = tuple(
        MatrixColumn(container=one, kind=one.container_kind(), kind_label=str(one._meta.verbose_name))
        for one in containers_of(organisation)
        if not kind or one.container_kind() == kind
    )
    people = members(organisation)
    if words:
        people = people.filter(Q(display_name__icontains=words) | Q(username__icontains=words))
    held: dict[tuple[int, str, int], dict[str, None]] = {}
    for user_id, container_kind, container_id, role in active_grants(organisation).values_list(
        "user_id", "container_role__container_kind", "container_role__container_id", "container_role__role"
    ):
        held.setdefault((user_id, container_kind, container_id), {})[role] = None
    rows = [
        MatrixRow(
            user=user,
            cells=tuple(
                tuple(
                    label
                    for role, (label, _codenames) in column.container.ROLES.items()
                    if role in held.get((user.pk, column.kind, column.container.pk), ())
                )
                for column in columns
            ),
        )
        for user in people
    ]
    if only_holders:
        rows = [row for row in rows if row.count]
    if sort == "-roles":
        rows.sort(key=lambda row: -row.count)
    elif sort == "-name":
        rows.reverse()
    return Matrix(
        containers=columns,
        rows=tuple(rows),
        kinds=kinds,
        words=words,
        kind=kind,
        only_holders=only_holders,
        sort=sort,
    )
