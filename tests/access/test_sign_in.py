"""Signing in: names, addresses, second factors, one-time passwords, and what an outsider must not learn."""

from __future__ import annotations

import time
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse

from access import people, services, throttle
from access.models import Organisation, User
from access.sign_in import addresses, factors
from audit.models import Event
from core.tenancy import all_tenants
from tests.access.factories import make_member, make_organisation, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
OTHER = "seven green ladders under water"


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def member(hospital: Organisation) -> User:
    return make_member(hospital, username="member@hospital")


def try_to_sign_in(client: Client, *, username: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post(reverse("access:sign-in"), {"username": username, "password": password, **more})


def code_now(secret: str, *, steps: int = 0) -> str:
    counter = int(time.time()) // 30 + steps
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def give_app(user: User) -> str:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(user, secret)
    return secret


def actions(user: User) -> list[str]:
    with all_tenants():
        return list(Event.objects.filter(target_id=str(user.pk)).order_by("pk").values_list("action", flat=True))


def prove_address(user: User, email: str) -> None:
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    user.email = email
    user.save(update_fields=["email"])


def test_a_proven_address_signs_in_and_an_unproven_one_does_not(member: User) -> None:
    User.objects.filter(pk=member.pk).update(email="someone@example.org")
    assert try_to_sign_in(Client(), username="someone@example.org").status_code == 422
    prove_address(member, "someone@example.org")
    assert try_to_sign_in(Client(), username="Someone@Example.org").status_code == 302


@pytest.mark.parametrize(
    "name", ["", " ", "\x00", "x" * 300, "nobody@hospital", "' OR 1=1 --", "member@hospital\r\nX: y"]
)
def test_names_that_open_nothing_get_the_common_refusal(name: str, member: User) -> None:
    assert try_to_sign_in(Client(), username=name, password="wrong").status_code == 422


def test_the_answer_tells_nothing_of_which_accounts_exist(member: User) -> None:
    inactive = make_user("gone@hospital")
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    pages = []
    for name, password in ((member.username, "wrong"), ("nobody@hospital", "wrong"), (inactive.username, PASSWORD)):
        answer = try_to_sign_in(Client(), username=name, password=password)
        pages.append((answer.status_code, answer.context["form"].non_field_errors()[0]))
    assert len(set(pages)) == 1


def test_an_unknown_name_costs_as_much_time_as_a_known_one(member: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    from django.contrib.auth import authenticate

    member.set_password(PASSWORD)
    member.save()
    times: dict[str, list[float]] = {member.username: [], "nobody@hospital": []}
    for _round in range(7):
        for name, taken in times.items():
            begun = time.perf_counter()
            assert authenticate(None, username=name, password="wrong") is None
            taken.append(time.perf_counter() - begun)
    known, unknown = (median(taken) for taken in times.values())
    assert unknown > known / 3, "an unknown name answers so fast that names can be told by the clock"


def test_failures_close_the_name_and_the_officer_sees_it(member: User) -> None:
    client = Client()
    for _attempt in range(throttle.FAILURES_PER_NAME):
        try_to_sign_in(client, username=member.username, password="wrong")
    assert try_to_sign_in(client, username=member.username).status_code == 429
    assert actions(member).count("account.closed") == 1
    assert actions(member).count("session.refused") == throttle.FAILURES_PER_NAME


def test_an_unknown_name_closes_like_a_known_one() -> None:
    client = Client()
    for _attempt in range(throttle.FAILURES_PER_NAME):
        assert try_to_sign_in(client, username="nobody@hospital", password="wrong").status_code == 422
    assert try_to_sign_in(client, username="nobody@hospital", password="wrong").status_code == 429


def test_a_planted_session_is_not_the_one_that_opens(member: User) -> None:
    client = Client()
    client.get(reverse("access:sign-in"))
    session = client.session
    session["planted"] = 1
    session.save()
    planted = session.session_key
    client.cookies["pacsweb_session"] = planted
    try_to_sign_in(client, username=member.username)
    assert client.session.session_key != planted
    thief = Client()
    thief.cookies["pacsweb_session"] = planted
    assert thief.get("/o/hospital/").status_code == 302


def test_a_planted_session_does_not_follow_to_the_second_factor_either(member: User) -> None:
    give_app(member)
    client = Client()
    session = client.session
    session["planted"] = 1
    session.save()
    client.cookies["pacsweb_session"] = session.session_key
    try_to_sign_in(client, username=member.username)
    assert client.session.session_key != session.session_key
    thief = Client()
    thief.cookies["pacsweb_session"] = session.session_key
    assert thief.get(reverse("access:second-factor")).status_code == 302


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", "https:evil.example"],
)
@pytest.mark.parametrize("has_app", [False, True])
def test_no_way_of_signing_in_leads_to_another_site(member: User, target: str, has_app: bool) -> None:
    client = Client()
    secret = give_app(member) if has_app else ""
    answer = try_to_sign_in(client, username=member.username, next=target)
    if has_app:
        answer = client.post(reverse("access:second-factor"), {"code": code_now(secret)})
    assert answer.status_code == 302
    assert answer["Location"] == "/"


# Second factor ---------------------------------------------------------------------------------------------------------


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


# Forgotten password ----------------------------------------------------------------------------------------------------


def links() -> list[str]:
    return [line for letter in outbox.outbox for line in letter.body.splitlines() if "/accounts/reset/" in line]


def ask_for_reset(name: str) -> Any:
    return Client().post(reverse("access:reset-ask"), {"name": name})


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(
    member: User, django_capture_on_commit_callbacks: Any
) -> None:
    prove_address(member, "someone@example.org")
    inside = Client()
    try_to_sign_in(inside, username=member.username)
    addresses.send_password_reset(user_id=member.pk)
    path = urlsplit(links()[0]).path
    client = Client()
    answer = client.get(path)
    assert answer.status_code == 302
    assert path.rsplit("/", 2)[1] not in answer["Location"], "the key must leave the address bar"
    form = answer["Location"]
    assert client.post(form, {"password": "password1234", "again": "password1234"}).status_code == 422
    assert client.post(form, {"password": OTHER, "again": OTHER}).status_code == 302
    assert "_auth_user_id" not in client.session, "a link is no second factor: it does not sign in"
    assert inside.get("/o/hospital/").status_code == 302, "sessions of before must have ended"
    assert try_to_sign_in(Client(), username=member.username).status_code == 422
    assert try_to_sign_in(Client(), username=member.username, password=OTHER).status_code == 302
    assert Client().get(path).status_code == 410
    assert client.post(form, {"password": PASSWORD, "again": PASSWORD}).status_code == 410


def test_links_for_others_and_made_up_ones_open_nothing(member: User, hospital: Organisation) -> None:
    prove_address(member, "someone@example.org")
    other = make_member(hospital)
    addresses.send_password_reset(user_id=member.pk)
    _empty, _accounts, _reset, who, key, _end = urlsplit(links()[0]).path.split("/")
    from django.utils.encoding import force_bytes
    from django.utils.http import urlsafe_base64_encode

    for pair in (
        (urlsafe_base64_encode(force_bytes(other.pk)), key),
        (who, "abc-0123456789abcdef"),
        (who, "choose"),
        ("!!", key),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw", key),
        ("4pi6", key),
    ):
        assert Client().get(reverse("access:reset-open", kwargs={"who": pair[0], "key": pair[1]})).status_code == 410


def test_a_link_ends_after_its_hour(member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from django.contrib.auth.tokens import PasswordResetTokenGenerator

    prove_address(member, "someone@example.org")
    addresses.send_password_reset(user_id=member.pk)
    now = PasswordResetTokenGenerator()._now()
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: now + timedelta(minutes=61))
    assert Client().get(urlsplit(links()[0]).path).status_code == 410


def test_asking_for_a_link_tells_nothing_and_sends_only_to_a_proven_address(
    member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from access import tasks

    sent: list[int] = []
    monkeypatch.setattr(tasks.send_password_reset, "enqueue", lambda **kwargs: sent.append(kwargs["user_id"]))
    User.objects.filter(pk=member.pk).update(email="someone@example.org")
    seen = set()
    for name in (member.username, "nobody@hospital", "someone@example.org"):
        answer = ask_for_reset(name)
        seen.add((answer.status_code, answer["Location"]))
    assert seen == {(302, reverse("access:reset-sent"))}
    assert sent == []
    prove_address(member, "someone@example.org")
    ask_for_reset("Someone@example.org")
    assert sent == [member.pk]


def test_letters_cannot_be_asked_for_without_end(member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from access import tasks

    sent: list[int] = []
    monkeypatch.setattr(tasks.send_password_reset, "enqueue", lambda **kwargs: sent.append(1))
    prove_address(member, "someone@example.org")
    for _time in range(throttle.LETTERS_PER_NAME + 3):
        assert ask_for_reset(member.username).status_code == 302
    assert len(sent) == throttle.LETTERS_PER_NAME


# Addresses -------------------------------------------------------------------------------------------------------------


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="access.backends.PasswordBackend")
    return client


def proof_link(email: str) -> str:
    letter = next(letter for letter in outbox.outbox if letter.to == [email])
    return next(urlsplit(line).path for line in letter.body.splitlines() if "/accounts/security/address/" in line)


def test_an_address_counts_when_its_link_was_followed_by_its_own_account(member: User, hospital: Organisation) -> None:
    prove_address(member, "old@example.org")
    client = signed_in(member)
    assert client.post(reverse("access:address-change"), {"email": "New@Example.org"}).status_code == 302
    waiting = EmailAddress.objects.get(user=member, verified=False)
    addresses.send_proof(address_id=waiting.pk)
    link = proof_link("new@example.org")
    stranger = signed_in(make_member(hospital))
    assert stranger.get(link).status_code == 410
    assert stranger.post(link).status_code == 409
    assert client.get(link).status_code == 200, "looking alone must change nothing: mail scanners look"
    assert EmailAddress.objects.get(pk=waiting.pk).verified is False
    assert client.post(link).status_code == 302
    member.refresh_from_db()
    assert member.email == "new@example.org"
    assert list(EmailAddress.objects.filter(user=member).values_list("email", "verified")) == [
        ("new@example.org", True)
    ]
    assert any(letter.to == ["old@example.org"] for letter in outbox.outbox), "the former reader learns of it"
    assert client.post(link).status_code == 409


def test_an_address_of_another_account_is_not_told_of(member: User, hospital: Organisation) -> None:
    other = make_member(hospital)
    prove_address(other, "taken@example.org")
    client = signed_in(member)
    answer = client.post(reverse("access:address-change"), {"email": "taken@example.org"})
    free = client.post(reverse("access:address-change"), {"email": "free@example.org"})
    assert (answer.status_code, answer["Location"]) == (free.status_code, free["Location"])
    client.post(reverse("access:address-change"), {"email": "taken@example.org"})
    waiting = EmailAddress.objects.get(user=member)
    addresses.send_proof(address_id=waiting.pk)
    assert [letter.subject for letter in outbox.outbox] == ["This address is in use already"]
    assert "/accounts/security/address/" not in outbox.outbox[0].body


@pytest.mark.parametrize(
    "email",
    ["", "x", "a@b", "a@example.org\r\nBcc: b@example.org", "a@example.org,b@example.org", "a" * 300 + "@example.org"],
)
def test_addresses_that_are_none_are_refused_and_no_header_is_smuggled(member: User, email: str) -> None:
    client = signed_in(member)
    assert client.post(reverse("access:address-change"), {"email": email}).status_code == 422
    assert not EmailAddress.objects.filter(user=member).exists()
    assert outbox.outbox == []


def test_a_name_cannot_smuggle_a_header_into_a_letter(member: User) -> None:
    from access.sign_in import mail

    User.objects.filter(pk=member.pk).update(display_name="X\r\nBcc: thief@example.org")
    member.refresh_from_db()
    prove_address(member, "someone@example.org")
    mail.send(template="account_changed", to="someone@example.org", user=member, context={"what": "password-changed"})
    message = outbox.outbox[0].message()
    assert message["Bcc"] is None
    assert outbox.outbox[0].recipients() == ["someone@example.org"]


# Passwords -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "password1234",
        "P@ssw0rd2024!",
        "qwertyuiop12",
        "aaaaaaaaaaaaaaaa",
        "member@hospital1",
        "123456789012345",
    ],
)
def test_guessable_passwords_are_refused_with_a_reason(member: User, password: str) -> None:
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError) as refusal:
        validate_password(password, member)
    assert all(len(message) > 20 for message in refusal.value.messages)


