"""What access adds to the shell: the administration, and people in "search everything"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from access import queries, rights
from access.break_glass import queries as glasses
from access.break_glass.models import BreakGlass
from access.grant_policy import policy_for
from access.models import Membership, Organisation, User
from access.sharing.queries import may_see_shares, paused_for
from core import home, navigation, palette, shell

GLASSES_SHOWN = 8
PAUSED_SHOWN = 6


def may_manage_people(request: HttpRequest) -> bool:
    return rights.holds(request, "access.manage_people")


def nearest_organisation(request: HttpRequest) -> Organisation | None:
    """The organisation named by `?from=`, or the first of the person's."""
    if not isinstance(request.user, User):
        return None
    found = list(queries.organisations_of(request.user))
    return next((one for one in found if one.slug == request.GET.get("from")), found[0] if found else None)


def find_people(request: HttpRequest, words: str, limit: int) -> Iterator[palette.Hit]:
    if not may_manage_people(request):
        return
    organisation = request.organisation  # type: ignore[attr-defined]
    named = Q(user__display_name__icontains=words) | Q(user__username__icontains=words)
    rows = Membership.objects.filter(named, organisation=organisation).select_related("user")
    for row in rows.order_by("user__display_name")[:limit]:
        url = reverse("access:person", kwargs={"organisation": organisation.slug, "person": row.user_id})
        yield palette.Hit(label=str(row.user), url=url, icon="user", note=row.user.username)


def may_decide_grants(request: HttpRequest) -> bool:
    return rights.holds(request, "access.change_organisation")


def _oversees(request: HttpRequest) -> bool:
    return any(rights.holds(request, right) for right in glasses.OVERSEERS)


def may_break_glass(request: HttpRequest) -> bool:
    """Members where the organisation allows it; officers and administrators for its list, as long as there is one."""
    organisation = getattr(request, "organisation", None)
    if organisation is None or not isinstance(request.user, User):
        return False
    return policy_for(request).break_glass or (_oversees(request) and glasses.all_of(organisation).exists())


def glass_place(request: HttpRequest) -> str:
    name = "break-glass-list" if _oversees(request) else "break-glass"
    return reverse(f"access:{name}", kwargs={"organisation": request.organisation.slug})  # type: ignore[attr-defined]


def glasses_waiting(request: HttpRequest) -> int | None:
    if not _oversees(request):
        return None
    rows = glasses.all_of(request.organisation)  # type: ignore[attr-defined]
    return rows.filter(review_state=BreakGlass.ReviewState.WAITING).count() or None


def glasses_to_review(request: HttpRequest) -> home.Section | None:
    """The gravest alert of an officer's day: what runs now, what was escalated, what nobody has looked at."""
    organisation: Any = request.organisation  # type: ignore[attr-defined]
    if not isinstance(request.user, User) or not rights.holds(request, "access.view_audit"):
        return None
    open_states = (BreakGlass.ReviewState.WAITING, BreakGlass.ReviewState.ESCALATED)
    rows = sorted(
        glasses.all_of(organisation).filter(review_state__in=open_states)[:GLASSES_SHOWN],
        key=lambda one: (not one.is_running, one.review_state != BreakGlass.ReviewState.ESCALATED),
    )
    return home.Section(
        title=_("Break-glass to review"),
        entries=[
            home.Entry(
                title=gettext("%(name)s: %(reason)s") % {"name": one.user, "reason": one.get_reason_display()},
                url=reverse(
                    "access:break-glass-one", kwargs={"organisation": organisation.slug, "glass": one.public_id}
                ),
                note=gettext("running now") if one.is_running else one.get_review_state_display(),
                icon="siren",
                tone="fail" if one.is_running or one.review_state == BreakGlass.ReviewState.ESCALATED else "query",
                end=timezone.localtime(one.started_at).strftime("%Y-%m-%d %H:%M"),
            )
            for one in rows
        ],
        more_url=reverse("access:break-glass-list", kwargs={"organisation": organisation.slug}),
        more_label=_("All of them"),
    )


def paused_shares(request: HttpRequest) -> home.Section | None:
    """Shares that open nothing until this person keeps them or takes them back."""
    organisation: Any = request.organisation  # type: ignore[attr-defined]
    if not isinstance(request.user, User) or not may_see_shares(request):
        return None
    return home.Section(
        title=_("Paused shares"),
        entries=[
            home.Entry(
                title=share.label,
                url=reverse("access:share", kwargs={"organisation": organisation.slug, "share": share.public_id}),
                note=gettext("shared by %(person)s, who may no longer share it") % {"person": share.responsible},
                icon="share-2",
                tone="query",
            )
            for share in paused_for(user=request.user, organisation=organisation)[:PAUSED_SHOWN]
        ],
        more_url=reverse("access:share-list", kwargs={"organisation": organisation.slug}),
        more_label=_("All shares"),
    )


def register() -> None:
    shell.register_organisation_finder(nearest_organisation)
    navigation.register(
        key="administration",
        label=_("Administration"),
        icon="settings",
        url="access:administration",
        order=900,
        may=may_manage_people,
        go="u",
    )
    navigation.register(
        key="shares",
        label=_("Shares"),
        icon="share-2",
        url="access:share-list",
        order=700,
        may=may_see_shares,
    )
    navigation.register(
        key="break-glass",
        label=_("Break-glass"),
        icon="siren",
        url=glass_place,
        order=710,
        may=may_break_glass,
        count=glasses_waiting,
    )
    home.register(glasses_to_review, order=5)
    home.register(paused_shares, order=25)
    navigation.register_administration(
        key="guests", label=_("Guests"), url="access:grant-policy", order=60, may=may_decide_grants
    )
    palette.register(key="people", label=_("People"), find=find_people, order=80)
