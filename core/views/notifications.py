"""The bell: what happened for me, and the list behind it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from core import notifications
from core.chosen import chosen
from core.errors import NotFound
from core.tables import Choice, Column, DateRange, Flag, Table

MARKED_LIMIT = 500


def _kind_choices() -> list[tuple[str, Any]]:
    """One choice for a label, whichever kinds share it."""
    return [(label, label) for label in dict.fromkeys(str(kind.label) for kind in notifications.kinds())]


def _of_labels(labels: list[str]) -> Q:
    return Q(kind__in=[kind.key for kind in notifications.kinds() if str(kind.label) in labels])


class NotificationTable(Table):
    key = "notifications"
    noun = ngettext_lazy("%(n)s notification", "%(n)s notifications", "n")
    columns = (
        Column(
            "what",
            gettext_lazy("What happened"),
            primary=True,
            value=notifications.sentence,
            template="core/notifications/cell_what.html",
        ),
        Column("kind", gettext_lazy("About"), value=lambda row: str(notifications.kind_of(row).label)),
        Column("happened", gettext_lazy("When"), sort="happened_at", value="happened_at", kind="date"),
    )
    filters = (
        Choice("about", gettext_lazy("About"), choices=_kind_choices, lookup=_of_labels),
        Flag("unread", gettext_lazy("Unread"), Q(read_at=None)),
        DateRange("day", gettext_lazy("Day"), field="happened_at", is_moment=True),
    )
    default_sort = "-happened"
    selectable = True
    exportable = False
    bulk_template = "core/notifications/bulk.html"
    empty_template = "core/notifications/empty.html"

    def row_label(self, row: Any) -> str:
        return notifications.sentence(row)


@require_GET
def notification_list(request: Any, organisation: str) -> HttpResponse:
    table = NotificationTable(request=request, queryset=notifications.of(user=request.user))
    return table.respond("core/notifications.html", {"unread": notifications.unread_count(user=request.user)})


@require_GET
def bell(request: Any, organisation: str) -> HttpResponse:
    return render(request, "core/shell/bell.html")


@require_GET
def notification_open(request: Any, organisation: str, notification: str) -> HttpResponse:
    """Mark one of one's own lines as read and go where it leads; that place asks for itself who may enter."""
    found = notifications.of(user=request.user).filter(public_id=notification).first()
    if found is None:
        raise NotFound
    notifications.mark_read(user=request.user, public_ids=[found.public_id])
    if found.url and url_has_allowed_host_and_scheme(found.url, allowed_hosts=None):
        return redirect(found.url)
    return redirect("core:notification-list", organisation=organisation)


@require_POST
def notifications_mark(request: Any, organisation: str) -> HttpResponse:
    """Mark lines as read (all, or those chosen) or as unread (those chosen)."""
    # The form that says as what it marks them has lines to choose; without it all are meant.
    lines = None
    if "as" in request.POST or "selected" in request.POST:
        lines = chosen(
            request,
            nothing=_("Choose at least one notification."),
            too_many=_("At most %(n)s notifications at once.") % {"n": MARKED_LIMIT},
            limit=MARKED_LIMIT,
            back=reverse("core:notification-list", kwargs={"organisation": organisation}),
        )
    if request.POST.get("as") == "unread":
        notifications.mark_unread(user=request.user, public_ids=lines or ())
    else:
        count = notifications.mark_read(user=request.user, public_ids=lines)
        if request.headers.get("HX-Target") != "bell":
            said = ngettext("%(n)s notification is marked as read.", "%(n)s notifications are marked as read.", count)
            messages.info(request, said % {"n": count})
    if request.headers.get("HX-Target") == "bell":
        return render(request, "core/shell/bell.html")
    return redirect("core:notification-list", organisation=organisation)
