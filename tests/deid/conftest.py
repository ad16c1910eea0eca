from __future__ import annotations

from dataclasses import dataclass

import pytest

from access import services as access
from access.models import Organisation, User
from archive.models import Archive, Study
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_series


@dataclass
class House:
    """An organisation with a clinical and a teaching archive, and an educator with roles on both."""

    organisation: Organisation
    clinical: Archive
    teaching: Archive
    educator: User

    def study(self, *, count: int = 3, **elements: object) -> Study:
        files = make_series(count=count, **elements)
        _delivery, outcomes = deliver(self.clinical, files)
        assert all(outcome.is_success for outcome in outcomes), outcomes
        with tenant(self.organisation):
            found: Study = Study.objects.select_related("archive", "patient").get(
                archive=self.clinical, study_instance_uid=outcomes[0].study_instance_uid
            )
        return found

    def person(self, *, clinical: str = "", teaching: str = "") -> User:
        user = make_member(self.organisation)
        for archive, role in ((self.clinical, clinical), (self.teaching, teaching)):
            if role:
                access.grant_role(actor=None, container=archive, role=role, user=user)
        return user


def make_house() -> House:
    organisation = make_organisation()
    house = House(
        organisation=organisation,
        clinical=make_archive(organisation, purpose=Archive.Purpose.CLINICAL),
        teaching=make_archive(organisation, purpose=Archive.Purpose.TEACHING),
        educator=make_member(organisation),
    )
    access.grant_role(actor=None, container=house.clinical, role="contributor", user=house.educator)
    access.grant_role(actor=None, container=house.teaching, role="contributor", user=house.educator)
    return house


@pytest.fixture
def house(db: None, settings: object, tmp_path: object) -> House:
    return make_house()
