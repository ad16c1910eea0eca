"""An album of the demo: one study of each modality, open to the readers of the clinical archive."""

from __future__ import annotations

from collections.abc import Callable

from archive.albums.models import Album
from archive.albums.services import create_album
from archive.models import Study
from pacsweb.demo.loader.containers import House

NAME = "One of each modality"
DESCRIPTION = "For the introduction of new colleagues: the same viewer for every kind of image."
MOST = 12


def load_album(*, house: House, say: Callable[[str], None]) -> None:
    archive, maker = house.archives["demo/clinical"], house.users["educator@demo"]
    if Album.objects.filter(archive=archive, owner=maker).exists():
        return
    chosen: dict[str, Study] = {}
    for study in Study.objects.filter(archive=archive).order_by("study_instance_uid"):
        chosen.setdefault("/".join(study.modalities), study)
    studies = list(chosen.values())[:MOST]
    if not studies:
        return
    create_album(actor=maker, archive=archive, name=NAME, description=DESCRIPTION, is_open=True, studies=studies)
    say(f"an album of {len(studies)} studies")
