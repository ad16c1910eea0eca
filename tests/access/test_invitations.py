"""What an invitation proves, who answers for it, and when it ends."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access import queries, services
from access.models import Invitation, Membership, Organisation, RoleGrant, User
from access.services import joining
from access.services.invitation_links import Link
from access.sharing.services import find_person
from core.errors import Conflict
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.access.sharing.hospital import Hospital
from tests.access.test_reasons import signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
ADDRESS = "ada@example.org"


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def chief(hospital: Organisation) -> User:
    """The administrator who stays."""
    return make_member(hospital, username="chief@hospital", roles=("administrator",))


@pytest.fixture
def inviter(hospital: Organisation) -> User:
    return make_member(hospital, username="inviter@hospital", roles=("administrator",))


def sent(inviter: User, hospital: Organisation, *, email: str = ADDRESS, role: str = "administrator") -> Link:
    return joining.invite(
        actor=inviter, organisation=hospital, email=email, roles=[f"access.organisation:{hospital.pk}:{role}"]
    )


def path_of(url: str) -> str:
    return re.sub(r"^https?://[^/]+", "", url)


def follow(url: str, client: Client | None = None, *, name: str = "ada") -> Any:
    """Open a link and ask for an account."""
    client = client or Client()
    client.get(path_of(url))
    return client.post(
        reverse("access:invitation"), {"name": name, "display_name": "Ada", "password": PASSWORD, "again": PASSWORD}
    )


def kept(hospital: Organisation) -> Invitation:
    with tenant(hospital):
        found: Invitation = Invitation.objects.select_related("organisation", "invited_by").get()
        return found


# What proves an address ------------------------------------------------------------------------------------------------


def test_the_link_of_the_letter_proves_the_address(hospital: Organisation, inviter: User) -> None:
    assert follow(sent(inviter, hospital).letter_url).status_code == 302
    assert find_person(ADDRESS) == User.objects.get(username="ada@hospital")


def test_the_link_shown_to_the_inviter_proves_no_address(
    hospital: Organisation, inviter: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        link = sent(inviter, hospital)
        assert follow(link.url).status_code == 302
    user = User.objects.get(username="ada@hospital")
    assert queries.is_member(user=user, organisation=hospital)
    assert find_person(ADDRESS) is None
    assert not EmailAddress.objects.filter(user=user, verified=True).exists()
    # The owner of the mailbox can prove it by a letter of their own.
    assert EmailAddress.objects.filter(user=user, email=ADDRESS, verified=False).exists()


def test_the_page_and_the_letter_hold_different_links(
    hospital: Organisation, inviter: User, django_capture_on_commit_callbacks: Any
) -> None:
    there = reverse("access:invitations", kwargs={"organisation": "hospital"})
    with django_capture_on_commit_callbacks(execute=True):
        page = signed_in(inviter).post(there, {"email": ADDRESS, "days": "14"}).content.decode()
    [shown] = set(re.findall(r"/accounts/invitation/([\w-]{20,})/", page))
    [lettered] = set(re.findall(r"/accounts/invitation/([\w-]{20,})/", mail.outbox[0].body))
    assert shown != lettered
    assert lettered not in page
    # Either joins, once: the one is used up with the other.
    assert follow(f"/accounts/invitation/{shown}/").status_code == 302
    assert follow(f"/accounts/invitation/{lettered}/", name="bo").status_code == 404


def test_a_share_to_an_address_is_not_taken_by_an_administrator_who_invites_it(
    hospital: Organisation, inviter: User
) -> None:
    clinic = Hospital("people")
    share, _code = clinic.share(audience="person", recipient_login=ADDRESS)
    assert follow(sent(inviter, hospital).url).status_code == 302
    thief = signed_in(User.objects.get(username="ada@hospital"))
    assert share.label not in thief.get(reverse("access:shared-with-me")).content.decode()
    assert thief.get(clinic.landing(share)).status_code == 404
    # Its owner, who reads the letters that come to it, gets it.
    owner = make_user()
    EmailAddress.objects.create(user=owner, email=ADDRESS, verified=True, primary=True)
    assert signed_in(owner).get(reverse("access:shared-with-me")).status_code == 200
    assert signed_in(owner).get(clinic.landing(share)).status_code == 200


# Who answers for it ----------------------------------------------------------------------------------------------------


def dismissed(chief: User, hospital: Organisation, inviter: User) -> None:
    services.remove_member(actor=chief, organisation=hospital, user=inviter)


def demoted(chief: User, hospital: Organisation, inviter: User) -> None:
    services.revoke_role(actor=chief, container=hospital, role="administrator", user=inviter)


def suspended(chief: User, hospital: Organisation, inviter: User) -> None:
    services.suspend_member(actor=chief, organisation=hospital, user=inviter)


def left(chief: User, hospital: Organisation, inviter: User) -> None:
    services.leave(user=inviter, organisation=hospital)


def ran_out(chief: User, hospital: Organisation, inviter: User) -> None:
    with tenant(hospital):
        RoleGrant.objects.filter(user=inviter, container_role__role="administrator").update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )


def closed(chief: User, hospital: Organisation, inviter: User) -> None:
    User.objects.filter(pk=inviter.pk).update(is_active=False)


def closed_house(chief: User, hospital: Organisation, inviter: User) -> None:
    root = make_user("root")
    User.objects.filter(pk=root.pk).update(is_installation_administrator=True)
    root.refresh_from_db()
    services.suspend_organisation(actor=root, organisation=hospital, reason="Not paid")
    services.resume_organisation(actor=root, organisation=hospital)


ENDINGS = (dismissed, demoted, suspended, left, ran_out, closed, closed_house)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("which", ["letter_url", "url"])
def test_an_invitation_ends_with_the_right_of_the_inviter(
    ending: Any, which: str, hospital: Organisation, chief: User, inviter: User
) -> None:
    link = sent(inviter, hospital)
    ending(chief, hospital, inviter)
    assert follow(getattr(link, which)).status_code == 404
    assert not User.objects.filter(username="ada@hospital").exists()
    # Nor does an account that is there already come in.
    client = signed_in(inviter if ending is not closed else make_user())
    client.get(path_of(getattr(link, which)))
    assert client.post(reverse("access:invitation")).status_code == 404
    assert kept(hospital).state_at(timezone.now()) == "ended"


def test_an_ended_invitation_does_not_come_back_with_the_right(
    hospital: Organisation, chief: User, inviter: User
) -> None:
    link = sent(inviter, hospital)
    demoted(chief, hospital, inviter)
    services.grant_role(actor=chief, container=hospital, role="administrator", user=inviter)
    assert follow(link.letter_url).status_code == 404


def test_the_list_says_why_an_invitation_ended_and_another_may_send_it_again(
    hospital: Organisation, chief: User, inviter: User
) -> None:
    old = sent(inviter, hospital)
    theirs = sent(make_member(other := make_organisation("other"), roles=("administrator",)), other)
    dismissed(chief, hospital, inviter)
    client = signed_in(chief)
    page = client.get(reverse("access:invitations", kwargs={"organisation": "hospital"}) + "?state=ended")
    assert "may no longer invite people" in page.content.decode()
    with tenant(hospital):
        Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    new = joining.resend(actor=chief, invitation=kept(hospital))
    assert kept(hospital).invited_by == chief
    assert follow(old.letter_url).status_code == 404
    assert follow(new.letter_url).status_code == 302
    # What another organisation sent is untouched.
    assert follow(theirs.letter_url).status_code == 302


def test_an_ended_invitation_does_not_block_a_new_one(hospital: Organisation, chief: User, inviter: User) -> None:
    sent(inviter, hospital)
    dismissed(chief, hospital, inviter)
    with tenant(hospital):
        Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    old = kept(hospital)
    assert follow(sent(chief, hospital).letter_url).status_code == 302
    # With another one waiting for the address, the ended one stays ended.
    sent(chief, hospital, email="bo@example.org")
    with tenant(hospital):
        Invitation.objects.filter(pk=old.pk).update(email="bo@example.org")
        old.refresh_from_db()
    with pytest.raises(Conflict):
        joining.resend(actor=chief, invitation=old)


# Many at once ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_invitation_by_eight_browsers_is_one_account_and_seven_clear_answers() -> None:
    hospital = make_organisation("hospital")
    inviter = make_member(hospital, username="inviter@hospital", roles=("administrator",))
    link = sent(inviter, hospital, role="officer")
    before = User.objects.count()

    def one(number: int) -> tuple[int, str]:
        try:
            answer = follow(link.letter_url if number % 2 else link.url, name=f"ada{number % 3}")
            return answer.status_code, answer.content.decode()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert sorted(status for status, _page in answers) == [302, *[404] * 7]
    assert all("This invitation does not work any more" in page for status, page in answers if status == 404)
    assert User.objects.count() == before + 1
    with tenant(hospital):
        assert Membership.objects.filter(organisation=hospital).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_invitations_that_choose_one_name_at_once_are_one_account_and_one_question() -> None:
    hospital = make_organisation("hospital")
    inviter = make_member(hospital, username="inviter@hospital", roles=("administrator",))
    links = [sent(inviter, hospital, email=f"a{n}@example.org", role="officer") for n in range(4)]

    def one(link: Link) -> int:
        try:
            return int(follow(link.letter_url).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, links)) == [302, 422, 422, 422]
