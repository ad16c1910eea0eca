"""Who sets up a provider, and what becomes of its secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access.models import IdentityProvider, Organisation, User
from access.single_sign_on import services as sign_ons
from audit.models import Event
from core.errors import Forbidden, Invalid, NotFound
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import CLIENT, Liar
from tests.access.sign_in.sessions import signed_in
from tests.access.single_sign_on.coming_in import come

pytestmark = pytest.mark.django_db


def test_the_secret_is_sealed_never_shown_and_in_no_trail(
    provider: IdentityProvider, administrator: User, hospital: Organisation, caplog: Any
) -> None:
    secret = CLIENT["client_secret"]
    with tenant(hospital):
        row = IdentityProvider.objects.get()
        assert row.sealed_secret and secret not in row.sealed_secret
    client = signed_in(administrator)
    there = reverse(
        "access:sso", kwargs={"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    )
    page = client.get(there)
    assert (
        page.status_code == 200
        and secret not in page.content.decode()
        and row.sealed_secret not in page.content.decode()
    )
    form = {name: value for name, value in page.context["form"].initial.items() if value not in (None, False)}
    form |= {"domains": "", "second_factor_values": "mfa", "label": "Renamed", "secret": ""}
    assert client.post(there, form).status_code == 302
    with tenant(hospital):
        changed = IdentityProvider.objects.get()
        assert (changed.label, changed.sealed_secret) == ("Renamed", row.sealed_secret)
    assert client.post(there, form | {"secret": "another-secret"}).status_code == 302
    with all_tenants():
        trail = json.dumps(list(Event.objects.values("action", "detail", "target_label")), default=str)
    assert (
        "sign-on.changed" in trail and "another-secret" not in trail + caplog.text and secret not in trail + caplog.text
    )


def test_an_issuer_with_people_behind_it_is_not_exchanged(
    provider: IdentityProvider, liar: Liar, administrator: User
) -> None:
    come(Client(), provider, liar)
    with pytest.raises(Invalid):
        sign_ons.change(actor=administrator, sign_on=provider, values={"issuer": "https://other.example"}, secret=None)


def test_only_administrators_of_the_organisation_administer_it(
    provider: IdentityProvider, hospital: Organisation, administrator: User
) -> None:
    member = signed_in(make_member(hospital))
    officer = signed_in(make_member(hospital, roles=("officer",)))
    stranger = signed_in(make_member(make_organisation("other"), roles=("administrator",)))
    where = {"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    for name in ("sso", "sso-test", "sso-switch", "sso-delete", "sso-preview", "sso-rule-add"):
        for client, status in ((member, 403), (officer, 403), (stranger, 404)):
            method = client.get if name == "sso" else client.post
            assert method(reverse(f"access:{name}", kwargs=where)).status_code == status, name
    theirs = dict(where, organisation="other")
    assert stranger.get(reverse("access:sso", kwargs=theirs)).status_code == 404
    with pytest.raises((Forbidden, NotFound)):
        sign_ons.switch(actor=make_member(hospital), sign_on=provider, on=False)
