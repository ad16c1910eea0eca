"""A hospital with single sign-on: by a provider that can be told to lie, or by slapd on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from access.models import Directory, IdentityProvider, Organisation, User
from access.single_sign_on import services as sign_ons
from archive.models import Archive
from archive.services import create_archive
from core.tenancy import tenant
from tests.access import slapd
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import Liar, bent
from tests.access.single_sign_on.coming_in import add_provider
from tests.access.single_sign_on.directory import fresh, settings_of
from tests.peers import require_slapd


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.SIGN_ON_LOOPBACK = True


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, roles=("administrator",), username="boss@hospital")


@pytest.fixture
def archive(hospital: Organisation, administrator: User) -> Archive:
    return create_archive(actor=None, organisation=hospital, slug="clinical", name="Clinical", ae_title="CLINICAL")


@pytest.fixture(scope="module")
def _server() -> Iterator[Liar]:
    with bent() as found:
        yield found


@pytest.fixture
def liar(_server: Liar) -> Liar:
    """The bent provider, honest again for each test."""
    issuer = _server.issuer
    _server.__dict__.update(Liar(issuer=issuer).__dict__)
    return _server


@pytest.fixture
def provider(hospital: Organisation, administrator: User, liar: Liar) -> IdentityProvider:
    with tenant(hospital):
        return add_provider(administrator, hospital, issuer=liar.issuer, admits="everybody")


@pytest.fixture(scope="module")
def server(tmp_path_factory: Any) -> Iterator[slapd.Server]:
    with slapd.running(require_slapd(), tmp_path_factory.mktemp("slapd")) as found:
        slapd.fill(found)
        yield found


@pytest.fixture
def directory(server: slapd.Server, hospital: Organisation, administrator: User) -> Directory:
    made = sign_ons.add(
        actor=administrator,
        organisation=hospital,
        model=Directory,
        values=settings_of(server),
        secret=slapd.READER_PASSWORD,
    )
    sign_ons.switch(actor=administrator, sign_on=made, on=True)
    return fresh(made)
