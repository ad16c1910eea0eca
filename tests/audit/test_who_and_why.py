"""A row says who it was as well as is known, and one role reads the same whatever door somebody came by."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access import services as access
from access.models import Organisation, User
from access.services import joining
from archive.models import Archive
from audit import queries, services
from audit.models import Event
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.access.sharing.hospital import Hospital, addresses_of, enter
from tests.access.test_invitations import ADDRESS, follow, sent
from tests.archive.factories import make_archive
from tests.dimse.factories import running_listener, send
from tests.dimse.test_storing import prepared
from tests.practice.test_reads import read
from tests.teaching.factories import make_case, make_house, publish

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def events(organisation: Organisation, **narrowed: Any) -> list[Event]:
    with tenant(organisation):
        return list(Event.objects.filter(organisation=organisation, **narrowed).select_related("organisation"))


# Role or reason --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["manager", "reader"])
def test_a_role_on_an_archive_reads_the_same_by_every_door(role: str) -> None:
    hospital, _other = Hospital(), Hospital()
    person: User = getattr(hospital, role)
    slug, study = hospital.organisation.slug, hospital.study
    page = signed_in(person)
    there = {"organisation": slug, "archive": hospital.archive.slug}
    manifest = reverse("viewer:study", kwargs={"organisation": slug, "study": study.public_id}) + "?format=json"
    _token, secret = access.create_token(user=person, name="script", scopes=["read", "dicomweb"])
    token = {"Authorization": f"Bearer {secret}", "Accept": "application/dicom+json"}
    assert page.get(reverse("archive:study", kwargs=there | {"study": study.public_id})).status_code == 200
    assert page.get(manifest).status_code == 200
    assert page.get(addresses_of(hospital, study)["frame"]).status_code == 200
    assert Client().get(addresses_of(hospital, study)["metadata"], headers=token).status_code == 200
    told = events(hospital.organisation, actor=person, studies__contains=[study.public_id])
    assert {"study.opened", "viewer.opened", "series.viewed", "study.transferred"} <= {one.action for one in told}
    assert {one.explained_by for one in told} == {f"{role} of archive {hospital.archive}"}


def test_a_role_on_a_library_or_course_reads_the_same_for_all_that_hangs_on_it() -> None:
    house, _other = make_house(), make_house()
    case = make_case(house)
    place = {"organisation": house.organisation.slug, "case": case.public_id}
    assert signed_in(house.educator).get(reverse("teaching:case-edit", kwargs=place)).status_code == 200
    told = events(house.organisation, actor=house.educator, target_kind="teaching.case")
    assert {"case.created", "case.changed", "viewer.opened", "case.viewed"} <= {one.action for one in told}
    assert {one.explained_by for one in told} == {"editor of library Library"}


def test_a_read_is_a_learners_by_their_role_on_the_course_and_an_editors_by_theirs() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = read(house, version)
    place = {"organisation": house.organisation.slug, "attempt": attempt.public_id}
    assert signed_in(house.educator).get(reverse("practice:attempt", kwargs=place)).status_code == 200
    begun = events(house.organisation, actor=house.learner, target_kind="practice.attempt")
    assert begun
    assert {one.explained_by for one in begun} == {"learner of course Course"}
    opened = events(house.organisation, actor=house.educator, action="viewer.opened", target_id=attempt.public_id)
    assert {one.explained_by for one in opened} == {"editor of library Library"}


def test_who_has_no_role_where_it_happened_is_a_member_of_the_organisation() -> None:
    archive: Archive = make_archive()
    person = make_member(archive.organisation)
    event = services.record(
        action="study.opened", organisation=archive.organisation, actor=person, target=archive, outcome="refused"
    )
    assert event.explained_by == f"member of organisation {archive.organisation}"


# Who it was --------------------------------------------------------------------------------------------------------------


def test_who_accepts_an_invitation_is_named_by_the_account_they_made() -> None:
    hospital, other = make_organisation("hospital"), make_organisation("other")
    inviter = make_member(hospital, username="inviter@hospital", roles=("administrator",))
    assert follow(sent(inviter, hospital, role="officer").letter_url).status_code == 302
    joined = events(hospital, target_id=str(User.objects.get(username="ada@hospital").pk))
    by_action = {one.action: one for one in joined}
    for action in ("membership.joined", "role.received"):
        event = by_action[action]
        assert event.actor_label == "holder of the invitation for ada@hospital"
        assert event.explained_by == "an invitation"
        assert queries.plain_sentence(event).startswith("ada@hospital ")
        assert queries.plain_sentence(event).endswith("by an invitation of inviter@hospital")
    assert not [one for one in joined if "not signed in" in queries.plain_sentence(one)]
    # The trail names people by their accounts, never by an address.
    assert ADDRESS not in str([(one.actor_label, one.search) for one in joined])
    assert not events(other, actor_label__contains="ada")


def test_a_member_of_elsewhere_who_accepts_an_invitation_is_named_by_their_account() -> None:
    hospital = make_organisation("hospital")
    inviter = make_member(hospital, username="inviter@hospital", roles=("administrator",))
    person = make_member(make_organisation("other"), username="bo@other")
    link = sent(inviter, hospital, role="officer")
    joining.accept(digest=link.invitation.digest, user=person)
    assert {one.actor_label for one in events(hospital, action="invitation.accepted")} == {"bo@other"}


@pytest.mark.django_db(transaction=True)
def test_a_sender_of_images_is_named_by_its_ae_title_and_address() -> None:
    archive, other = make_archive(ae_title="HERE"), make_archive(ae_title="THERE")
    with running_listener() as port:
        send(port, [prepared()], called="HERE", calling="MODALITY1")
    told = events(archive.organisation, door="dimse")
    assert {"delivery.opened", "association.ended"} <= {one.action for one in told}
    assert {one.actor_label for one in told} == {"AE title MODALITY1 from 127.0.0.1"}
    assert {one.explained_by for one in told} == {f"AE title MODALITY1, allowed by archive {archive}"}
    opened = next(one for one in told if one.action == "delivery.opened")
    assert queries.plain_sentence(opened).startswith("AE title MODALITY1 from 127.0.0.1 ")
    assert not events(other.organisation, door="dimse")


def test_who_tries_the_password_of_a_share_is_named_by_its_link() -> None:
    hospital = Hospital()
    share, code = hospital.share(password="correct horse battery staple")
    assert enter(code, "wrong password")[1].status_code == 422
    [event] = events(hospital.organisation, action="share.refused")
    assert event.actor_label == f"holder of the link to share {share.public_id}"


def test_who_fails_to_sign_in_is_told_by_the_account_they_tried() -> None:
    organisation = make_organisation()
    person = make_member(organisation)
    Client().post("/accounts/sign-in/", {"username": person.username, "password": "wrong"})
    [event] = events(organisation, action="session.refused")
    assert (event.actor, event.actor_label) == (None, f"somebody signing in as {person.username}")


def test_roles_that_single_sign_on_gives_are_told_as_its_own() -> None:
    organisation = make_organisation()
    person = make_member(organisation)
    event = services.record(
        action="role.granted",
        organisation=organisation,
        target=person,
        target_label=person.username,
        detail={"role": "officer", "source": "sso:7"},
        address="203.0.113.9",
    )
    assert event.actor_label.startswith("Single sign-on")
    assert "not signed in" not in queries.plain_sentence(event)


def test_of_whom_nothing_is_known_it_is_said_so() -> None:
    organisation = make_organisation()
    event = services.record(
        action="organisation.changed", organisation=organisation, target=organisation, address="203.0.113.9"
    )
    assert (event.actor_label, queries.plain_sentence(event).partition(" changed")[0]) == ("", "Somebody not signed in")
    with all_tenants():
        ours = services.record(action="organisation.changed", organisation=organisation, target=organisation)
    assert queries.plain_sentence(ours).startswith("The installation ")
