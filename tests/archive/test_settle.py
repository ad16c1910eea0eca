from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from django.utils import timezone
from PIL import Image

from archive import hooks, queries, tasks
from archive.domain import metadata
from archive.domain.thumbnails import NoPicture, render_thumbnail
from archive.models import Archive, Study
from archive.services import settle
from archive.storage import storage
from core.tenancy import all_tenants, tenant
from tests.archive.factories import deliver, make_archive, make_dataset, make_file, make_series, to_bytes

pytestmark = pytest.mark.django_db


def make_silent(archive: Archive) -> None:
    with tenant(archive.organisation):
        Study.objects.update(last_received_at=timezone.now() - timedelta(seconds=60))


def settle_now(archive: Archive) -> None:
    make_silent(archive)
    with all_tenants():
        due = settle.due_studies()
    for organisation_id, study_id in due:
        with all_tenants():
            settle.claim(study_id=study_id)
        tasks.settle_study(organisation_id=organisation_id, study_id=study_id)


def test_a_silent_study_gets_thumbnail_and_metadata_and_the_listeners_hear_of_it_once() -> None:
    archive = make_archive()
    heard: list[int] = []
    listener = hooks.on_study_settled(lambda *, study: heard.append(study.pk))
    try:
        deliver(archive, make_series(count=3))
        with all_tenants():
            assert settle.due_studies() == []
        settle_now(archive)
        settle_now(archive)
    finally:
        hooks._study_settled.remove(listener)
    with tenant(archive.organisation):
        study = Study.objects.get()
        assert heard == [study.pk]
        assert study.settled_at and study.announced_at
        series = study.series.get()
        with storage().open(series.thumbnail_key) as file:
            assert Image.open(io.BytesIO(file.read())).size == (256, 256)
        documents = metadata.unpack(queries.series_metadata(series))
        assert [document["00200013"]["Value"] for document in documents] == [[1], [2], [3]]
        assert documents[0]["7FE00010"]["BulkDataURI"].startswith(
            metadata.ROOT + "/studies/" + study.study_instance_uid
        )


def test_a_later_image_unsettles_the_study_and_replaces_what_was_derived() -> None:
    archive = make_archive()
    files = make_series(count=2)
    deliver(archive, files[:1])
    settle_now(archive)
    with tenant(archive.organisation):
        before = Study.objects.get().series.get()
    deliver(archive, files[1:])
    with tenant(archive.organisation):
        assert Study.objects.get().settled_at is None
        assert len(metadata.unpack(queries.series_metadata(before.study.series.get()))) == 2
    settle_now(archive)
    with tenant(archive.organisation):
        after = Study.objects.get().series.get()
    assert after.metadata_key != before.metadata_key
    assert not storage().exists(before.metadata_key)
    assert storage().exists(after.thumbnail_key)


def test_a_study_whose_worker_died_after_the_claim_is_picked_up_again() -> None:
    archive = make_archive()
    deliver(archive, [make_file()])
    with tenant(archive.organisation):
        Study.objects.update(settled_at=timezone.now() - timedelta(seconds=settle.ABANDONED_SECONDS + 1))
        study = Study.objects.get()
    with all_tenants():
        assert (archive.organisation_id, study.pk) in settle.due_studies()
        assert settle.claim(study_id=study.pk)
        assert not settle.claim(study_id=study.pk)


@pytest.mark.parametrize("name", [
    "MR_small.dcm", "CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm", "examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm", "ExplVR_BigEnd.dcm",
    "image_dfl.dcm", "examples_overlay.dcm", "rtdose.dcm", "SC_rgb_rle_16bit.dcm", "liver_1frame.dcm",
])  # fmt: skip
def test_a_picture_is_made_of_every_common_encoding(name: str) -> None:
    path = Path(pydicom.data.get_testdata_file(name))
    picture = Image.open(io.BytesIO(render_thumbnail(io.BytesIO(path.read_bytes()), frame=1)))
    assert picture.format == "WEBP" and max(picture.size) == 256


def test_monochrome1_is_shown_inverted(tmp_path: Path) -> None:
    normal, inverse = tmp_path / "normal.dcm", tmp_path / "inverse.dcm"
    normal.write_bytes(make_file())
    inverse.write_bytes(make_file(PhotometricInterpretation="MONOCHROME1"))
    first = Image.open(io.BytesIO(render_thumbnail(io.BytesIO(normal.read_bytes()), frame=1))).convert("L")
    second = Image.open(io.BytesIO(render_thumbnail(io.BytesIO(inverse.read_bytes()), frame=1))).convert("L")
    assert first.getpixel((128, 5)) < 60 < 200 < first.getpixel((128, 250))
    assert second.getpixel((128, 5)) > 200 > 60 > second.getpixel((128, 250))


def test_what_has_no_pixels_has_no_picture() -> None:
    with pytest.raises(NoPicture):
        render_thumbnail(io.BytesIO(Path(pydicom.data.get_testdata_file("test-SR.dcm")).read_bytes()), frame=1)


def test_a_window_that_shows_nothing_gives_way_to_the_values_there_are(tmp_path: Path) -> None:
    rows = np.tile(np.linspace(1000, 2000, 64, dtype=np.uint16), (64, 1))
    for window, expected in (((30, 100), 200), ((4000, 100), 200), ((1500, 1000), 200), (None, 200)):
        changes = {} if window is None else {"WindowCenter": str(window[0]), "WindowWidth": str(window[1])}
        path = tmp_path / f"{window}.dcm"
        path.write_bytes(to_bytes(make_dataset(Rows=64, Columns=64, PixelData=rows.tobytes(), **changes)))
        grey = np.asarray(Image.open(io.BytesIO(render_thumbnail(io.BytesIO(path.read_bytes()), frame=1))).convert("L"))
        assert int(grey.max()) - int(grey.min()) > expected, window
    # One that leaves a few pixels grey is kept as it is: a dark image may be meant to be dark.
    path.write_bytes(
        to_bytes(make_dataset(Rows=64, Columns=64, PixelData=rows.tobytes(), WindowCenter="2000", WindowWidth="100"))
    )
    grey = np.asarray(Image.open(io.BytesIO(render_thumbnail(io.BytesIO(path.read_bytes()), frame=1))).convert("L"))
    assert np.count_nonzero(grey < 16) > 0.9 * grey.size
