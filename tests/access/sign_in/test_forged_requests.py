"""Requests that a person never meant: posted by another site, or with fields that no form offers."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from access.models import Organisation, User
from tests.access.factories import PASSWORD, make_member

pytestmark = pytest.mark.django_db


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
