"""The provider says that somebody signed out there: which sessions end and which do not."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount

from access.models import IdentityProvider, Organisation
from core.tenancy import tenant
from tests.access.factories import make_organisation
from tests.access.openid_provider import GOOD_KEY, Liar, bent
from tests.access.single_sign_on.back_channel.said import (
    PASSWORD,
    Tell,
    add_provider,
    come,
    come_by_password,
    is_open,
    logout_token,
    outcomes,
    trail,
)

pytestmark = pytest.mark.django_db


def test_a_person_who_signs_out_there_is_signed_out_everywhere_here(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    desk, ward = come(provider, liar), come(provider, liar, session="there-2")
    colleague = come(provider, liar, subject="43", session="there-3")
    answer = tell(provider, logout_token(liar, sub="42"))
    assert (answer.status_code, answer.headers["Cache-Control"], answer.json()) == (200, "no-store", {})
    assert not answer.cookies
    assert (is_open(desk), is_open(ward), is_open(colleague)) == (False, False, True)
    person = SocialAccount.objects.get(uid="42").user
    [event] = trail(hospital, "sign-on.signed-out")
    assert (event.target_id, event.detail["count"], event.outcome) == (str(person.pk), 2, "success")
    assert outcomes(provider) == ["signed-out"]


def test_one_session_there_is_one_session_here(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    desk, ward = come(provider, liar), come(provider, liar, session="there-2")
    assert tell(provider, logout_token(liar, sid="there-1")).status_code == 200
    assert (is_open(desk), is_open(ward)) == (False, True)
    assert tell(provider, logout_token(liar, sid="there-2", sub="42")).status_code == 200
    assert not is_open(ward)


def test_person_and_session_together_have_to_fit_both(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    desk = come(provider, liar)
    for wrong in ({"sub": "43", "sid": "there-1"}, {"sub": "42", "sid": "there-9"}):
        assert tell(provider, logout_token(liar, **wrong)).status_code == 200
    assert is_open(desk)
    # Where the provider never said to which of its sessions ours belongs, it may be the one.
    unsaid = come(provider, liar, session=None, subject="44")
    assert tell(provider, logout_token(liar, sub="44", sid="there-9")).status_code == 200
    assert not is_open(unsaid)


def test_very_long_names_of_person_and_session_are_found_again(
    provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    subject, session = "s" * 255, "t" * 255
    desk = come(provider, liar, subject=subject, session=session)
    other = come(provider, liar, subject="s" * 254 + "x", session="t" * 254 + "x")
    tell(provider, logout_token(liar, sub=subject, sid=session))
    assert (is_open(desk), is_open(other)) == (False, True)


def test_nobody_there_is_no_failure(provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation) -> None:
    assert tell(provider, logout_token(liar, sub="nobody")).status_code == 200
    assert outcomes(provider) == ["signed-out-nobody"] and trail(hospital, "sign-on.signed-out") == []


def test_sessions_that_began_by_a_password_or_elsewhere_stay(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    """Two organisations with the same provider and the same client: each hears of its own sessions alone."""
    partner = make_organisation("partner")
    theirs = add_provider(partner, liar)
    here, there = come(provider, liar), come(theirs, liar)
    person: Any = SocialAccount.objects.get(provider=provider.public_id, uid="42").user
    person.set_password(PASSWORD)
    person.save()
    here = come(provider, liar)  # the new password ended the session of before
    own = come_by_password(person)
    tell(provider, logout_token(liar, sub="42"))
    assert (is_open(here), is_open(there), is_open(own)) == (False, True, True)
    tell(provider, logout_token(liar, sid="there-1"))
    assert is_open(there)
    assert [len(trail(one, "sign-on.signed-out")) for one in (hospital, partner)] == [1, 0]
    tell(theirs, logout_token(liar, sid="there-1"))
    assert (is_open(there), is_open(own)) == (False, True)


def test_a_token_of_another_provider_is_no_token_here(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    """The other organisation's provider signs with its own key, and means its own people of the same names."""
    desk = come(provider, liar)
    with bent() as other:
        theirs = add_provider(make_organisation("partner"), other)
        own = logout_token(other, sub="42", key=GOOD_KEY)
        assert tell(provider, own).status_code == 400
        assert is_open(desk)
        assert tell(theirs, logout_token(liar, sub="42")).status_code == 400
        assert tell(theirs, own).status_code == 200
    assert is_open(desk)
    assert outcomes(provider) == ["logout-token-issuer"]


def test_what_a_suspended_organisation_s_provider_ends_stays_ended(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    from django.utils import timezone

    desk = come(provider, liar)
    Organisation.objects.filter(pk=hospital.pk).update(suspended_at=timezone.now())
    assert tell(provider, logout_token(liar, sub="42")).status_code == 200
    Organisation.objects.filter(pk=hospital.pk).update(suspended_at=None)
    assert not is_open(desk)


def test_what_is_switched_off_hears_nothing(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    with tenant(provider.organisation):
        IdentityProvider.objects.filter(pk=provider.pk).update(is_active=False)
    answer = tell(provider, logout_token(liar, sub="42"))
    assert answer.status_code == 404 and answer.json()["error_description"] == "unknown-provider"
