from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from access import services
from access.models import ApiToken, Organisation
from core.errors import Invalid, NotFound
from tests.access.factories import make_member, make_organisation, make_user

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


def made_by_command(capsys: pytest.CaptureFixture[str], *arguments: str) -> ApiToken:
    call_command("create_token", *arguments)
    found = services.authenticate_token(secret=capsys.readouterr().out.strip())
    assert found is not None
    return found


def days_left(token: ApiToken) -> int:
    return round((token.expires_at - timezone.now()).total_seconds() / 86400)


def test_a_token_of_the_command_line_ends_after_90_days_and_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_member(make_organisation(), username="script@here", roles=("administrator",))
    token = made_by_command(capsys, "script@here")
    assert days_left(token) == 90
    assert set(token.scopes) == {"read", "dicomweb", "fhir"}


def test_the_command_line_keeps_to_the_limit_of_the_organisation(capsys: pytest.CaptureFixture[str]) -> None:
    strict, free = make_organisation(), make_organisation()
    Organisation.objects.filter(pk=strict.pk).update(token_days_max=30)
    make_member(strict, username="strict@here")
    make_member(free, username="free@here")
    assert days_left(made_by_command(capsys, "strict@here")) == 30
    assert days_left(made_by_command(capsys, "free@here", "--days", "365")) == 365
    for name, days in (("strict@here", "31"), ("free@here", "366"), ("free@here", "0"), ("free@here", "-1")):
        with pytest.raises(CommandError, match="No token was made"):
            call_command("create_token", name, "--days", days)
    assert ApiToken.objects.filter(user__username="strict@here").count() == 1


def test_no_token_lives_for_ever_whoever_makes_it() -> None:
    for user in (make_user(), make_member(make_organisation())):
        token, _secret = services.create_token(user=user, name="t", scopes=["read"])
        assert days_left(token) == 90
        with pytest.raises(Invalid):
            services.create_token(user=user, name="t", scopes=["read"], expires_at=timezone.now() + timedelta(days=366))
