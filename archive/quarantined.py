"""Look at a file that was refused, before somebody decides on it: its header values and its picture.

Such a file may be anything. Its header is read within bounds and as far as it can be; it is decoded only when its structure
is whole.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.utils.translation import gettext as _

from access.queries import require
from archive import attributes, decoding
from archive.attributes import Listing
from archive.domain import part10
from archive.domain.header import require_storable
from archive.domain.part10 import Unreadable
from archive.domain.thumbnails import NoPicture, render_thumbnail
from archive.inspection import fault_of
from archive.models import QuarantinedFile
from archive.permissions import MANAGE
from archive.storage import storage
from audit import services as audit
from core.cache import is_first

PICTURE_SIDE: Final = 768
TRIED_SIDE: Final = 32
#: Unpacks to a hundred times its size at most (`part10.inflate`), in this process.
MOST_DEFLATED_BYTES: Final = 1 << 20
NOTED_AGAIN_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Look:
    """What one file holds. `no_picture` says why there is none; empty where there is one."""

    listing: Listing
    no_picture: str


def look(*, actor: Any, file: QuarantinedFile, request: Any) -> Look | None:
    """The header values, and whether there is a picture; None when the bytes are no longer kept. Raises `Forbidden`.

    For managers of the archive: what was held back may name a patient. The event is written before anything is read.
    """
    require(actor, MANAGE, file.archive)
    if file.state != QuarantinedFile.State.KEPT:
        return None
    _note(file, request=request)
    is_first(_mark(actor, file), seconds=NOTED_AGAIN_SECONDS)
    try:
        with storage().local(file.storage_key) as path:
            listing = attributes.list_leading(path)
            try:
                _render(path, side=TRIED_SIDE)
            except NoPicture as reason:
                return Look(listing, str(reason))
            except decoding.Busy:
                return Look(listing, _("The decoders are busy. Reload the page in a moment."))
    except FileNotFoundError:
        # Decided on by somebody else a moment ago.
        return None
    return Look(listing, "")


def picture(*, actor: Any, file: QuarantinedFile, request: Any) -> bytes:
    """WebP of the first frame. Raises `Forbidden`, `NoPicture`, `decoding.Busy`, `FileNotFoundError`."""
    require(actor, MANAGE, file.archive)
    if file.state != QuarantinedFile.State.KEPT:
        raise FileNotFoundError
    # The page that shows the picture has said so already.
    if is_first(_mark(actor, file), seconds=NOTED_AGAIN_SECONDS):
        _note(file, request=request)
    with storage().local(file.storage_key) as path:
        return _render(path, side=PICTURE_SIDE)


def _mark(actor: Any, file: QuarantinedFile) -> str:
    return f"quarantine-looked-{actor.pk}-{file.pk}"


def _note(file: QuarantinedFile, *, request: Any) -> None:
    audit.record(
        action="quarantine.looked_at",
        organisation=file.archive.organisation,
        target=file,
        detail={"archive": file.archive.slug, "code": file.code},
        request=request,
    )


def _render(path: Path, *, side: int) -> bytes:
    """Raises `NoPicture` with a sentence for people, `decoding.Busy`."""
    size = path.stat().st_size
    try:
        if not size:
            raise Unreadable("empty", "The file is empty.")
        fault = _deflated_fault(path, size) if _is_deflated(path) else fault_of(path=path)
    except Unreadable as error:
        fault = error
    if fault is not None:
        raise NoPicture(fault.reason) from None
    try:
        with path.open("rb") as opened:
            return render_thumbnail(opened, frame=1, side=side)
    except NoPicture as reason:
        # What the decoder says may quote values of the file.
        raise NoPicture(_("It holds no image, or one that is damaged.")) from reason


def _deflated_fault(path: Path, size: int) -> Unreadable | None:
    """The decoders unpack without a bound, and `fault_of` does not unpack: both only after this walk, which has one."""
    if size > MOST_DEFLATED_BYTES:
        raise NoPicture(_("The data set is deflated, and larger than is unpacked for a look."))
    content = path.read_bytes()
    try:
        require_storable(part10.read_layout(content, size))
    except Unreadable as fault:
        return fault
    return None


def _is_deflated(path: Path) -> bool:
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        return part10.is_deflated(buffer, len(buffer))
