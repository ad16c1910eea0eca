"""A share opens only as long as the person who answers for it could make it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from access import services
from access.models import RoleGrant, Share, User
from access.sharing import guests
from access.sharing import services as sharing
from access.sharing.queries import is_answered_for
from core.errors import Conflict, Forbidden, NotFound
from core.models import Notification
from core.tenancy import tenant
from tests.access.factories import make_member, make_user
from tests.access.sharing.hospital import Hospital, addresses_of, enter, let_in
from tests.access.test_reasons import signed_in

pytestmark = pytest.mark.django_db


def demoted(hospital: Hospital) -> None:
    services.revoke_role(actor=None, container=hospital.archive, role="manager", user=hospital.manager)


def dismissed(hospital: Hospital) -> None:
    boss = make_member(hospital.organisation, roles=("administrator",))
    services.remove_member(actor=boss, organisation=hospital.organisation, user=hospital.manager)


def suspended(hospital: Hospital) -> None:
    boss = make_member(hospital.organisation, roles=("administrator",))
    services.suspend_member(actor=boss, organisation=hospital.organisation, user=hospital.manager)


def ran_out(hospital: Hospital) -> None:
    with tenant(hospital.organisation):
        RoleGrant.objects.filter(user=hospital.manager, container_role__role="manager").update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )


def closed(hospital: Hospital) -> None:
    User.objects.filter(pk=hospital.manager.pk).update(is_active=False)


ENDINGS = (demoted, dismissed, suspended, ran_out, closed)


@pytest.fixture
def second(hospital: Hospital) -> User:
    """Another manager of the same archive."""
    user = make_member(hospital.organisation)
    services.grant_role(actor=None, container=hospital.archive, role="manager", user=user)
    return user


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_somebody_shared_closes_with_their_right_for_who_is_inside_and_who_comes(
    ending: Any, hospital: Hospital, second: User
) -> None:
    recipient = make_user("ada@elsewhere")
    inside, by_link = let_in(hospital)
    _share, code = hospital.share()
    to_person, _none = hospital.share(audience="person", recipient_login="ada@elsewhere")
    person = signed_in(recipient)
    assert inside.get(hospital.landing(by_link)).status_code == 200
    assert person.get(hospital.landing(to_person)).status_code == 200
    ending(hospital)
    assert inside.get(hospital.landing(by_link)).status_code in (302, 404)
    for address in addresses_of(hospital, hospital.study).values():
        assert inside.get(address).status_code in (302, 401, 404), address
        assert person.get(address).status_code == 404, address
    assert enter(code)[1].status_code == 404
    assert person.get(hospital.landing(to_person))["Location"].endswith("?closed=1")
    assert hospital.landing(to_person) not in person.get(reverse("access:shared-with-me")).content.decode()


def test_a_download_under_way_breaks_off(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    share, _code = hospital.share(mode="download")
    monkeypatch.setattr(guests, "WATCH_SECONDS", 0.0)
    admission = guests.Admission(
        organisation=hospital.organisation, share=loaded(hospital, share), shareable=None, needs="download"
    )  # type: ignore[arg-type]
    stream = guests.watched(iter([b"1", b"2", b"3"]), admission)
    assert next(stream) == b"1"
    demoted(hospital)
    with pytest.raises(guests.ShareClosed):
        list(stream)


def loaded(hospital: Hospital, share: Share) -> Share:
    with tenant(hospital.organisation):
        rows = Share.objects.select_related("organisation", "created_by", "kept_by")
        found: Share = rows.get(pk=share.pk)
        return found


def test_those_who_may_share_are_told_and_one_of_them_keeps_it(hospital: Hospital, second: User) -> None:
    share, code = hospital.share()
    demoted(hospital)
    with tenant(hospital.organisation):
        told = Notification.objects.get(kind="share.paused")
    assert (told.person, told.subject) == (second, share.public_id)
    client = signed_in(second)
    slug = hospital.organisation.slug
    page = client.get(reverse("access:share", kwargs={"organisation": slug, "share": share.public_id})).content.decode()
    assert "may no longer share this" in page
    listed = client.get(reverse("access:share-list", kwargs={"organisation": slug})).content.decode()
    assert "Paused" in listed
    keep = reverse("access:share-keep", kwargs={"organisation": slug, "share": share.public_id})
    for nobody in (hospital.reader, hospital.manager):
        assert signed_in(nobody).post(keep).status_code in (403, 404)
    elsewhere = Hospital()
    _theirs, other_code = elsewhere.share()
    assert signed_in(elsewhere.manager).post(keep).status_code == 404
    assert enter(other_code)[1].status_code == 302, "what another house shared stays open"
    assert enter(code)[1].status_code == 404
    assert client.post(keep).status_code == 302
    assert enter(code)[1].status_code == 302
    # It hangs on the second one's right from now on.
    services.revoke_role(actor=None, container=hospital.archive, role="manager", user=second)
    assert enter(code)[1].status_code == 404
    assert loaded(hospital, share).responsible == second


def test_a_share_opens_again_with_the_right_and_never_after_it_was_taken_back(hospital: Hospital, second: User) -> None:
    share, code = hospital.share()
    demoted(hospital)
    assert not is_answered_for(loaded(hospital, share))
    services.grant_role(actor=None, container=hospital.archive, role="manager", user=hospital.manager)
    assert enter(code)[1].status_code == 302
    with tenant(hospital.organisation):
        sharing.revoke_share(actor=second, share=share)
        with pytest.raises(Conflict):
            sharing.keep_share(actor=second, share=share)
        for nobody, error in ((hospital.reader, Forbidden), (make_user(), NotFound)):
            with pytest.raises(error):
                sharing.keep_share(actor=nobody, share=share)


def test_who_changes_the_end_of_a_share_answers_for_it(hospital: Hospital, second: User) -> None:
    share, code = hospital.share()
    with tenant(hospital.organisation):
        sharing.extend_share(actor=second, share=share, expires_at=timezone.now() + timedelta(days=3))
    demoted(hospital)
    assert enter(code)[1].status_code == 302


def test_a_paused_share_waits_on_the_home_page_of_who_may_keep_it(hospital: Hospital, second: User) -> None:
    share, _code = hospital.share()
    elsewhere = Hospital()
    elsewhere.share()
    officer = make_member(hospital.organisation, roles=("officer",))

    def home(place: Hospital, person: User) -> str:
        address = reverse("core:home", kwargs={"organisation": place.organisation.slug})
        return signed_in(person).get(address).content.decode()

    assert "Paused shares" not in home(hospital, second)
    demoted(hospital)
    page = reverse("access:share", kwargs={"organisation": hospital.organisation.slug, "share": share.public_id})
    assert "Paused shares" in home(hospital, second) and page in home(hospital, second)
    # Those who cannot keep it are asked nothing.
    for person in (hospital.manager, hospital.reader, officer):
        assert "Paused shares" not in home(hospital, person)
    assert "Paused shares" not in home(elsewhere, elsewhere.manager)
    signed_in(second).post(
        reverse("access:share-keep", kwargs={"organisation": hospital.organisation.slug, "share": share.public_id})
    )
    assert "Paused shares" not in home(hospital, second)
