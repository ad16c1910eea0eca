"""When a share is closed: expired, taken back, used up, guessed at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from access.models import Share, ShareVisit
from access.sharing import guests
from access.sharing import services as sharing
from access.sharing.errors import LinkClosed
from core.tenancy import all_tenants, tenant
from pacsweb.settings import base
from tests.access.sharing.hospital import Hospital, addresses_of, enter, let_in

pytestmark = pytest.mark.django_db
PASSWORD = "seven little words"


def refusals(code: str) -> tuple[int, bytes]:
    _client, answer = enter(code)
    return answer.status_code, b"".join(line for line in answer.content.splitlines() if b"csrf" not in line.lower())


def test_wrong_expired_revoked_and_used_up_links_get_the_same_answer(hospital: Hospital) -> None:
    expired, expired_code = hospital.share()
    revoked, revoked_code = hospital.share()
    _spent, spent_code = hospital.share(max_visits=1)
    other_house = Hospital("people")
    assert enter(spent_code)[1].status_code == 302
    with all_tenants():
        Share.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with tenant(hospital.organisation):
        sharing.revoke_share(actor=hospital.manager, share=revoked)
    slug = hospital.organisation.slug
    secret = revoked_code.partition(".")[2]
    wrong = [
        f"{slug}.x",
        f"{slug}.",
        "x",
        "",
        ".",
        f"nowhere.{secret}",
        f"{other_house.organisation.slug}.{secret}",
        "x" * 10_000,
        f"{slug}.\x00",
        secret,
    ]
    found = {refusals(code) for code in (expired_code, revoked_code, spent_code, *wrong)}
    assert len(found) == 1
    assert next(iter(found))[0] == 404


def test_each_browser_uses_one_visit_and_only_the_first_time(hospital: Hospital) -> None:
    share, code = hospital.share(max_visits=2)
    first, _answer = enter(code)
    assert enter(code, client=first)[1].status_code == 302
    assert enter(code)[1].status_code == 302
    assert enter(code)[1].status_code == 404
    # Who is inside stays inside.
    assert first.get(hospital.landing(share)).status_code == 200
    with all_tenants():
        assert Share.objects.get(pk=share.pk).visit_count == 2
        assert ShareVisit.objects.filter(share=share).count() == 2


@pytest.mark.parametrize("how", ["revoked", "expired", "policy", "old visit"])
def test_an_open_session_ends_with_the_next_request(hospital: Hospital, how: str) -> None:
    client, share = let_in(hospital)
    frame = addresses_of(hospital, hospital.study)["frame"]
    assert client.get(frame).status_code == 200
    with tenant(hospital.organisation):
        if how == "revoked":
            sharing.revoke_share(actor=hospital.manager, share=share)
        elif how == "expired":
            Share.objects.filter(pk=share.pk).update(expires_at=timezone.now())
        elif how == "policy":
            hospital.allow("people")
        else:
            ShareVisit.objects.filter(share=share).update(started_at=timezone.now() - guests.VISIT_LENGTH)
    assert client.get(frame).status_code in (401, 404)
    page = client.get(hospital.landing(share))
    assert (page.status_code, page["Location"]) == (302, "/shared/?closed=1")


def test_a_download_breaks_off_when_the_share_is_taken_back(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "WATCH_SECONDS", 0.0)
    client, share = let_in(hospital, mode="download")
    stream = iter(client.get(hospital.landing(share) + "download/").streaming_content)
    assert next(stream)
    with tenant(hospital.organisation):
        sharing.revoke_share(actor=hospital.manager, share=share)
    with pytest.raises(guests.ShareClosed):
        list(stream)


def test_a_password_is_asked_and_guessing_it_is_slowed(hospital: Hospital, settings: Any) -> None:
    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS
    share, code = hospital.share(password=PASSWORD)
    assert share.password.startswith("argon2")
    assert enter(code)[1].status_code == 422
    for _attempt in range(sharing.FAILURES_PER_LINK):
        assert enter(code, "wrong password")[1].status_code == 422
    assert enter(code, PASSWORD)[1].status_code == 429
    with all_tenants():
        assert Share.objects.get(pk=share.pk).visit_count == 0


def test_the_right_password_opens(hospital: Hospital) -> None:
    let_in(hospital, password=PASSWORD)


def test_guessing_links_is_slowed_by_address(hospital: Hospital) -> None:
    for _attempt in range(sharing.FAILURES_PER_ADDRESS):
        enter(f"{hospital.organisation.slug}.guess")
    _share, code = hospital.share()
    assert enter(code)[1].status_code == 429


def test_the_session_of_a_guest_is_a_new_one(hospital: Hospital) -> None:
    _share, code = hospital.share()
    client = Client()
    session = client.session
    session["planted"] = 1
    session.save()
    before = session.session_key
    enter(code, client=client)
    assert client.session.session_key != before


def test_the_secret_of_a_link_is_kept_nowhere(hospital: Hospital, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client, share = let_in(hospital, password=PASSWORD)
    _other, code = hospital.share()
    enter(code, client=client)
    secret = code.partition(".")[2]
    assert len(secret) >= 43
    client.get(hospital.landing(share))
    with connection.cursor() as cursor, all_tenants():
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{secret}%"])  # noqa: S608
            assert cursor.fetchone() == (0,), table
    assert secret not in caplog.text
    assert PASSWORD not in caplog.text


def test_an_unknown_code_raises_link_closed_for_the_service_too(hospital: Hospital, rf: Any) -> None:
    request = rf.post("/shared/")
    request.user = hospital.member
    with pytest.raises(LinkClosed):
        sharing.enter_link(request=request, code="nowhere.at-all")
