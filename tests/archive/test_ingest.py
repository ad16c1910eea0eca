from __future__ import annotations

import pytest

from archive import services, spool
from archive.models import Delivery, Instance, Patient, Series, Study
from archive.storage import storage
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive, make_series

pytestmark = pytest.mark.django_db


def test_a_series_is_stored_with_right_counts_and_the_spool_is_empty_afterwards() -> None:
    archive = make_archive()
    files = make_series(count=5)
    delivery, outcomes = deliver(archive, files)
    assert [outcome.status for outcome in outcomes] == ["stored"] * 5
    assert delivery.state == Delivery.State.INDEXED
    assert (delivery.received, delivery.stored, delivery.refused) == (5, 5, 0)
    with tenant(archive.organisation):
        study = Study.objects.get()
        assert (study.series_count, study.instance_count, study.modalities) == (1, 5, ["MR"])
        assert study.size_bytes == sum(map(len, files))
        assert Series.objects.get().instance_count == 5
        for instance, content in zip(Instance.objects.order_by("pk"), files, strict=True):
            with storage().open(instance.storage_key) as stored:
                assert stored.read() == content
    assert not spool.folder_of(delivery.pk).exists()


def test_the_same_files_again_are_duplicates_and_change_nothing() -> None:
    archive = make_archive()
    files = make_series(count=3)
    deliver(archive, files)
    delivery, outcomes = deliver(archive, files)
    assert {outcome.status for outcome in outcomes} == {"duplicate"}
    assert delivery.duplicate == 3
    with tenant(archive.organisation):
        assert Study.objects.get().instance_count == 3
        assert Patient.objects.count() == 1


def test_a_file_of_which_nobody_knows_what_became_is_no_success() -> None:
    """Another process took it from the spool, and it stands neither in the index nor in the quarantine."""
    delivery = services.open_delivery(archive=make_archive(), source=Delivery.Source.STOW)
    (outcome,) = services.index_delivery(delivery=delivery, only=["0000000000000001-0123abcd"])
    assert not outcome.is_success and not outcome.is_stored
    assert (outcome.status, outcome.code, outcome.dicom_status) == ("refused", "outcome-unknown", 0x0110)
