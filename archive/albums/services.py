"""Albums: the write side. Whoever writes holds the album's row first, so that order and limits are exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.models import User
from access.queries import may, require
from access.sharing import following
from archive.albums import queries
from archive.albums.models import LONGEST_DESCRIPTION, LONGEST_NAME, Album, AlbumEntry
from archive.models import Archive, Study
from archive.permissions import SHARE, VIEW
from audit import services as audit
from core.errors import Forbidden, Invalid, NotFound
from core.tenancy import tenant

MOST_STUDIES = 1000
MOST_ALBUMS = 500

Direction = Literal["up", "down", "first", "last"]


class SharedOutside(Forbidden):
    code = "album-shared"
    default_message = gettext_lazy(
        "People outside see what is in this album. Only who may share from this archive adds to it."
    )


class AlbumFull(Invalid):
    code = "album-full"


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of studies that were put into an album."""

    added: int
    known: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """A study's place in an album, to put it back there."""

    study: str
    position: int


def create_album(
    *,
    actor: User,
    archive: Archive,
    name: str,
    description: str = "",
    is_open: bool = False,
    studies: Sequence[Study] = (),
    request: Any = None,
) -> Album:
    """Make an album, with studies of the archive if some are given. Raises `Invalid`."""
    with tenant(archive.organisation):
        require(actor, VIEW, archive)
        values = _checked(name=name, description=description)
        with transaction.atomic():
            # Counted and made by one at a time.
            User.objects.select_for_update(no_key=True).filter(pk=actor.pk).first()
            if Album.objects.filter(archive=archive, owner=actor).count() >= MOST_ALBUMS:
                raise Invalid(_("One person makes at most %(n)s albums in an archive.") % {"n": MOST_ALBUMS})
            album = Album(organisation=archive.organisation, archive=archive, owner=actor, is_open=is_open, **values)
            _save(album)
            audit.record(
                action="album.created",
                organisation=archive.organisation,
                actor=actor,
                target=album,
                detail={"archive": archive.slug, "open": is_open},
                request=request,
            )
            if studies:
                add_studies(actor=actor, album=album, studies=studies, request=request)
    return album


def change_album(
    *, actor: User, album: Album, name: str, description: str, is_open: bool, request: Any = None
) -> Album:
    """Rename, describe, open or close an album. Raises `Invalid`, `Forbidden`."""
    with tenant(album.organisation), transaction.atomic():
        values = _checked(name=name, description=description) | {"is_open": is_open}
        held = _hold(actor=actor, album=album)
        changed = sorted(key for key, value in values.items() if getattr(held, key) != value)
        if not changed:
            return held
        for key in changed:
            setattr(held, key, values[key])
        _save(held)
        audit.record(
            action="album.changed",
            organisation=held.organisation,
            actor=actor,
            target=held,
            # A name or description may hold anything: what changed is kept, not to what.
            detail={"archive": held.archive.slug, "changed": ", ".join(changed), "open": held.is_open},
            request=request,
        )
    return held


def delete_album(*, actor: User, album: Album, request: Any = None) -> int:
    """Delete an album, and close every share of it; its studies stay. Returns how many shares were closed."""
    with tenant(album.organisation), transaction.atomic():
        held = _hold(actor=actor, album=album)
        closed = following.close_shares(actor=actor, kind=queries.SHARED_AS, object_id=held.pk, request=request)
        audit.record(
            action="album.deleted",
            organisation=held.organisation,
            actor=actor,
            target=held,
            detail={"archive": held.archive.slug, "studies": held.entries.count(), "shares": closed},
            request=request,
        )
        held.delete()
    return closed


