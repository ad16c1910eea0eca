"""Who is told that files for a de-identified archive are held. A line names the archive and numbers, no patient."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from access.models import User
from access.queries import people_with_role
from archive import hooks
from archive.models import Archive, Delivery, QuarantinedFile
from core import notifications

FILES_HELD = "archive.files_held"


def register() -> None:
    notifications.register(
        kind=FILES_HELD,
        label=_("Quarantine"),
        icon="shield-alert",
        sentence=ngettext_lazy(
            "%(count)s file for %(archive)s is held for a decision",
            "%(count)s files for %(archive)s are held for a decision",
            "count",
        ),
        tone="query",
    )


def tell_held(files: Sequence[QuarantinedFile], *, delivery: Delivery) -> None:
    """Tell those who decide, once a delivery; in the transaction that keeps the files."""
    held = sum(file.is_held for file in files)
    if not held:
        return
    archive = delivery.archive
    before = QuarantinedFile.objects.filter(delivery=delivery).count()
    quarantine = reverse(
        "archive:quarantine", kwargs={"organisation": archive.organisation.slug, "archive": archive.slug}
    )
    places = dict.fromkeys(_deciders(archive), f"{quarantine}?delivery={delivery.pk}")
    for person, place in hooks.stewards_of(archive):
        places.setdefault(person, place)
    for place in dict.fromkeys(places.values()):
        notifications.send(
            kind=FILES_HELD,
            organisation=archive.organisation,
            persons=[person for person, where in places.items() if where == place],
            subject=str(delivery.pk),
            url=place,
            detail={"count": max(before, held), "archive": archive.name},
        )


def _deciders(archive: Archive) -> list[User]:
    return list(people_with_role(container=archive, role="manager"))
