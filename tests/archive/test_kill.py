"""Indexers that die at the worst moment, and several that work on the same study: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection, connections
from pydicom.uid import generate_uid

from archive import services, spool, tasks
from archive.models import Archive, Delivery, Instance, Patient, QuarantinedFile, Series, Study
from archive.services import sweep
from archive.storage import storage
from core.tenancy import all_tenants, tenant
from tests.archive.factories import deliver, make_archive, make_file, make_series

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = """
import os, sys
import django
django.setup()
from archive.models import Delivery
from archive.services import commit, index
from archive import spool
from archive.storage import FileStorage
from core.tenancy import all_tenants

point, countdown = sys.argv[2], [int(sys.argv[3])]

def die_in(owner, name, *, after):
    real = getattr(owner, name)
    def wrapped(*arguments, **named):
        if not after:
            countdown[0] -= 1
            if countdown[0] <= 0:
                os._exit(9)
        answer = real(*arguments, **named)
        if after:
            countdown[0] -= 1
            if countdown[0] <= 0:
                os._exit(9)
        return answer
    setattr(owner, name, wrapped)

if point == "while linking":
    die_in(FileStorage, "adopt", after=True)
elif point == "before the commit":
    die_in(commit, "commit_batch", after=True)
elif point == "after the commit":
    die_in(spool, "remove", after=False)
elif point == "while reading":
    die_in(index, "_inspect", after=True)

with all_tenants():
    delivery = Delivery.objects.select_related("archive", "organisation").get(pk=sys.argv[1])
