"""What an organisation lets its members share with people outside, and who decides it."""

from __future__ import annotations

import pytest

from access.grant_policy import GrantPolicy, change_policy, policy_of
from access.models import Organisation
from core.errors import Forbidden, Invalid, NotFound
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


def test_only_who_may_change_the_organisation_changes_its_policy(hospital: Organisation) -> None:
    other = make_member(make_organisation("elsewhere"), roles=("administrator",))
    with tenant(hospital):
        for person, refusal in ((make_member(hospital), Forbidden), (other, NotFound)):
            with pytest.raises(refusal):
                change_policy(actor=person, organisation=hospital, changes={"sharing": "links"})
        assert policy_of(hospital).sharing == GrantPolicy.Sharing.NONE
        administrator = make_member(hospital, roles=("administrator",))
        change_policy(actor=administrator, organisation=hospital, changes={"sharing": "links"})
        assert policy_of(hospital).sharing == GrantPolicy.Sharing.LINKS


@pytest.mark.parametrize(
    ("sharing", "people", "links"), [("none", False, False), ("people", True, False), ("links", True, True)]
)
def test_links_are_allowed_only_where_people_are(
    hospital: Organisation, sharing: str, people: bool, links: bool
) -> None:
    with tenant(hospital):
        change_policy(actor=None, organisation=hospital, changes={"sharing": sharing})
        stored = policy_of(hospital)
    assert (stored.allows_people, stored.allows_links) == (people, links)


@pytest.mark.parametrize(
    ("default", "most", "is_good"), [(7, 30, True), (30, 30, True), (31, 30, False), (0, 30, False)]
)
def test_a_share_stays_open_by_default_no_longer_than_at_most(
    hospital: Organisation, default: int, most: int, is_good: bool
) -> None:
    changes = {"share_days_default": default, "share_days_maximum": most}
    with tenant(hospital):
        if is_good:
            change_policy(actor=None, organisation=hospital, changes=changes)
        else:
            with pytest.raises(Invalid) as refused:
                change_policy(actor=None, organisation=hospital, changes=changes)
            assert "share_days_default" in refused.value.fields
        assert (policy_of(hospital).share_days_default == default) is is_good
