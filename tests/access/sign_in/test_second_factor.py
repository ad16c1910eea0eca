"""The second factor: codes, recovery codes, passkeys, and how one is lost and taken away."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from access import people, services, throttle
from access.models import Organisation, User
from access.sign_in import factors
from core.errors import Conflict, Forbidden, NotFound
from tests.access.factories import PASSWORD, make_member, make_organisation
from tests.access.sign_in.sessions import forget_sign_in, signed_in
from tests.access.sign_in.steps import actions, code_now, give_app, try_to_sign_in

pytestmark = pytest.mark.django_db
OTHER = "seven green ladders under water"


# Signing in with one -------------------------------------------------------------------------------------------------


def test_a_password_alone_does_not_open_an_account_with_a_second_factor(member: User) -> None:
    secret = give_app(member)
    client = Client()
    answer = try_to_sign_in(client, username=member.username, next="/o/hospital/jobs/")
    assert answer["Location"] == reverse("access:second-factor")
    assert client.get("/o/hospital/").status_code == 302
    assert client.post(reverse("access:second-factor"), {"code": "000000"}).status_code == 422
    answer = client.post(reverse("access:second-factor"), {"code": code_now(secret)})
    assert answer["Location"] == "/o/hospital/jobs/"
    assert client.get("/o/hospital/").status_code == 200
    assert "factor.refused" in actions(member)


def test_a_code_works_once_in_its_whole_time(member: User) -> None:
    secret = give_app(member)
    code = code_now(secret, steps=1)  # of a clock that runs ahead: the longest that a code can live
    assert factors.check_code(user=member, code=code) is not None
    assert factors.check_code(user=member, code=code) is None
    assert factors.check_code(user=member, code=code_now(secret, steps=-4)) is None


@pytest.mark.parametrize("code", ["", "abcdef", "１２３４５６", "\x00", "9" * 400, "-1", "1e5"])
def test_codes_that_are_none_are_refused(member: User, code: str) -> None:
    give_app(member)
    client = Client()
    try_to_sign_in(client, username=member.username)
    assert client.post(reverse("access:second-factor"), {"code": code}).status_code == 422


def test_guessing_codes_closes_the_second_factor_though_the_password_is_right(member: User) -> None:
    secret = give_app(member)
    client = Client()
    for _attempt in range(throttle.FAILURES_PER_NAME):
        try_to_sign_in(client, username=member.username)
        assert client.post(reverse("access:second-factor"), {"code": "123456"}).status_code == 422
    try_to_sign_in(client, username=member.username)
    assert client.post(reverse("access:second-factor"), {"code": code_now(secret)}).status_code == 429


def test_a_recovery_code_opens_once(member: User) -> None:
    give_app(member)
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes

    code = RecoveryCodes.activate(member).get_unused_codes()[0]
    for status in (302, 422):
        client = Client()
        try_to_sign_in(client, username=member.username)
        # Typed as it is printed, in two groups.
        answer = client.post(reverse("access:second-factor"), {"code": f"{code[:5]} {code[5:]}"})
        assert answer.status_code == status
    assert "factor.code-used" in actions(member)


def test_nobody_comes_to_the_second_factor_without_the_first(member: User) -> None:
    give_app(member)
    client = Client()
    assert client.get(reverse("access:second-factor"))["Location"] == reverse("access:sign-in")
    assert client.post(reverse("access:second-factor"), {"code": "1"})["Location"] == reverse("access:sign-in")


def test_a_second_factor_of_somebody_else_opens_nothing(member: User, hospital: Organisation) -> None:
    give_app(member)
    other = give_app(make_member(hospital))
    client = Client()
    try_to_sign_in(client, username=member.username)
    assert client.post(reverse("access:second-factor"), {"code": code_now(other)}).status_code == 422


def test_seeds_do_not_stand_in_the_database_in_clear(member: User) -> None:
    secret = give_app(member)
    row = Authenticator.objects.get(user=member)
    assert secret not in str(row.data)


def test_a_one_time_password_is_replaced_after_the_second_factor_not_before(
    hospital: Organisation, member: User
) -> None:
    administrator = make_member(hospital, roles=("administrator",))
    secret = give_app(member)
    password = people.renew_password(actor=administrator, organisation=hospital, user=member)
    client = Client()
    answer = try_to_sign_in(client, username=member.username, password=password)
    assert answer["Location"] == reverse("access:second-factor")
    choose = reverse("access:choose-password")
    assert client.post(choose, {"password": OTHER, "again": OTHER})["Location"] == reverse("access:sign-in")
    answer = client.post(reverse("access:second-factor"), {"code": code_now(secret)})
    assert answer["Location"] == choose
    assert client.get("/o/hospital/").status_code == 302
    client.post(choose, {"password": OTHER, "again": OTHER})
    assert client.get("/o/hospital/").status_code == 200


@pytest.mark.parametrize(
    "answer", ["", "{}", "[]", "null", "7", '{"id": 1}', '{"response": {"userHandle": "AAAA"}}', "{" * 5000]
)
def test_made_up_passkeys_open_nothing(answer: str, member: User) -> None:
    client = Client()
    client.get(reverse("access:sign-in-passkey"))
    assert client.post(reverse("access:sign-in-passkey"), {"passkey": answer}).status_code == 422


# Kept, renewed, taken away -------------------------------------------------------------------------------------------


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
