"""From the spool into the index: files a second, and where the time goes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from archive import services, spool
from archive.inspection import inspect
from archive.limits import limit
from archive.models import Delivery, Instance
from core.tenancy import tenant
from tests.archive.factories import make_archive, make_dataset, make_series, to_bytes

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True)]

SERIES, IMAGES = 10, 100


def small_mr_files() -> list[bytes]:
    """A thousand MR images of 35 kB in ten studies, the size that older scanners send."""
    return [
        content
        for _series in range(SERIES)
        for content in make_series(count=IMAGES, Rows=128, Columns=128, PixelData=bytes(128 * 128 * 2))
    ]


def test_rate_from_spool_to_index() -> None:
    archive = make_archive()
    files = small_mr_files()
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.DIMSE, calling_ae_title="BENCH")
    begun = time.perf_counter()
    with spool.SpoolWriter(delivery.pk) as writer:
        for content in files:
            writer.open()
            writer.write(content)
            writer.commit()
    spooled = time.perf_counter() - begun
    begun_cpu, begun = time.process_time(), time.perf_counter()
    outcomes = services.index_delivery(delivery=delivery)
    taken, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    assert {outcome.status for outcome in outcomes} == {"stored"}
    with tenant(archive.organisation):
        assert Instance.objects.count() == len(files)
    print(f"\n{len(files)} files of {len(files[0]) / 1000:.0f} kB, batches of {limit('batch_files')}")
    print(f"into the spool, synced one by one: {len(files) / spooled:8.0f} files/s")
    print(
        f"from the spool into the index:     {len(files) / taken:8.0f} files/s, {cpu / len(files) * 1e3:.2f} ms CPU a file"
    )


def test_cost_of_reading_one_file(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    for name, side in (("35 kB MR", 128), ("0.5 MB CT", 512), ("8 MB radiograph", 2000)):
        path.write_bytes(to_bytes(make_dataset(Rows=side, Columns=side, PixelData=bytes(side * side * 2))))
        inspect(path=path, name="one")
        begun = time.perf_counter()
        for _time in range(200):
            inspect(path=path, name="one")
        print(f"walk, decode and digest, {name:16}: {(time.perf_counter() - begun) / 200 * 1e3:7.2f} ms")
