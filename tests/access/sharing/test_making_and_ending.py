"""Who may make, list, extend and end shares, within what the organisation allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access import services
from access.models import Share
from access.sharing import services as sharing
from access.sharing.errors import SharingOff
from audit.models import Event
from core.errors import Forbidden, Invalid, NotFound
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.access.sharing.hospital import Hospital, enter

pytestmark = pytest.mark.django_db


def test_only_those_who_may_share_from_the_container_share(hospital: Hospital) -> None:
    stranger = make_member(make_organisation(), roles=("administrator",))
    values = {"audience": "link", "recipient_name": "A", "purpose": "B"}
    for actor, error in ((hospital.reader, Forbidden), (hospital.member, Forbidden), (stranger, NotFound)):
        with tenant(hospital.organisation), pytest.raises(error):
            sharing.create_share(actor=actor, kind="study", thing=hospital.study.public_id, **values)
    page = f"/o/{hospital.organisation.slug}/sharing/new/study/{hospital.study.public_id}/"
    for user, status in ((hospital.manager, 200), (hospital.reader, 403), (stranger, 404)):
        client = Client()
        client.force_login(user)
        assert client.get(page).status_code == status
    client = Client()
    client.force_login(hospital.manager)
    assert client.get(page.replace("/study/", "/nothing/")).status_code == 404
    assert client.get(page.replace(hospital.study.public_id, "aaaaaaaaaaaa")).status_code == 404


@pytest.mark.parametrize(("rule", "audience"), [("none", "person"), ("none", "link"), ("people", "link")])
def test_what_the_organisation_does_not_allow_cannot_be_shared(rule: str, audience: str) -> None:
    house = Hospital(rule)
    with pytest.raises(SharingOff):
        house.share(audience=audience, recipient_login="x@elsewhere")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"recipient_name": " "}, "recipient_name"),
        ({"purpose": ""}, "purpose"),
        ({"audience": "everybody"}, "audience"),
        ({"mode": "own"}, "audience"),
        ({"password": "short"}, "password"),
        ({"max_visits": 0}, "max_visits"),
        ({"max_visits": 10_001}, "max_visits"),
        ({"audience": "person"}, "recipient_login"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expires_at"),
        ({"expires_at": timezone.now() + timedelta(days=400)}, "expires_at"),
    ],
)
def test_what_makes_no_sense_is_refused(hospital: Hospital, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        hospital.share(**changes)
    assert field in refusal.value.fields


def test_a_member_is_given_a_role_instead(hospital: Hospital) -> None:
    with pytest.raises(Invalid) as refusal:
        hospital.share(audience="person", recipient_login=hospital.member.username)
    assert "recipient_login" in refusal.value.fields


def test_the_link_is_shown_once(hospital: Hospital) -> None:
    client = Client()
    client.force_login(hospital.manager)
    page = f"/o/{hospital.organisation.slug}/sharing/new/study/{hospital.study.public_id}/"
    form = {
        "audience": "link",
        "recipient_name": "Dr. Guest",
        "purpose": "Opinion",
        "mode": "view",
        "until": (timezone.localdate() + timedelta(days=3)).isoformat(),
    }
    made = client.post(page, form).content.decode()
    assert f"/shared/#{hospital.organisation.slug}." in made
    with tenant(hospital.organisation):
        share = Share.objects.get()
    again = client.get(f"/o/{hospital.organisation.slug}/sharing/{share.public_id}/").content.decode()
    assert "/shared/#" not in again
    assert "Dr. Guest" in again


def test_lists_hold_what_one_may_see(hospital: Hospital) -> None:
    elsewhere = Hospital()
    share, _code = hospital.share(recipient_name="Named Recipient")
    elsewhere.share(recipient_name="Recipient of others")
    page = f"/o/{hospital.organisation.slug}/sharing/"
    for user, status in (
        (hospital.manager, 200),
        (hospital.officer, 200),
        (hospital.reader, 403),
        (elsewhere.manager, 404),
    ):
        client = Client()
        client.force_login(user)
        answer = client.get(page)
        assert answer.status_code == status
        assert client.get(f"{page}{share.public_id}/").status_code == (404 if status == 403 else status)
        if status == 200:
            assert "Named Recipient" in answer.content.decode()
            assert "Recipient of others" not in answer.content.decode()
    with tenant(hospital.organisation):
        second = Hospital._with_role(hospital, "manager")
        assert second != hospital.manager
    client = Client()
    client.force_login(second)
    assert "Named Recipient" in client.get(page).content.decode()
    assert "Named Recipient" not in client.get(f"{page}?whose=mine").content.decode()


def test_who_may_end_and_who_may_extend(hospital: Hospital) -> None:
    share, _code = hospital.share()
    later = timezone.now() + timedelta(days=30)
    with tenant(hospital.organisation):
        for actor in (hospital.reader, hospital.officer):
            with pytest.raises(Forbidden):
                sharing.revoke_share(actor=actor, share=share)
            with pytest.raises(Forbidden):
                sharing.extend_share(actor=actor, share=share, expires_at=later)
        sharing.extend_share(actor=hospital.manager, share=share, expires_at=later)
        share.refresh_from_db()
        assert share.expires_at == later
        with pytest.raises(Invalid):
            sharing.extend_share(actor=hospital.manager, share=share, expires_at=timezone.now() + timedelta(days=400))
        # Without the role the maker still ends what is his, but no longer prolongs it.
        services.revoke_role(actor=None, container=hospital.archive, role="manager", user=hospital.manager)
        with pytest.raises(Forbidden):
            sharing.extend_share(actor=hospital.manager, share=share, expires_at=later)
        sharing.revoke_share(actor=hospital.manager, share=share)
        sharing.revoke_share(actor=hospital.manager, share=share)
        assert Event.objects.filter(action="share.revoked", target_id=share.public_id).count() == 1


def test_doors_of_members_take_back_and_extend(hospital: Hospital) -> None:
    share, code = hospital.share()
    client = Client()
    client.force_login(hospital.manager)
    page = f"/o/{hospital.organisation.slug}/sharing/{share.public_id}/"
    until = (timezone.localdate() + timedelta(days=5)).isoformat()
    assert client.post(page + "extend/", {"until": until}).status_code == 302
    assert client.post(page + "extend/", {"until": "2001-01-01"}).status_code == 422
    assert client.post(page + "revoke/").status_code == 302
    assert client.post(page + "extend/", {"until": until}).status_code == 409
    assert enter(code)[1].status_code == 404


def test_the_policy_page_is_for_administrators(hospital: Hospital) -> None:
    administrator = make_member(hospital.organisation, roles=("administrator",))
    page = f"/o/{hospital.organisation.slug}/admin/guests/"
    form = {
        "sharing": "people",
        "share_days_default": 7,
        "share_days_maximum": 30,
        "break_glass": "on",
        "break_glass_minutes": 30,
    }
    client = Client()
    client.force_login(hospital.manager)
    assert client.post(page, form).status_code == 403
    client.force_login(administrator)
    assert client.get(page).status_code == 200
    assert client.post(page, form | {"share_days_default": 31}).status_code == 422
    assert client.post(page, form | {"break_glass_minutes": 4}).status_code == 422
    assert client.post(page, form).status_code == 302
    with pytest.raises(SharingOff):
        hospital.share()