@pytest.mark.parametrize(
    "password",
    [OTHER, "kråkfötter under bron", "vierundzwanzig lila Besen", "8Kq2-xT0v-93hs-Lp1d", "x" * 5 + "Ω木🦓 quiet lorry"],
)
def test_long_unlikely_passwords_pass_without_rules_of_composition(member: User, password: str) -> None:
    from django.contrib.auth.password_validation import validate_password

    validate_password(password, member)


def test_the_full_list_of_stolen_passwords_is_searched_when_there_is_one(
    member: User, settings: Any, tmp_path: Any
) -> None:
    import hashlib

    from access.sign_in.passwords import is_in_file

    words = [f"stolen password number {n}" for n in range(5000)]
    hashes = sorted(hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest().upper() for word in words)
    for ending in ("\n", "\r\n"):
        path = tmp_path / "hashes.txt"
        path.write_bytes("".join(f"{line}:{n}{ending}" for n, line in enumerate(hashes, start=1)).encode())
        settings.BREACHED_PASSWORDS = path
        assert all(is_in_file(word) for word in words)
        assert not any(is_in_file(f"unknown {n}") for n in range(500))


def test_each_organisation_of_the_person_finds_the_sign_in_in_its_own_trail(member: User) -> None:
    clinic = make_organisation("clinic")
    services.add_member(actor=None, organisation=clinic, user=member)
    bystander = make_organisation("bystander")
    client = Client()
    try_to_sign_in(client, username=member.username)
    client.post(reverse("access:sign-out"))
    with all_tenants():
        found = Event.objects.filter(target_id=str(member.pk), action__startswith="session.").order_by("pk")
        rows = set(found.values_list("organisation__slug", "action"))
        assert not Event.objects.filter(organisation=bystander, action__startswith="session.").exists()
    assert rows == {(slug, act) for slug in ("hospital", "clinic") for act in ("session.started", "session.ended")}
