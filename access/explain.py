"""Why somebody may or may not: the chain of reasons behind the permission filter's answer, link by link."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries
from access.models import ContainerRole, Membership, Organisation, RoleContainer, RoleGrant, User
from core.tenancy import tenant


@dataclass(frozen=True)
class Reason:
    """One link of the chain."""

    holds: bool
    words: str


@dataclass(frozen=True)
class Answer:
    """What the filter says, and why. `reasons` end with the link that decided."""

    user: User
    permission_label: str
    container: RoleContainer
    may: bool
    reasons: tuple[Reason, ...]


def permission_names(container: type[RoleContainer]) -> dict[str, str]:
    """codename → words, of what roles of this kind of container can hold."""
    rows = Permission.objects.filter(content_type=ContentType.objects.get_for_model(container))
    kind = container._meta.verbose_name
    declared = {
        f"view_{container._meta.model_name}": _("See the %(kind)s") % {"kind": kind},
        f"change_{container._meta.model_name}": _("Change settings of the %(kind)s") % {"kind": kind},
    } | {codename: str(label) for codename, label in container._meta.permissions}
    return {
        row.codename: declared.get(row.codename, row.name)
        for row in rows
        if row.codename in container.assignable_permissions()
    }


def explain(*, user: User, permission: str, container: RoleContainer) -> Answer:
    """May `user` do `permission` ("archive.view_archive") on the container? The verdict is the filter's own."""
    organisation = container.owning_organisation
    codename = permission.partition(".")[2]
    with tenant(organisation):
        verdict = queries.may(user, permission, container)
        reasons = tuple(_chain(user=user, codename=codename, container=container, organisation=organisation))
    label = permission_names(type(container)).get(codename, codename)
    return Answer(user=user, permission_label=label, container=container, may=verdict, reasons=reasons)


def _chain(*, user: User, codename: str, container: RoleContainer, organisation: Organisation) -> list[Reason]:
    chain = [Reason(user.is_active, _("The account works.") if user.is_active else _("The account is closed."))]
    if organisation.is_suspended:
        chain.append(Reason(False, _("The organisation is suspended.")))
    membership = Membership.objects.filter(organisation=organisation, user=user).first()
    if membership is None:
        return [*chain, Reason(False, _("There is no membership of %(name)s.") % {"name": organisation})]
    if membership.suspended_at is not None:
        return [*chain, Reason(False, _("The membership is suspended; the roles wait for its return."))]
    if not membership.is_active:
        return [*chain, Reason(False, _("The membership has ended."))]
    chain.append(
        Reason(True, _("Member of %(name)s since %(day)s.") % {"name": organisation, "day": _day(membership.joined_at)})
    )
    roles = type(container).roles_with(codename)
    chain.append(
        Reason(
            bool(roles),
            _("These roles hold it: %(roles)s.") % {"roles": ", ".join(str(container.ROLES[one][0]) for one in roles)}
            if roles
            else _("No role of this kind of place holds it, so nobody has it."),
        )
    )
    grants = RoleGrant.objects.filter(
        user=user,
        container_role__in=ContainerRole.objects.filter(
            container_kind=container.container_kind(), container_id=container.pk, role__in=roles
        ),
    ).select_related("container_role", "granted_by")
    now = timezone.now()
    chain += [
        _grant_reason(grant, container=container, is_active=grant.is_active_at(now))
        for grant in grants.order_by("ended_at", "-granted_at")[:10]
    ]
    if not grants:
        chain.append(Reason(False, _("The person has none of them here, and never had.")))
    chain += [Reason(False, str(words)) for words in _confining(user=user, codename=codename, container=container)]
    if user.is_installation_administrator:
        chain.append(Reason(False, _("Administering the installation opens nothing here.")))
    if hooks.visibility_words():
        chain.append(
            Reason(
                True,
                _("Single things can be open for another reason: %(reasons)s.")
                % {"reasons": ", ".join(str(word) for word in hooks.visibility_words())},
            )
        )
    return chain


def _confining(*, user: User, codename: str, container: RoleContainer) -> list[object]:
    """Why roles on the container do not count for this person."""
    permission = f"{container._meta.app_label}.{codename}"
    return [
        one.words
        for one in hooks.confinements(type(container))
        if permission not in one.spared and one.grants(container).filter(user=user).exists()
    ]


def _grant_reason(grant: RoleGrant, *, container: RoleContainer, is_active: bool) -> Reason:
    words = _("%(role)s since %(day)s: %(source)s") % {
        "role": container.ROLES[grant.container_role.role][0],
        "day": _day(grant.granted_at),
        "source": grant.source_words,
    }
    if grant.granted_by is not None:
        words += " " + _("(by %(person)s)") % {"person": grant.granted_by}
    if grant.ended_at is not None:
        words += " – " + _("ended %(day)s") % {"day": _day(grant.ended_at)}
    elif grant.expires_at is not None:
        words += " – " + (_("until %(day)s") if is_active else _("ran out %(day)s")) % {"day": _day(grant.expires_at)}
    return Reason(is_active, words)


def _day(moment: object) -> str:
    return timezone.localtime(moment).date().isoformat()  # type: ignore[arg-type]
