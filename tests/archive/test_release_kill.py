"""A release from quarantine whose process dies: the file is in one place afterwards, and the trail says which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from archive import spool, tasks
from archive.models import Delivery, Instance, QuarantinedFile
from archive.services import quarantine, sweep
from archive.storage import storage
from audit.models import Event
from core.errors import Conflict
from core.tenancy import all_tenants, tenant
from tests.archive.factories import deliver, make_file
from tests.archive.test_intake import CLEAN, House, held, make_house, stored

pytestmark = pytest.mark.django_db(transaction=True)

RELEASER = """
import os, sys
import django
django.setup()
from access.models import User
from archive.models import QuarantinedFile
from archive.services import quarantine
from core.tenancy import all_tenants

def die(*arguments, **named):
    os._exit(9)

setattr(quarantine, sys.argv[3], die)
with all_tenants():
    file = QuarantinedFile.objects.select_related("archive__organisation", "organisation", "delivery").get(pk=sys.argv[1])
    actor = User.objects.get(pk=sys.argv[2])
quarantine.release(actor=actor, file=file, reason="A disease")
"""


def release_and_die(house: House, file: QuarantinedFile, *, before: str) -> None:
    """A release in a process of its own that ends without a word before the named step."""
    parts = connection.settings_dict
    url = (
        f"postgresql://{quote(parts['USER'], safe='')}:{quote(parts['PASSWORD'], safe='')}"
        f"@{quote(parts['HOST'], safe='')}:{parts['PORT']}/{parts['NAME']}"
    )
    died = subprocess.run(
        [sys.executable, "-c", RELEASER, str(file.pk), str(house.manager.pk), before],
        env=os.environ | {"DATABASE_URL": url, "PACSWEB_DATA": str(settings.DATA_DIR)},
        cwd=Path(__file__).resolve().parents[2],
        check=False,
        timeout=120,
    )
    assert died.returncode == 9


def sweep_releases() -> None:
    with all_tenants():
        wanted = sweep.unfinished_releases()
    for organisation_id, file_id in wanted:
        tasks.finish_release(organisation_id=organisation_id, file_id=file_id)


def held_file(house: House) -> QuarantinedFile:
    deliver(house.archive, [make_file(**{**CLEAN, "StudyDescription": "Knee Osgood"})], actor=house.sender)
    (file,) = held(house.archive)
    return file


def outcomes(house: House) -> list[str]:
    with tenant(house.organisation):
        rows = Event.objects.filter(action="quarantine.finding_overruled").order_by("pk")
        return list(rows.values_list("outcome", flat=True))


@pytest.mark.parametrize(
    ("before", "is_in"),
    [
        ("open_release", False),
        ("write_one", False),
        ("index_delivery", True),
        ("close_delivery", True),
        ("_conclude", True),
    ],
)
def test_a_release_that_dies_leaves_the_file_in_one_place(before: str, is_in: bool) -> None:
    house, other = make_house(), make_house()
    file, untouched = held_file(house), held_file(other)
    release_and_die(house, file, before=before)
    assert held(house.archive)[0].state == QuarantinedFile.State.RELEASING
    for _time in range(2):
        sweep_releases()
        (row,) = held(house.archive)
        assert row.state == (QuarantinedFile.State.RELEASED if is_in else QuarantinedFile.State.KEPT)
        assert stored(house.archive) == ([file.sop_instance_uid] if is_in else [])
        assert storage().exists(file.storage_key) is not is_in
        assert outcomes(house) == (["success"] if is_in else ["success", "failed"])
    with tenant(house.organisation):
        assert not Delivery.objects.exclude(state=Delivery.State.INDEXED).exists()
        assert all(spool.whole_files(delivery.pk) == [] for delivery in Delivery.objects.all())
    if not is_in:
        quarantine.release(actor=house.manager, file=row, reason="A disease")
        assert stored(house.archive) == [file.sop_instance_uid]
    assert [one.pk for one in held(other.archive)] == [untouched.pk]
    assert held(other.archive)[0].state == QuarantinedFile.State.KEPT


def test_a_release_in_good_hands_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house()
    file = held_file(house)
    index, seen = quarantine.index_delivery, []

    def watched(**named: object) -> object:
        # Another process sweeps, and another person decides, while this one is at it.
        with connection.copy().cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [quarantine.LOCK_NAMESPACE, file.pk])
            seen.append(cursor.fetchone()[0])
            cursor.connection.close()
        with pytest.raises(Conflict):
            quarantine.discard(actor=house.manager, file=file)
        return index(**named)

    monkeypatch.setattr(quarantine, "index_delivery", watched)
    quarantine.release(actor=house.manager, file=file, reason="A disease")
    assert seen
    assert not any(seen)
    with tenant(house.organisation):
        assert Instance.objects.filter(archive=house.archive).count() == 1


def test_a_fault_after_the_spool_is_left_to_the_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house()
    file = held_file(house)

    def broken(**_named: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broke:
        broke.setattr(quarantine, "index_delivery", broken)
        with pytest.raises(RuntimeError):
            quarantine.release(actor=house.manager, file=file, reason="A disease")
    assert held(house.archive)[0].state == QuarantinedFile.State.RELEASING
    sweep_releases()
    assert held(house.archive)[0].state == QuarantinedFile.State.RELEASED
    assert stored(house.archive) == [file.sop_instance_uid]