def add_studies(*, actor: User, album: Album, studies: Sequence[Study], request: Any = None) -> Added:
    """Put studies at the end of an album, in the order given. Those that are in it stay where they are.

    The caller found the studies among those that the actor sees. Raises `SharedOutside` when people outside would see
    them and the actor may not share, `AlbumFull`, `Invalid` for a study of another archive.
    """
    if any(study.archive_id != album.archive_id for study in studies):
        raise Invalid(_("An album holds studies of its own archive only."))
    with tenant(album.organisation), transaction.atomic():
        held = _hold(actor=actor, album=album)
        _require_sharing(actor=actor, album=held)
        known = set(held.entries.values_list("study_id", flat=True))
        wanted = {study.pk: study for study in studies if study.pk not in known}
        # Held until the end, by UID as everywhere: none is deleted while it is put in.
        there = set(_held_studies(wanted).values_list("pk", flat=True))
        new = [study for pk, study in wanted.items() if pk in there]
        if len(known) + len(new) > MOST_STUDIES:
            raise AlbumFull(
                _("An album holds at most %(most)s studies; this one has %(n)s. Nothing was added.")
                % {"most": MOST_STUDIES, "n": len(known)}
            )
        last = held.entries.aggregate(last=Max("position"))["last"] or 0
        AlbumEntry.objects.bulk_create(
            AlbumEntry(organisation=held.organisation, album=held, study=study, position=last + number, added_by=actor)
            for number, study in enumerate(new, start=1)
        )
        if new:
            _touch(held)
            _tell("album.studies_added", actor=actor, album=held, studies=[s.public_id for s in new], request=request)
    return Added(added=len(new), known=len(known & {study.pk for study in studies}))


def remove_studies(*, actor: User, album: Album, studies: Iterable[str], request: Any = None) -> list[Place]:
    """Take studies (public ids) out of an album; returns where they stood. Those not in it are passed over."""
    with tenant(album.organisation), transaction.atomic():
        held = _hold(actor=actor, album=album)
        entries = list(held.entries.filter(study__public_id__in=list(studies)).select_related("study"))
        places = [Place(study=entry.study.public_id, position=entry.position) for entry in entries]
        if entries:
            AlbumEntry.objects.filter(pk__in=[entry.pk for entry in entries]).delete()
            _touch(held)
            _tell("album.studies_removed", actor=actor, album=held, studies=[p.study for p in places], request=request)
    return places


def put_back(*, actor: User, album: Album, places: Sequence[Place], request: Any = None) -> int:
    """Undo a removal: the studies stand where they stood, as far as they are still in the archive."""
    with tenant(album.organisation):
        rows = {
            study.public_id: study
            for study in Study.objects.filter(archive=album.archive_id, public_id__in=[place.study for place in places])
        }
        kept = [place for place in places if place.study in rows]
        with transaction.atomic():
            done = add_studies(actor=actor, album=album, studies=[rows[place.study] for place in kept], request=request)
            before = {place.study: place.position for place in kept}
            entries = list(album.entries.select_related("study").order_by("position", "pk"))
            # A study that came back precedes whoever stands at its old place now.
            entries.sort(
                key=lambda entry: (
                    before.get(entry.study.public_id, entry.position),
                    entry.study.public_id not in before,
                )
            )
            _renumber(entries)
    return done.added


def move_studies(
    *, actor: User, album: Album, studies: Iterable[str], direction: Direction, request: Any = None
) -> bool:
    """Move studies (public ids) one place up or down, or to an end, keeping their order among themselves."""
    with tenant(album.organisation), transaction.atomic():
        held = _hold(actor=actor, album=album)
        entries = list(held.entries.select_related("study").order_by("position", "pk"))
        chosen = set(studies)
        moved = moved_order([entry.study.public_id for entry in entries], chosen=chosen, direction=direction)
        return _arrange(held, entries=entries, order=moved, actor=actor, request=request)


def moved_order(order: Sequence[str], *, chosen: set[str], direction: Direction) -> list[str]:
    """The order after a move. What stands at the end already stays, and holds up those right behind it."""
    if direction in ("first", "last"):
        picked, rest = [k for k in order if k in chosen], [k for k in order if k not in chosen]
        return picked + rest if direction == "first" else rest + picked
    found = list(order) if direction == "up" else list(reversed(order))
    for at in range(1, len(found)):
        if found[at] in chosen and found[at - 1] not in chosen:
            found[at - 1], found[at] = found[at], found[at - 1]
    return found if direction == "up" else list(reversed(found))