index.index_delivery(delivery=delivery)
"""


def start_worker(delivery: Delivery, *, point: str = "", count: int = 0) -> subprocess.Popen[bytes]:
    parts = connection.settings_dict
    url = (
        f"postgresql://{quote(parts['USER'], safe='')}:{quote(parts['PASSWORD'], safe='')}"
        f"@{quote(parts['HOST'], safe='')}:{parts['PORT']}/{parts['NAME']}"
    )
    environment = os.environ | {"DATABASE_URL": url, "PACSWEB_DATA": str(settings.DATA_DIR)}
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(delivery.pk), point, str(count)],
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )


def spool_files(archive: Archive, contents: list[bytes]) -> Delivery:
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.DIMSE, calling_ae_title="SCANNER")
    with spool.SpoolWriter(delivery.pk) as writer:
        for content in contents:
            writer.open()
            writer.write(content)
            writer.commit()
    services.close_delivery(delivery=delivery)
    return delivery


def check(archive: Archive, delivery: Delivery, *, stored: int, refused: int = 0, duplicate: int = 0) -> None:
    """Everything acknowledged is in the index once, its bytes are there, the spool is empty, the counts are right."""
    assert spool.whole_files(delivery.pk) == []
    with tenant(archive.organisation):
        delivery.refresh_from_db()
        assert (delivery.stored, delivery.refused, delivery.duplicate) == (stored, refused, duplicate)
        assert delivery.received == stored + refused + duplicate
        assert delivery.state == Delivery.State.INDEXED
        instances = list(Instance.objects.all())
        assert len(instances) == len({instance.sop_instance_uid for instance in instances}) == stored
        for instance in instances:
            assert storage().size(instance.storage_key) == instance.size_bytes
        for study in Study.objects.all():
            assert study.instance_count == study.instances.count()
            assert study.series_count == study.series.count()
            assert study.size_bytes == sum(study.instances.values_list("size_bytes", flat=True))
        for series in Series.objects.all():
            assert series.instance_count == series.instances.count()
        kept = list(QuarantinedFile.objects.all())
        assert len(kept) == refused
        known = {instance.storage_key for instance in instances} | {file.storage_key for file in kept}
        mine = f"{archive.pk}/{delivery.pk.hex[:2]}/{delivery.pk.hex}"
    found = {key for kind in ("instances", "quarantine") for key in storage().keys(f"{kind}/{mine}")}
    assert found == known


@pytest.mark.parametrize("point", ["while reading", "while linking", "before the commit", "after the commit"])
def test_an_indexer_that_dies_at_any_step_leaves_work_that_the_next_one_finishes(point: str) -> None:
    archive = make_archive()
    files = make_series(count=12)
    known = make_series(count=2)
    deliver(archive, known)
    delivery = spool_files(archive, [*files[:8], b"not an image " * 30, *known, *files[8:]])
    for count in (1, 2, 7):
        worker = start_worker(delivery, point=point, count=count)
        assert worker.wait(timeout=60) in (0, 9)
    services.index_delivery(delivery=delivery)
    with tenant(archive.organisation):
        delivery.refresh_from_db()
        assert (delivery.stored, delivery.refused, delivery.duplicate, delivery.received) == (12, 1, 2, 15)
        assert Instance.objects.count() == 14
        assert QuarantinedFile.objects.count() == 1
        for instance in Instance.objects.all():
            assert storage().size(instance.storage_key) == instance.size_bytes
    assert spool.whole_files(delivery.pk) == []


def test_five_hundred_files_survive_indexers_that_are_killed_again_and_again() -> None:
    archive = make_archive()
    files = [file for _study in range(10) for file in make_series(count=50)]
    delivery = spool_files(archive, files)
    for _kill in range(4):
        worker = start_worker(delivery)
        time.sleep(random.uniform(0.9, 1.8))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert start_worker(delivery).wait(timeout=120) == 0
    check(archive, delivery, stored=500)


def test_the_sweeper_finishes_what_a_dead_listener_left(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.DIMSE, calling_ae_title="SCANNER")
    writer = spool.SpoolWriter(delivery.pk)
    for content in make_series(count=3):
        writer.open()
        writer.write(content)
        writer.commit()
    writer.open()
    writer.write(b"half of a file")
    monkeypatch.setattr(sweep, "QUIET_SECONDS", -1.0)
    with all_tenants():
        assert (archive.organisation_id, str(delivery.pk)) in sweep.sweep_spool()
        delivery.refresh_from_db()
        assert delivery.state == Delivery.State.OPEN, "its owner lives"
    assert writer.path.exists()
    # The process is gone: its descriptors close, nothing is tidied up.
    os.close(writer._lock_descriptor)
    settings.ARCHIVE_LIMITS = {"orphan_idle_seconds": -1}
    try:
        with all_tenants():
            swept = sweep.sweep_spool()
    finally:
        del settings.ARCHIVE_LIMITS
    assert (archive.organisation_id, str(delivery.pk)) in swept
    assert not writer.path.exists()
    for _twice in range(2):
        tasks.index_delivery(organisation_id=archive.organisation_id, delivery_id=str(delivery.pk))
    check(archive, delivery, stored=3)


def test_four_deliveries_of_one_study_at_once_count_right() -> None:
    archive = make_archive()
    study, patient = generate_uid(), "P1"
    series = [generate_uid() for _index in range(3)]
    batches = [
        [
            make_file(StudyInstanceUID=study, SeriesInstanceUID=random.choice(series), PatientID=patient)
            for _file in range(40)
        ]
        for _delivery in range(4)
    ]
    shared = make_file(StudyInstanceUID=study, SeriesInstanceUID=series[0], PatientID=patient)
    deliveries = [spool_files(archive, [*batch, shared]) for batch in batches]
    run_at_once([lambda delivery=delivery: services.index_delivery(delivery=delivery) for delivery in deliveries])
    with tenant(archive.organisation):
        one = Study.objects.get()
        assert Patient.objects.count() == 1
        assert one.instance_count == one.instances.count() == 161
        assert one.series_count == one.series.count() == 3
        assert one.size_bytes == sum(one.instances.values_list("size_bytes", flat=True))
        assert sum(one.series.values_list("instance_count", flat=True)) == 161
        counts = [Delivery.objects.get(pk=delivery.pk) for delivery in deliveries]
    assert sum(delivery.stored for delivery in counts) == 161
    assert sum(delivery.duplicate for delivery in counts) == 3


def test_the_same_delivery_indexed_by_several_at_once_is_indexed_once() -> None:
    archive = make_archive()
    delivery = spool_files(archive, make_series(count=60))
    run_at_once([lambda: services.index_delivery(delivery=delivery) for _index in range(4)])
    check(archive, delivery, stored=60)


def test_studies_of_one_patient_in_opposite_orders_do_not_deadlock() -> None:
    archive = make_archive()
    series = {generate_uid(): generate_uid() for _index in range(6)}
    deliveries = []
    for order in (list(series), list(series)[::-1], list(series)):
        files = [
            make_file(StudyInstanceUID=study, SeriesInstanceUID=series[study], PatientID="SAME") for study in order
        ]
        deliveries.append(spool_files(archive, files))
    run_at_once([lambda delivery=delivery: services.index_delivery(delivery=delivery) for delivery in deliveries])
    with tenant(archive.organisation):
        assert Patient.objects.count() == 1
        assert Study.objects.count() == 6
        assert set(Study.objects.values_list("instance_count", flat=True)) == {3}


def run_at_once(calls: list[object]) -> None:
    errors: list[BaseException] = []
    gate = threading.Barrier(len(calls))

    def run(call: object) -> None:
        try:
            gate.wait()
            call()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 -- told to the test's own thread
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
