"""Sessions: locked, unlocked, listed, ended; proofs for sensitive acts; what organisations ask for."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from access import services, sudo
from access.errors import ProofNeeded
from access.models import Organisation, User
from access.sign_in import factors, policy, sessions
from core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.access.factories import make_member, make_organisation
from tests.access.test_every_route import INSIDE, address
from tests.access.test_sign_in import actions, code_now, give_app

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
LOCKED = "X-PACSWeb-Locked"


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def member(hospital: Organisation) -> User:
    return make_member(hospital, username="member@hospital")


def signed_in(user: User) -> Client:
    client = Client()
    client.post(reverse("access:sign-in"), {"username": user.username, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(user.pk)
    return client


def age(client: Client, *, seconds: int) -> None:
    """As if nobody had touched the session for so long."""
    key = client.session.session_key or ""
    seen, _locked = sessions._keys(key)
    cache.set(seen, int(time.time()) - seconds)


def forget_sign_in(client: Client) -> None:
    """As if the sign-in were longer ago than a proof holds."""
    session = client.session
    session[sessions.BEGUN] -= sudo.VALID_SECONDS + 60
    session.save()


# The lock --------------------------------------------------------------------------------------------------------------


def test_a_locked_session_gets_nothing_from_any_address(member: User, hospital: Organisation) -> None:
    client = signed_in(member)
    assert client.get("/o/hospital/").status_code == 200
    client.post(reverse("access:lock"), headers={"Sec-Fetch-Mode": "cors"})
    for route, converters in INSIDE:
        there = address(route, converters, "hospital")
        for method in (client.get, client.post):
            answer = method(there)
            assert answer.status_code == 423, (route, answer.status_code)
            assert answer[LOCKED] == "1"
            assert b"Organisation" not in answer.content, route
    for path in ("/", "/accounts/profile/", "/accounts/security/", "/api/v1/me/", "/design/", "/nowhere/"):
        assert client.get(path).status_code == 423, path
    fragment = client.get("/o/hospital/", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment[LOCKED]) == (423, "1")
    assert b"<html" not in fragment.content


def test_the_right_password_unlocks_and_a_wrong_one_does_not(member: User) -> None:
    client = signed_in(member)
    client.post(reverse("access:lock"))
    unlock = reverse("access:unlock")
    fetch = {"Sec-Fetch-Mode": "cors"}
    assert client.post(unlock, {"method": "password", "password": "wrong"}, headers=fetch).status_code == 422
    assert client.post(unlock, {"method": "password", "password": ""}, headers=fetch).status_code == 422
    assert client.post(unlock, {"method": "nothing"}, headers=fetch).status_code == 422
    assert client.get("/o/hospital/").status_code == 423
    assert client.post(unlock, {"method": "password", "password": PASSWORD}, headers=fetch).status_code == 204
    assert client.get("/o/hospital/").status_code == 200
    assert [a for a in actions(member) if a in ("session.locked", "session.unlocked")] == [
        "session.locked",
        "session.unlocked",
    ]
    assert "identity.refused" in actions(member)


def test_a_code_alone_does_not_unlock(member: User) -> None:
    client = signed_in(member)
    secret = give_app(member)
    client.post(reverse("access:lock"))
    answer = client.post(
        reverse("access:unlock"), {"method": "code", "code": code_now(secret)}, headers={"Sec-Fetch-Mode": "cors"}
    )
    assert answer.status_code == 422


def test_guessing_at_the_lock_is_slowed_like_signing_in(member: User) -> None:
    client = signed_in(member)
    client.post(reverse("access:lock"))
    statuses = [
        client.post(
            reverse("access:unlock"), {"method": "password", "password": "x"}, headers={"Sec-Fetch-Mode": "cors"}
        ).status_code
        for _attempt in range(12)
    ]
    assert statuses[0] == 422
    assert statuses[-1] == 429


def test_an_untouched_session_locks_by_itself(member: User, hospital: Organisation) -> None:
    policy.change(actor=None, organisation=hospital, idle_lock_minutes=2)
    client = signed_in(member)
    cache.clear()
    age(client, seconds=60)
    assert client.get("/o/hospital/").status_code == 200
    age(client, seconds=2 * 60 + sessions.GRACE_SECONDS + 5)
    assert client.get("/o/hospital/").status_code == 423
    assert client.get("/o/hospital/").status_code == 423


def test_what_a_page_fetches_by_itself_keeps_no_session_open(member: User, hospital: Organisation) -> None:
    client = signed_in(member)
    age(client, seconds=14 * 60)
    client.get("/o/hospital/jobs/tray/", headers={"Sec-Fetch-Mode": "cors"})
    age_after = time.time() - cache.get(sessions._keys(client.session.session_key or "")[0])
    assert age_after > 13 * 60
    client.post(reverse("access:session"), headers={"Sec-Fetch-Mode": "cors"})
    assert time.time() - cache.get(sessions._keys(client.session.session_key or "")[0]) < 60


def test_a_lock_outlives_the_cache_and_a_slow_request_that_saves_the_session(member: User) -> None:
    client = signed_in(member)
    stale = client.session
    client.post(reverse("access:lock"))
    stale["late"] = 1
    stale.save()
    cache.clear()
    assert client.get("/o/hospital/").status_code == 423


def test_the_strictest_organisation_decides_about_times(member: User, hospital: Organisation) -> None:
    other = make_organisation("strict")
    services.add_member(actor=None, organisation=other, user=member)
    policy.change(actor=None, organisation=hospital, idle_lock_minutes=60, session_hours=20)
    policy.change(actor=None, organisation=other, idle_lock_minutes=5, session_hours=4)
    assert policy.read_times(member) == policy.Times(idle_seconds=300, session_seconds=4 * 3600)


def test_a_session_ends_after_its_longest_time_however_busy(member: User, hospital: Organisation) -> None:
    policy.change(actor=None, organisation=hospital, session_hours=1)
    client = signed_in(member)
    cache.clear()
    session = client.session
    session[sessions.BEGUN] -= 3601
    session.save()
    assert client.get("/o/hospital/")["Location"].startswith("/accounts/sign-in/")
    assert "session.expired" in actions(member)


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


# Sessions --------------------------------------------------------------------------------------------------------------


def test_people_see_and_end_their_own_sessions_only(member: User, hospital: Organisation) -> None:
    here, there = signed_in(member), signed_in(member)
    stranger = signed_in(make_member(hospital))
    row = UserSession.objects.get(session_key=there.session.session_key)
    assert stranger.post(reverse("access:session-revoke", kwargs={"session": row.pk})).status_code == 404
    assert there.get("/o/hospital/").status_code == 200
    page = here.get(reverse("access:security"))
    assert [one.is_current for one in page.context["sessions"]] == [True, False]
    here.post(reverse("access:session-revoke", kwargs={"session": row.pk}))
    assert there.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200
    third = signed_in(member)
    here.post(reverse("access:sessions-revoke-others"))
    assert third.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200


def test_a_new_password_and_a_new_factor_end_the_other_sessions(member: User) -> None:
    here, there = signed_in(member), signed_in(member)
    new = "seven green ladders under water"
    here.post(reverse("access:change-password"), {"current": PASSWORD, "password": new, "again": new})
    assert there.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200
    assert UserSession.objects.filter(user=member).count() == 1
    again = Client()
    again.post(reverse("access:sign-in"), {"username": member.username, "password": new})
    assert again.get("/o/hospital/").status_code == 200
    page = here.get(reverse("access:app-add"))
    secret = page.context["secret"].replace(" ", "")
    answer = here.post(reverse("access:app-add"), {"code": code_now(secret)})
    assert len(answer.context["codes"]) == 10
    assert again.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200


def test_devices_are_named_as_people_know_them() -> None:
    chrome = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0 Safari/537.36"
    )
    assert sessions.device_words(chrome) == "Chrome on Windows"
    assert sessions.device_words(chrome + " Edg/147.0") == "Edge on Windows"
    safari = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19.0 Mobile/15E148 Safari/604.1"
    )
    assert sessions.device_words(safari) == "Safari on iPhone"
    assert sessions.device_words("") == "Unknown device"


# Factors ---------------------------------------------------------------------------------------------------------------


def test_a_factor_is_removed_by_its_own_person_and_codes_go_with_the_last(member: User, hospital: Organisation) -> None:
    give_app(member)
    client = Client()
    client.force_login(member, backend="access.backends.PasswordBackend")
    client.post(reverse("access:codes-renew"))
    row = Authenticator.objects.get(user=member, type="totp")
    stranger = signed_in(make_member(hospital))
    remove = reverse("access:factor-remove", kwargs={"factor": row.pk})
    assert stranger.post(remove).status_code == 404
    codes = Authenticator.objects.get(user=member, type="recovery_codes")
    assert client.post(reverse("access:factor-remove", kwargs={"factor": codes.pk})).status_code == 404
    assert client.post(remove).status_code == 302
    assert not Authenticator.objects.filter(user=member).exists()
    assert {"factor.codes-made", "factor.removed"} <= set(actions(member))


def test_recovery_codes_are_shown_once_and_new_ones_replace_them(member: User) -> None:
    give_app(member)
    client = Client()
    client.force_login(member, backend="access.backends.PasswordBackend")
    first = client.post(reverse("access:codes-renew")).context["codes"]
    assert client.get(reverse("access:codes-renew")).status_code == 405
    assert not any(code.encode() in client.get(reverse("access:security")).content for code in first)
    second = client.post(reverse("access:codes-renew")).context["codes"]
    assert not set(first) & set(second)
    assert factors.check_code(user=member, code=first[0]) is None
    assert factors.check_code(user=member, code=second[0]) is not None


def test_an_administrator_of_the_home_resets_lost_factors_and_nobody_else(hospital: Organisation, member: User) -> None:
    administrator = make_member(hospital, username="admin@hospital", roles=("administrator",))
    elsewhere = make_organisation("elsewhere")
    stranger = make_member(elsewhere, roles=("administrator",))
    give_app(member)
    client = Client()
    client.force_login(member, backend="access.backends.PasswordBackend")
    with pytest.raises(NotFound):
        factors.reset(actor=stranger, organisation=elsewhere, user=member)
    services.add_member(actor=None, organisation=elsewhere, user=member)
    with pytest.raises(Forbidden):
        factors.reset(actor=stranger, organisation=elsewhere, user=member)
    with pytest.raises(Conflict):
        factors.reset(actor=administrator, organisation=hospital, user=administrator)
    there = reverse("access:person-factors-reset", kwargs={"organisation": "hospital", "person": member.pk})
    assert signed_in(make_member(hospital)).post(there).status_code == 403
    page = signed_in(administrator)
    hidden = make_member(make_organisation(), username="hidden@other")
    assert page.post(there.replace(f"/{member.pk}/", f"/{hidden.pk}/")).status_code == 404
    forget_sign_in(page)
    assert page.post(there).status_code == 403
    assert factors.has_second_factor(member)
    assert page.post(there, {"proof-purpose": "sensitive", "proof-password": PASSWORD}).status_code == 302
    assert not factors.has_second_factor(member)
    assert client.get("/o/hospital/").status_code == 302


# Proofs ----------------------------------------------------------------------------------------------------------------


def test_a_sensitive_act_asks_and_then_happens_with_the_form_that_was_filled_in(member: User) -> None:
    client = signed_in(member)
    forget_sign_in(client)
    there = reverse("access:address-change")
    asked = client.post(there, {"email": "new@example.org"})
    assert asked.status_code == 403
    assert ("email", "new@example.org") in asked.context["repeated"]
    again = {"email": "new@example.org", "proof-purpose": "sensitive"}
    assert client.post(there, {**again, "proof-password": "wrong"}).status_code == 422
    assert client.post(there, {**again, "proof-password": PASSWORD}).status_code == 302
    assert member.emailaddress_set.get().email == "new@example.org"  # type: ignore[attr-defined]
    assert client.post(there, {"email": "other@example.org"}).status_code == 302, "the proof holds for some minutes"


def test_a_page_asks_and_then_opens(member: User) -> None:
    client = signed_in(member)
    forget_sign_in(client)
    there = reverse("access:app-add")
    assert client.get(there).status_code == 403
    answer = client.post(there, {"proof-purpose": "sensitive", "proof-get": "1", "proof-password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, there)
    assert client.get(there).status_code == 200


def test_a_proof_is_bound_to_person_purpose_and_time(member: User, hospital: Organisation) -> None:
    def request_of(session: Any, user: User) -> Any:
        request = RequestFactory().post("/")
        request.user, request.session = user, session
        return request

    client = signed_in(member)
    request = request_of(client.session, member)
    proof = sudo.prove(user=member, method="password", secret=PASSWORD, purpose="break-glass", request=request)
    assert (proof.user_id, proof.method, proof.purpose) == (member.pk, "password", "break-glass")
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="break-glass")
    sudo.keep(request=request, proof=proof)
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="signature")
    with pytest.raises(ProofNeeded):
        sudo.require(request_of(request.session, make_member(hospital)), purpose="break-glass")
    assert sudo.require(request, purpose="break-glass", once=True).method == "password"
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="break-glass")
    sudo.keep(request=request, proof=proof)
    request.session[sudo.SESSION_KEY]["break-glass"]["at"] -= sudo.VALID_SECONDS + 1
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="break-glass")


def test_a_token_proves_nothing(member: User) -> None:
    request = RequestFactory().post("/")
    request.user, request.session = member, signed_in(member).session  # type: ignore[assignment]
    sudo.require(request)
    request.api_token = object()  # type: ignore[attr-defined]
    with pytest.raises(ProofNeeded):
        sudo.require(request)


def test_the_view_never_sees_the_proof(member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from access.sign_in.middleware import ProofMiddleware

    request = RequestFactory().post("/x/", {"name": "kept", "proof-purpose": "sensitive", "proof-password": PASSWORD})
    request.user, request.session = member, signed_in(member).session  # type: ignore[assignment]
    assert ProofMiddleware(lambda _request: HttpResponse()).process_view(request, None, (), {}) is None
    assert dict(request.POST.items()) == {"name": "kept"}


@pytest.mark.parametrize(
    "name",
    [
        "sign-in", "sign-in-passkey", "sign-out", "reset-ask", "lock", "unlock", "session", "change-password",
        "address-change", "app-add", "passkey-add", "codes-renew", "sessions-revoke-others",
    ],
)  # fmt: skip
def test_no_other_site_can_post_for_a_person(name: str, member: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(member, backend="access.backends.PasswordBackend")
    for data in ({}, {"proof-purpose": "sensitive", "proof-password": PASSWORD}):
        assert client.post(reverse(f"access:{name}"), data).status_code == 403


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


def test_who_is_removed_in_the_middle_of_a_session_is_out_with_the_next_request(hospital: Organisation) -> None:
    administrator, person = make_member(hospital, roles=("administrator",)), make_member(hospital)
    services.add_member(actor=None, organisation=make_organisation("elsewhere"), user=person)
    browser = Client()
    browser.force_login(person)
    _token, secret = services.create_token(user=person, name="t", scopes=["read", "dicomweb"])
    program = Client(headers={"authorization": f"Bearer {secret}"})
    doors = (
        (browser, "/o/hospital/"),
        (browser, "/api/v1/o/hospital/archives/"),
        (program, "/api/v1/o/hospital/archives/"),
    )
    assert {client.get(place).status_code for client, place in doors} == {200}
    services.remove_member(actor=administrator, organisation=hospital, user=person)
    assert {client.get(place).status_code for client, place in doors} == {404}
    assert browser.get("/o/elsewhere/").status_code == 200


def test_fields_that_a_form_does_not_offer_change_nothing(hospital: Organisation) -> None:
    administrator = make_member(hospital, roles=("administrator",))
    client = Client()
    client.force_login(administrator)
    smuggled = {
        "is_superuser": "on",
        "is_installation_administrator": "on",
        "service_of": "1",
        "username": "root@hospital",
    }
    client.post(reverse("access:profile"), {"display_name": "Ada", "language": "en", "time_zone": "UTC", **smuggled})
    client.post(
        reverse("access:organisation-settings", kwargs={"organisation": "hospital"}),
        {
            "name": "Hospital",
            "time_zone": "UTC",
            "token_days_max": "30",
            "slug": "other",
            "storage_quota_bytes": "1",
            "people_quota": "9999",
        },
    )
    administrator.refresh_from_db()
    hospital.refresh_from_db()
    assert hospital.token_days_max == 30
    assert (hospital.slug, hospital.storage_quota_bytes, hospital.people_quota) == ("hospital", None, None)
    assert not administrator.is_superuser
    assert not administrator.is_installation_administrator
    assert administrator.service_of is None
    assert administrator.username != "root@hospital"
