"""What organisations ask of those who sign in: times and a second factor."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from access import services
from access.models import Organisation, User
from access.sign_in import policy
from core.errors import Forbidden, Invalid, NotFound
from tests.access.factories import make_member, make_organisation
from tests.access.sign_in.sessions import signed_in
from tests.access.sign_in.steps import give_app

pytestmark = pytest.mark.django_db


def test_the_strictest_organisation_decides_about_times(member: User, hospital: Organisation) -> None:
    other = make_organisation("strict")
    services.add_member(actor=None, organisation=other, user=member)
    policy.change(actor=None, organisation=hospital, idle_lock_minutes=60, session_hours=20)
    policy.change(actor=None, organisation=other, idle_lock_minutes=5, session_hours=4)
    assert policy.read_times(member) == policy.Times(idle_seconds=300, session_seconds=4 * 3600)


def test_only_who_may_change_the_organisation_changes_its_policy(member: User, hospital: Organisation) -> None:
    stranger = make_member(make_organisation(), roles=("administrator",))
    with pytest.raises(Forbidden):
        policy.change(actor=member, organisation=hospital, mfa_required=True)
    with pytest.raises(NotFound):
        policy.change(actor=stranger, organisation=hospital, mfa_required=True)
    for changes in ({"idle_lock_minutes": 0}, {"session_hours": 1000}):
        with pytest.raises(Invalid):
            policy.change(actor=None, organisation=hospital, **changes)


def test_an_organisation_that_asks_for_a_second_factor_is_entered_only_with_one(
    member: User, hospital: Organisation
) -> None:
    client = signed_in(member)
    policy.change(actor=None, organisation=hospital, mfa_required=True)
    answer = client.get("/o/hospital/jobs/")
    assert answer["Location"] == "/accounts/security/?next=/o/hospital/jobs/"
    assert b"A second factor is needed" in client.get(answer["Location"]).content
    machine = client.get("/o/hospital/dicomweb/clinical/studies")
    assert (machine.status_code, machine.json()["code"]) == (403, "second-factor-needed")
    give_app(member)
    assert client.get("/o/hospital/jobs/").status_code == 200
    other = make_organisation("easy")
    lone = make_member(other)
    services.add_member(actor=None, organisation=hospital, user=lone)
    assert signed_in(lone).get("/o/easy/").status_code == 200


def test_administrators_set_the_rules_of_signing_in_and_nobody_else(hospital: Organisation) -> None:
    there = reverse("access:security-policy", kwargs={"organisation": "hospital"})
    rules = {"mfa_required": "on", "idle_lock_minutes": "5", "session_hours": "8"}
    for person, status in ((make_member(hospital), 403), (make_member(make_organisation("elsewhere")), 404)):
        client = Client()
        client.force_login(person)
        assert client.post(there, rules).status_code == status
    administrator = make_member(hospital, roles=("administrator",))
    client = Client()
    client.force_login(administrator)
    refused = client.post(there, {**rules, "session_hours": "25"})
    assert refused.status_code == 422
    assert not policy.demands_second_factor(organisation=hospital)
    assert client.post(there, rules).status_code == 302
    found = policy.of(hospital)
    assert (found.mfa_required, found.idle_lock_minutes, found.session_hours) == (True, 5, 8)
