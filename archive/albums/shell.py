"""Albums in "search everything"."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from archive.albums.lists import album_url
from archive.albums.models import Album
from archive.shell import readable
from core import palette


def find_albums(request: HttpRequest, words: str, limit: int) -> Iterator[palette.Hit]:
    """Own and open albums of the archives that the person reads."""
    archives = readable(request)
    if not archives:
        return
    rows = Album.objects.filter(Q(owner=request.user.pk) | Q(is_open=True), archive__in=archives)
    for word in words.split()[:6]:
        rows = rows.filter(Q(name__icontains=word) | Q(description__icontains=word))
    for album in rows.select_related("archive__organisation").order_by("-updated_at", "-pk")[:limit]:
        yield palette.Hit(label=album.name, url=album_url(album), icon="images", note=album.archive.name)


def register() -> None:
    palette.register(key="albums", label=_("Albums"), find=find_albums, order=45)
