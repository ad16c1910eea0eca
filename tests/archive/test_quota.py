"""A full quota is refused like a full disk, at the doors of one organisation only."""

from __future__ import annotations

import io
import shutil
import zipfile

import pytest

from access import services as access
from access.models import Organisation
from archive import quota, services, spool
from archive.errors import OutOfSpace, QuotaReached
from archive.models import Delivery, Study
from archive.services import export, unpack, uploads
from core import jobs
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.access.test_reasons import make_archive
from tests.archive import factories as archives

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ask_anew() -> None:
    quota.forget()
    shutil.rmtree(export.exports_folder(), ignore_errors=True)


def test_a_full_quota_keeps_nothing_and_leaves_others_alone() -> None:
    full, other = make_organisation("full"), make_organisation("other")
    Organisation.objects.filter(pk=full.pk).update(storage_quota_bytes=0)
    deliveries = {
        one.slug: services.open_delivery(archive=make_archive(one), source=Delivery.Source.UPLOAD)
        for one in (full, other)
    }
    with pytest.raises(QuotaReached) as refusal:
        services.receive(delivery=deliveries["full"], chunks=io.BytesIO(b"x"), name="a.dcm")
    assert isinstance(refusal.value, OutOfSpace)
    assert refusal.value.status_code == 507
    services.receive(delivery=deliveries["other"], chunks=io.BytesIO(b"x"), name="a.dcm")


def test_room_that_is_made_is_used_at_once() -> None:
    full = make_organisation("full")
    Organisation.objects.filter(pk=full.pk).update(storage_quota_bytes=0)
    delivery = services.open_delivery(archive=make_archive(full), source=Delivery.Source.UPLOAD)
    with pytest.raises(QuotaReached):
        services.receive(delivery=delivery, chunks=io.BytesIO(b"x"))
    Organisation.objects.filter(pk=full.pk).update(storage_quota_bytes=None)
    quota.forget()
    services.receive(delivery=delivery, chunks=io.BytesIO(b"x"))


def limit_to(organisation: Organisation, size: int | None) -> None:
    Organisation.objects.filter(pk=organisation.pk).update(storage_quota_bytes=size)
    quota.forget()


def used(organisation: Organisation) -> int:
    with tenant(organisation):
        return quota.used_bytes(organisation)


def test_everything_that_is_kept_counts_and_for_its_owner_only() -> None:
    archive, stranger = archives.make_archive(), archives.make_archive()
    full, other = archive.organisation, stranger.organisation
    assert used(full) == 0
    image = archives.to_bytes(archives.make_dataset())
    archives.deliver(archive, [image])
    assert used(full) == len(image)
    archives.deliver(archive, [b"junk" * 1000])  # quarantined
    assert used(full) == len(image) + 4000
    waiting = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    services.receive(delivery=waiting, chunks=[b"spooled" * 100])
    spool.upload_path(waiting.pk, "a-large-upload").write_bytes(b"p" * 500)
    assert used(full) >= len(image) + 4000 + 700 + 500
    before = used(full)
    with tenant(full):
        job = jobs.start(organisation=full, owner=make_user(), kind="archive.export", title="Export")
    export.exports_folder().mkdir(parents=True, exist_ok=True)
    export.export_path(job.pk).write_bytes(bytes(1234))
    (export.exports_folder() / "not-a-job.zip").write_bytes(bytes(99))
    assert used(full) == before + 1234
    assert used(other) == 0


def test_a_file_stops_where_the_quota_does_and_so_does_what_comes_after() -> None:
    archive = archives.make_archive()
    limit_to(archive.organisation, 3000)
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    with pytest.raises(QuotaReached):
        services.receive(delivery=delivery, chunks=[bytes(1000)] * 4)
    assert spool.whole_files(delivery.pk) == []
    # Within one count, too: the door adds up what it took.
    services.receive(delivery=delivery, chunks=[bytes(1000)] * 2)
    with pytest.raises(QuotaReached):
        services.receive(delivery=delivery, chunks=[bytes(1000)] * 2)
    assert len(spool.whole_files(delivery.pk)) == 1
    with pytest.raises(QuotaReached):
        uploads.take_piece(
            delivery=delivery, upload_id="a-large-upload", offset=0, total=2000, name="a", chunks=io.BytesIO(b"x"),
            actor=make_user(),
        )  # fmt: skip


def test_refused_files_use_up_the_quota_too() -> None:
    archive = archives.make_archive()
    limit_to(archive.organisation, 10_000)
    archives.deliver(archive, [b"junk" * 2000])
    quota.forget()
    with pytest.raises(QuotaReached):
        archives.deliver(archive, [b"more" * 1000])


def test_a_zip_and_an_export_that_do_not_fit_are_refused_before_they_begin() -> None:
    archive = archives.make_archive()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for number in range(3):
            opened.writestr(f"{number}.dcm", archives.to_bytes(archives.make_dataset()) + bytes(50_000))
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    spooled = services.receive(delivery=delivery, chunks=[packed.getvalue()], name="disc.zip")
    spool.set_aside_zip(delivery.pk, spooled.name)
    limit_to(archive.organisation, 100_000)
    with pytest.raises(QuotaReached):
        unpack.unpack(delivery=delivery, name=spooled.name, report=lambda _outcomes: None)
    assert spool.whole_files(delivery.pk) == [] and spool.waiting_zips(delivery.pk) == [spooled.name]
    limit_to(archive.organisation, None)
    manager = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="manager", user=manager)
    archives.deliver(archive, [archives.to_bytes(archives.make_dataset())])
    with tenant(archive.organisation):
        studies = list(Study.objects.filter(archive=archive))
    limit_to(archive.organisation, used(archive.organisation) + 10)
    with pytest.raises(QuotaReached):
        export.start_export(actor=manager, archive=archive, studies=studies)
