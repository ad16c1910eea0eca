"""The people, archives and studies that the tests of albums share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.models import User
from access.sharing.models import Share
from archive.albums import services
from archive.albums.models import Album
from archive.models import Archive, Study
from audit.models import Event
from core.tenancy import tenant


@dataclass
class House:
    """An archive of four studies, its people, an archive beside it, and a second hospital."""

    archive: Archive
    beside: Archive
    studies: list[Study]
    manager: User
    contributor: User
    reader: User
    colleague: User
    member: User
    stranger: User
    other: Archive

    def url(self, name: str, **kwargs: Any) -> str:
        return reverse(
            f"archive:{name}",
            kwargs={"organisation": self.archive.organisation.slug, "archive": self.archive.slug, **kwargs},
        )

    def api(self, name: str, **kwargs: Any) -> str:
        return reverse(
            f"archive-api:{name}",
            kwargs={"organisation": self.archive.organisation.slug, "archive": self.archive.slug, **kwargs},
        )

    def album(self, owner: User | None = None, *, of: int = 3, name: str = "Round", **values: Any) -> Album:
        return services.create_album(
            actor=owner or self.reader, archive=self.archive, name=name, studies=self.studies[:of], **values
        )

    def keys(self, *numbers: int) -> list[str]:
        return [self.studies[number].public_id for number in numbers]

    def order(self, album: Album) -> list[int]:
        """The numbers of the album's studies as they stand."""
        numbers = {study.pk: number for number, study in enumerate(self.studies)}
        with tenant(self.archive.organisation):
            return [numbers[entry.study_id] for entry in album.entries.order_by("position")]

    def share(self, album: Album, **values: Any) -> Share:
        """An open share, as the access floor keeps it."""
        with tenant(self.archive.organisation):
            return Share.objects.create(
                **{
                    "organisation": self.archive.organisation,
                    "audience": "link",
                    "kind": "album",
                    "object_id": album.pk,
                    "label": album.name,
                    "container_kind": Archive.container_kind(),
                    "container_id": self.archive.pk,
                    "recipient_name": "Dr. Guest",
                    "purpose": "Opinion",
                    "created_by": self.manager,
                    "expires_at": timezone.now() + timedelta(days=1),
                    **values,
                }
            )


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def events(house: House, action: str) -> int:
    with tenant(house.archive.organisation):
        return Event.objects.filter(action=action).count()
