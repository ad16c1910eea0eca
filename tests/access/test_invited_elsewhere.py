"""An invitation opened by an account that it was not sent to, or that an administrator has closed the organisation to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access import services
from access.errors import MemberSuspended
from access.models import Invitation, Organisation, User
from access.queries import has_membership
from access.services import joining
from audit.models import Event
from audit.queries import plain_sentence
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, username="boss@hospital", roles=("administrator",))


def opened_by(user: User, administrator: User, hospital: Organisation, *, email: str = "ada@example.org") -> Client:
    link = joining.invite(
        actor=administrator,
        organisation=hospital,
        email=email,
        roles=[f"access.organisation:{hospital.pk}:officer"],
    )
    client = Client()
    client.force_login(user)
    client.get(re.sub(r"^https?://[^/]+", "", link.letter_url))
    return client


def told(hospital: Organisation, user: User) -> dict[str, Event]:
    with tenant(hospital):
        return {event.action: event for event in Event.objects.filter(target_id=str(user.pk))}


def test_a_suspended_member_stays_suspended_and_the_invitation_waits(
    hospital: Organisation, administrator: User
) -> None:
    person = make_member(hospital, username="out@hospital")
    services.suspend_member(actor=administrator, organisation=hospital, user=person)
    client = opened_by(person, administrator, hospital)
    page = client.get(reverse("access:invitation")).content.decode()
    assert "is suspended" in page
    assert "Join as" not in page
    answer: Any = client.post(reverse("access:invitation"), follow=True)
    assert "is suspended" in answer.content.decode()
    assert not has_membership(user=person, organisation=hospital)
    with tenant(hospital):
        assert Invitation.objects.get().accepted_at is None
    assert not {"membership.renewed", "membership.joined", "role.received"} & set(told(hospital, person))
    services.restore_member(actor=administrator, organisation=hospital, user=person)
    client.post(reverse("access:invitation"))
    assert "role.received" in told(hospital, person)


def test_no_way_but_the_end_of_a_suspension_lets_somebody_in_again(hospital: Organisation, administrator: User) -> None:
    person = make_member(hospital, username="out@hospital")
    services.suspend_member(actor=administrator, organisation=hospital, user=person)
    with pytest.raises(MemberSuspended):
        services.add_member(actor=administrator, organisation=hospital, user=person)
    assert not has_membership(user=person, organisation=hospital)


def test_an_account_with_another_address_is_told_so_and_named_in_the_list(
    hospital: Organisation, administrator: User
) -> None:
    stranger = make_member(make_organisation("other"), username="bo@other")
    client = opened_by(stranger, administrator, hospital)
    page = client.get(reverse("access:invitation")).content.decode()
    assert "was sent to ada@example.org" in page
    client.post(reverse("access:invitation"))
    with tenant(hospital):
        accepted = Event.objects.get(action="invitation.accepted")
    assert accepted.detail["is_own_address"] is False
    boss = Client()
    boss.force_login(administrator)
    listed = boss.get(reverse("access:invitations", kwargs={"organisation": "hospital"})).content.decode()
    assert "by bo@other" in listed


def test_who_has_the_address_is_not_warned(hospital: Organisation, administrator: User) -> None:
    person = make_member(make_organisation("other"), username="ada@other")
    person.email = "Ada@example.org"
    person.save()
    page = opened_by(person, administrator, hospital).get(reverse("access:invitation")).content.decode()
    assert "Join as ada@other" in page
    assert "was sent to" not in page


def test_the_trail_names_who_invited_and_tells_nothing_that_did_not_happen(
    hospital: Organisation, administrator: User
) -> None:
    member = make_member(hospital, username="here@hospital")
    opened_by(member, administrator, hospital).post(reverse("access:invitation"))
    events = told(hospital, member)
    assert "membership.joined" not in events
    assert "membership.renewed" not in events
    sentence = plain_sentence(events["role.received"])
    assert "here@hospital received the role" in sentence
    assert sentence.endswith("by an invitation of boss@hospital")
    newcomer = make_member(make_organisation("other"), username="bo@other")
    opened_by(newcomer, administrator, hospital, email="bo@example.org").post(reverse("access:invitation"))
    joined = plain_sentence(told(hospital, newcomer)["membership.joined"])
    assert joined == "bo@other joined the organisation by an invitation of boss@hospital"
