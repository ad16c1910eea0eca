from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from access import services
from access.models import ApiToken
from core.errors import Invalid, NotFound
from tests.access.factories import make_user

pytestmark = pytest.mark.django_db


def test_secret_is_not_stored_and_stands_for_its_person() -> None:
    user = make_user()
    token, secret = services.create_token(user=user, name="Notebook", scopes=["read"])
    assert secret not in str(ApiToken.objects.filter(pk=token.pk).values().get())
    found = services.authenticate_token(secret=secret)
    assert found is not None
    assert found.user == user


@pytest.mark.parametrize("secret", ["", "pw_", "pw_wrong", "\x00", "x" * 10_000])
def test_wrong_secret_is_nobody(secret: str) -> None:
    assert services.authenticate_token(secret=secret) is None


def test_revoked_expired_and_orphaned_tokens_are_nobody() -> None:
    user = make_user()
    revoked, revoked_secret = services.create_token(user=user, name="a", scopes=["read"])
    services.revoke_token(actor=user, token=revoked)
    expiring, expired_secret = services.create_token(
        user=user, name="b", scopes=["read"], expires_at=timezone.now() + timedelta(days=1)
    )
    ApiToken.objects.filter(pk=expiring.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    _left, left_secret = services.create_token(user=user, name="c", scopes=["read"])
    assert services.authenticate_token(secret=left_secret) is not None
    user.is_active = False
    user.save()
    for secret in (revoked_secret, expired_secret, left_secret):
        assert services.authenticate_token(secret=secret) is None


def test_nobody_revokes_another_persons_token() -> None:
    token, _secret = services.create_token(user=make_user(), name="a", scopes=["read"])
    with pytest.raises(NotFound):
        services.revoke_token(actor=make_user(), token=token)


@pytest.mark.parametrize("scopes", [[], ["root"], ["read", "everything"]])
def test_bad_scopes_are_refused(scopes: list[str]) -> None:
    with pytest.raises(Invalid):
        services.create_token(user=make_user(), name="a", scopes=scopes)


def test_command_prints_a_working_secret(capsys: pytest.CaptureFixture[str]) -> None:
    user = make_user("educator@here")
    call_command("create_token", "Educator@here", "--scope", "dicomweb")
    secret = capsys.readouterr().out.strip()
    found = services.authenticate_token(secret=secret)
    assert found is not None
    assert (found.user, found.scopes) == (user, ["dicomweb"])
    with pytest.raises(CommandError):
        call_command("create_token", "nobody@here")
