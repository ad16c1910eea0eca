"""A full quota is refused like a full disk, at the doors of one organisation only."""

from __future__ import annotations

import io

import pytest

from access.models import Organisation
from archive import quota, services
from archive.errors import OutOfSpace, QuotaReached
from archive.models import Delivery
from tests.access.factories import make_organisation
from tests.access.test_reasons import make_archive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ask_anew() -> None:
    quota.forget()


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
