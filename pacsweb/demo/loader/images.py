"""Images of the demo: phantoms drawn in other processes, real test images from packages, received and indexed as always."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from access.models import User
from archive.domain.screening import HELD
from archive.models import Archive, Delivery, Instance, QuarantinedFile, Study
from archive.services import close_delivery, index_delivery, open_delivery, quarantine, receive
from archive.services import settle as settling
from core.tenancy import all_tenants, tenant
from pacsweb.demo.catalogue import ENTRIES, build, build_batch, groups
from pacsweb.demo.loader.containers import House
from pacsweb.demo.phantoms import Lesion, PhantomStudy

Say = Callable[[str], None]

#: Real images, freely usable, that come with pydicom and pydicom-data; looked up by name, left out when not installed.
REAL_FILES = ("CT_small.dcm", "MR_small.dcm", "emri_small.dcm", "JPEG2000.dcm", "US1_J2KR.dcm", "RG1_J2KR.dcm")
REAL_FOLDERS = ("dicomdirtests/77654033", "dicomdirtests/98892001", "dicomdirtests/98892003")
WHY_RELEASED = "A phantom of the demo: nothing is written into its pixels"
REAL_FOR_PARTNER = ("CT_small.dcm", "MR_small.dcm")


@dataclass
class Shelf:
    """The truth of the phantoms, by the study's key; drawn again when it is needed and the images were there already."""

    size: str
    lesions: dict[str, tuple[Lesion, ...]] = field(default_factory=dict)

    def truth(self, key: str) -> tuple[Lesion, ...]:
        if key not in self.lesions:
            self.lesions[key] = build(key, size=self.size).lesions
        return self.lesions[key]


def load_images(*, house: House, say: Say, size: str, processes: int) -> Shelf:
    """Draw, receive and index every study that is not there."""
    shelf = Shelf(size)
    missing = {
        key for key in ENTRIES if not _is_there(house.archives[ENTRIES[key].archive], ENTRIES[key].visit.study_uid)
    }
    count = itertools.count(len(ENTRIES) - len(missing) + 1)
    for key, study in _drawn(
        [[k for k in group if k in missing] for group in groups()], size=size, processes=processes
    ):
        shelf.lesions[key] = study.lesions
        archive = house.archives[ENTRIES[key].archive]
        _receive(archive=archive, actor=_sender(house, archive, key=key), files=study.files())
        if archive.is_gated:
            _release(archive=archive, manager=house.maker(archive.organisation))
        images = sum(len(series.instances) for series in study.series)
        say(f"[{next(count):2d}/{len(ENTRIES)}] {key}: {images} images, {study.size / 1e6:.1f} MB")
    _load_real(house=house, say=say)
    return shelf


def _sender(house: House, archive: Archive, *, key: str = "") -> User:
    """Return who may send to an archive; it is the same person that a browser upload would name."""
    if archive.slug == "trial-lung":
        # The staff of one site do not send what another site's subjects are.
        return house.users["coordinator@demo" if key.startswith("lung-02") else "site@demo"]
    return house.users["educator@demo" if archive.organisation_id == house.demo.pk else "educator@partner"]


def _is_there(archive: Archive, study_uid: str) -> bool:
    """Whether a study is whole: indexed by a delivery that came to its end."""
    with tenant(archive.organisation):
        images = Instance.objects.filter(archive=archive, study__study_instance_uid=study_uid)
        return images.exists() and not images.exclude(delivery__state=Delivery.State.INDEXED).exists()


def _drawn(batches: Iterable[list[str]], *, size: str, processes: int) -> Iterator[tuple[str, PhantomStudy]]:
    wanted = [batch for batch in batches if batch]
    if processes == 0 or size == "small" or len(wanted) < 2:
        for batch in wanted:
            yield from build_batch(batch, size)
        return
    # A forked child would share the database connection.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=processes, mp_context=context) as pool:
        for future in [pool.submit(build_batch, batch, size) for batch in wanted]:
            yield from future.result()


def _release(*, archive: Archive, manager: User) -> None:
    """What screening holds because nobody has looked at its pixels; for phantoms the one who drew them can say."""
    with tenant(archive.organisation):
        rows = QuarantinedFile.objects.filter(archive=archive, state=QuarantinedFile.State.KEPT, code=HELD)
        for file in rows.select_related("archive__organisation", "delivery"):
            quarantine.release(actor=manager, file=file, reason=WHY_RELEASED)
        for delivery in Delivery.objects.filter(archive=archive, state=Delivery.State.CLOSED).select_related(
            "archive", "organisation"
        ):
            index_delivery(delivery=delivery)


def _receive(*, archive: Archive, actor: User, files: Iterable[tuple[str, bytes]]) -> None:
    with tenant(archive.organisation):
        delivery = open_delivery(archive=archive, source=Delivery.Source.IMPORT, actor=actor)
        for name, content in files:
            receive(delivery=delivery, chunks=[content], name=name)
        close_delivery(delivery=delivery)
        index_delivery(delivery=delivery)


def _load_real(*, house: House, say: Say) -> None:
    for archive_key, names, folders in (
        ("demo/clinical", REAL_FILES, REAL_FOLDERS),
        # The same images in another tenant: equal UIDs in two organisations stay apart.
        ("partner/clinical", REAL_FOR_PARTNER, ()),
    ):
        archive = house.archives[archive_key]
        found = [path for path in (*map(_package_file, names), *_package_folders(folders)) if path is not None]
        new = [path for path in found if not _is_known(archive, path)]
        if new:
            _receive(
                archive=archive, actor=_sender(house, archive), files=((path.name, path.read_bytes()) for path in new)
            )
            say(f"{len(new)} real test images into {archive_key}")


def _package_file(name: str) -> Path | None:
    from pydicom.data import get_testdata_file

    try:
        found = get_testdata_file(name, download=False)
    except (OSError, ValueError):
        return None
    return Path(str(found)) if found else None


def _package_folders(names: Iterable[str]) -> Iterator[Path]:
    import pydicom.data

    root = Path(pydicom.data.__file__).parent / "test_files"
    for name in names:
        yield from sorted(path for path in (root / name).rglob("*") if path.is_file())


def _is_known(archive: Archive, path: Path) -> bool:
    """Whether the archive has the image, or has already refused exactly this file."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        uid = str(dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True).get("SOPInstanceUID", ""))
    except (InvalidDicomError, OSError):
        return True
    with tenant(archive.organisation):
        return Instance.objects.filter(archive=archive, sop_instance_uid=uid).exists()


def settle(*, house: House, say: Say) -> None:
    """Make thumbnails and metadata now instead of after the archive's silence, so that the first page shows them."""
    pks = [archive.pk for archive in house.archives.values()]
    with all_tenants():
        waiting = list(
            Study.objects.filter(archive__in=pks, announced_at=None, instance_count__gt=0).select_related(
                "organisation"
            )
        )
    for study in waiting:
        with tenant(study.organisation):
            if settling.claim(study_id=study.pk):
                settling.settle_study(study_id=study.pk)
    if waiting:
        say(f"{len(waiting)} studies settled: thumbnails and metadata are there")