def arrange(*, actor: User, album: Album, studies: Sequence[str], request: Any = None) -> bool:
    """Put the studies (public ids) into this order; those not named follow as they stood."""
    with tenant(album.organisation), transaction.atomic():
        held = _hold(actor=actor, album=album)
        entries = list(held.entries.select_related("study").order_by("position", "pk"))
        return _arrange(held, entries=entries, order=studies, actor=actor, request=request)


def _arrange(album: Album, *, entries: list[AlbumEntry], order: Sequence[str], actor: User, request: Any) -> bool:
    ranks = {key: number for number, key in enumerate(order)}
    arranged = sorted(entries, key=lambda entry: ranks.get(entry.study.public_id, len(ranks)))
    if arranged == entries:
        return False
    _renumber(arranged)
    _touch(album)
    audit.record(
        action="album.arranged",
        organisation=album.organisation,
        actor=actor,
        target=album,
        detail={"archive": album.archive.slug, "studies": len(entries)},
        request=request,
    )
    return True


def _renumber(entries: Sequence[AlbumEntry]) -> None:
    changed = []
    for number, entry in enumerate(entries, start=1):
        if entry.position != number:
            entry.position = number
            changed.append(entry)
    AlbumEntry.objects.bulk_update(changed, ["position"], batch_size=500)


def _hold(*, actor: User, album: Album) -> Album:
    """The album's row, locked, when the actor may change it. Raises `NotFound`, `Forbidden`."""
    held: Album | None = (
        Album.objects.select_for_update(of=("self",))
        .select_related("archive__organisation", "organisation")
        .filter(pk=album.pk)
        .first()
    )
    if held is None:
        raise NotFound
    require(actor, VIEW, held.archive)
    if not held.is_open and not queries.may_change(user=actor, album=held):
        raise NotFound
    queries.require_change(user=actor, album=held)
    return held


def _require_sharing(*, actor: User, album: Album) -> None:
    """What is shared follows the album: whoever adds to it shows the studies to people outside."""
    if queries.outside_of(album).total and not may(actor, SHARE, album.archive):
        raise SharedOutside


def _held_studies(wanted: Iterable[int]) -> Any:
    return Study.objects.select_for_update(no_key=True).filter(pk__in=list(wanted)).order_by("study_instance_uid")


def _checked(*, name: str, description: str) -> dict[str, Any]:
    name, description = " ".join(name.replace("\x00", "").split()), description.replace("\x00", "").strip()
    faults: dict[str, list[str]] = {}
    if not name:
        faults["name"] = [_("An album needs a name.")]
    elif len(name) > LONGEST_NAME:
        faults["name"] = [_("At most %(n)s characters.") % {"n": LONGEST_NAME}]
    if len(description) > LONGEST_DESCRIPTION:
        faults["description"] = [_("At most %(n)s characters.") % {"n": LONGEST_DESCRIPTION}]
    if faults:
        raise Invalid(fields=faults)
    return {"name": name, "description": description}


def _save(album: Album) -> None:
    try:
        with transaction.atomic():
            album.save()
    except IntegrityError as error:
        if "album_name_once_a_maker" not in str(error):
            raise
        raise Invalid(
            fields={"name": [_("There is an album of this name and maker in this archive already.")]}
        ) from error


def _touch(album: Album) -> None:
    album.updated_at = timezone.now()
    album.save(update_fields=["updated_at"])


def _tell(action: str, *, actor: User, album: Album, studies: list[str], request: Any) -> None:
    audit.record(
        action=action,
        organisation=album.organisation,
        actor=actor,
        target=album,
        detail={"archive": album.archive.slug, "count": len(studies), "studies": studies},
        request=request,
    )
