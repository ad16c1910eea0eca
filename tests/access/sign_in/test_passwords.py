"""Which passwords are taken: long and unlikely ones, none that is known to be stolen."""

from __future__ import annotations

from typing import Any

import pytest

from access.models import User

pytestmark = pytest.mark.django_db
OTHER = "seven green ladders under water"


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
