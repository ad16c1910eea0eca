"""Every use of a share is in the trail."""

from __future__ import annotations

import pytest

from access.sharing import services as sharing
from audit.models import Event
from core.tenancy import all_tenants, tenant
from tests.access.sharing.hospital import Hospital, addresses_of, enter, let_in

pytestmark = pytest.mark.django_db


def test_every_use_is_in_the_trail_and_says_by_which_share(hospital: Hospital) -> None:
    client, share = let_in(hospital)
    client.get(hospital.landing(share))
    client.get(addresses_of(hospital, hospital.study)["frame"])
    with all_tenants():
        opened = Event.objects.get(action="share.opened", target_id=share.public_id)
        assert opened.detail["recipient"] == "Dr. Guest, Elsewhere"
        assert opened.address == "127.0.0.1"
        viewed = Event.objects.get(action="series.viewed", organisation=hospital.organisation)
        assert viewed.explained_by == f"share {share.public_id}"
        assert viewed.actor is None
        assert viewed.actor_label == f"guest by share {share.public_id}"


def test_a_second_share_of_the_same_study_is_seen_anew(hospital: Hospital) -> None:
    client, first = let_in(hospital)
    frame = addresses_of(hospital, hospital.study)["frame"]
    client.get(frame)
    with tenant(hospital.organisation):
        sharing.revoke_share(actor=hospital.manager, share=first)
    second, code = hospital.share()
    enter(code, client=client)
    client.get(frame)
    with all_tenants():
        reasons = Event.objects.filter(action="series.viewed").values_list("explained_by", flat=True)
        assert set(reasons) == {f"share {first.public_id}", f"share {second.public_id}"}
