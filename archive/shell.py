"""What the archive adds to the shell: its place, patients and studies in "search everything", news on the home page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from access import rights
from access.models import User
from access.queries import visible_to
from archive import lists, queries, reading
from archive.models import Archive, QuarantinedFile
from archive.permissions import ADD, CREATE, VIEW
from core import guides, home, navigation, palette


def readable(request: HttpRequest) -> list[Archive]:
    """Archives the person may read; asked by several parts of one page, kept for the request."""
    organisation = getattr(request, "organisation", None)
    if organisation is None or not isinstance(request.user, User):
        return []
    known: list[Archive] | None = getattr(request, "_readable_archives", None)
    if known is None:
        known = list(queries.archives(user=request.user))
        request._readable_archives = known  # type: ignore[attr-defined]
    return known


def has_archives(request: HttpRequest) -> bool:
    return rights.holds_anywhere(request, VIEW) or rights.holds(request, CREATE)


def place_url(request: HttpRequest) -> str:
    organisation: Any = request.organisation  # type: ignore[attr-defined]
    return reverse("archive:archive-list", kwargs={"organisation": organisation.slug})


def find_studies(request: HttpRequest, words: str, limit: int) -> Iterator[palette.Hit]:
    organisation: Any = request.organisation  # type: ignore[attr-defined]
    found = 0
    for archive in readable(request):
        rows = queries.studies(user=request.user, archive=archive)
        for word in words.split()[:6]:
            rows = rows.filter(pk__in=lists.matching_studies(archive=archive, word=word[: lists.LONGEST_WORD]))
        for study in rows.order_by("-last_received_at")[: limit - found]:
            found += 1
            name = reading.person_name(study.patient_name) or study.patient.patient_id
            parts = [reading.shown_date(study.study_date), " ".join(study.modalities), study.description]
            yield palette.Hit(
                label=" · ".join(part for part in (name, *parts) if part),
                url=lists.detail_url(organisation=organisation.slug, archive=archive, study=study),
                icon="scan",
                note=archive.name,
            )
        if found >= limit:
            return


def find_archives(request: HttpRequest, words: str, limit: int) -> Iterator[palette.Hit]:
    organisation: Any = request.organisation  # type: ignore[attr-defined]
    wanted = words.casefold()
    for archive in readable(request):
        if wanted in f"{archive.name} {archive.slug} {archive.ae_title}".casefold():
            url = reverse("archive:study-list", kwargs={"organisation": organisation.slug, "archive": archive.slug})
            yield palette.Hit(label=archive.name, url=url, icon="archive", note=archive.ae_title)


def waiting(request: HttpRequest) -> home.Section | None:
    """Files that wait for a decision of those who may take one."""
    if not isinstance(request.user, User):
        return None
    organisation: Any = request.organisation  # type: ignore[attr-defined]
    rows = visible_to(request.user, QuarantinedFile.objects.filter(state=QuarantinedFile.State.KEPT), ADD)
    # Who may send without seeing the archive decides on what they sent (`archive.queries.quarantined`).
    rows = rows.filter(
        Q(archive__in=queries.archives(user=request.user).values("pk")) | Q(delivery__actor=request.user)
    )
    counted = rows.order_by().values("archive__slug", "archive__name").annotate(n=Count("pk")).order_by("archive__name")
    entries = [
        home.Entry(
            title=row["archive__name"],
            url=reverse(
                "archive:quarantine", kwargs={"organisation": organisation.slug, "archive": row["archive__slug"]}
            ),
            note=ngettext("%(n)s file in quarantine", "%(n)s files in quarantine", row["n"]) % {"n": row["n"]},
            icon="shield-alert",
            tone="query",
        )
        for row in counted
    ]
    if not entries:
        return None
    return home.Section(title=_("Files that were refused"), entries=entries, side=True)


def register() -> None:
    navigation.register(
        key="archive", label=_("Archive"), icon="archive", url=place_url, order=20, may=has_archives, go="s"
    )
    guides.recommend(place="archive", guide="archive", order=40)
    palette.register(key="archives", label=_("Archives"), find=find_archives, order=30)
    palette.register(key="studies", label=_("Studies"), find=find_studies, order=40)
    home.register(waiting, order=60)
