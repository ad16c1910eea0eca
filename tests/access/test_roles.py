from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access import queries, services
from access.errors import LastAdministrator, NotAMember, UnknownRole
from access.models import Membership, Organisation, User
from core.errors import Forbidden, Invalid, NotFound
from core.tenancy import signed_in, tenant
from tests.access.factories import make_member, make_organisation, make_user

pytestmark = pytest.mark.django_db


def test_member_sees_the_organisation_and_a_stranger_does_not() -> None:
    ours, theirs = make_organisation(), make_organisation()
    member = make_member(ours)
    with signed_in(user_id=member.pk), tenant(ours):
        assert list(queries.visible_to(member, Organisation.objects.all(), "access.view_organisation")) == [ours]
    queries.require(member, "access.view_organisation", ours)
    with pytest.raises(NotFound):
        queries.require(member, "access.view_organisation", theirs)


def test_member_without_the_right_is_refused_and_stranger_finds_nothing() -> None:
    ours, theirs = make_organisation(), make_organisation()
    member, stranger = make_member(ours), make_member(theirs, roles=("administrator",))
    with pytest.raises(Forbidden):
        services.add_member(actor=member, organisation=ours, user=make_user())
    with pytest.raises(NotFound):
        services.add_member(actor=stranger, organisation=ours, user=make_user())


def test_superuser_flag_gives_no_right() -> None:
    organisation = make_organisation()
    user = make_user()
    User.objects.filter(pk=user.pk).update(is_superuser=True, is_installation_administrator=True)
    user.refresh_from_db()
    assert not queries.visible_to(user, Organisation.objects.all(), "access.view_organisation").exists()
    with pytest.raises(NotFound):
        queries.require(user, "access.view_organisation", organisation)


def test_roles_need_a_membership_and_end_with_it() -> None:
    organisation = make_organisation()
    administrator = make_member(organisation, roles=("administrator",))
    officer = make_member(organisation, roles=("officer",))
    assert queries.may(officer, "access.view_audit", organisation)
    services.remove_member(actor=administrator, organisation=organisation, user=officer)
    assert not queries.may(officer, "access.view_audit", organisation)
    assert not officer.groups.exists()
    with pytest.raises(NotAMember):
        services.grant_role(actor=administrator, container=organisation, role="officer", user=officer)


def test_inactive_membership_voids_roles_that_were_left_behind() -> None:
    organisation = make_organisation()
    officer = make_member(organisation, roles=("officer",))
    with tenant(organisation):
        Membership.objects.filter(user=officer).update(is_active=False)
    assert not queries.may(officer, "access.view_audit", organisation)


def test_inactive_account_has_no_right() -> None:
    organisation = make_organisation()
    officer = make_member(organisation, roles=("officer",))
    officer.is_active = False
    officer.save()
    assert not queries.may(officer, "access.view_audit", organisation)


def test_last_administrator_stays() -> None:
    organisation = make_organisation()
    administrator = make_member(organisation, roles=("administrator",))
    with pytest.raises(LastAdministrator):
        services.remove_member(actor=administrator, organisation=organisation, user=administrator)
    with pytest.raises(LastAdministrator):
        services.revoke_role(actor=administrator, container=organisation, role="administrator", user=administrator)


def test_unknown_role_is_refused() -> None:
    organisation = make_organisation()
    administrator = make_member(organisation, roles=("administrator",))
    with pytest.raises(UnknownRole):
        services.grant_role(actor=administrator, container=organisation, role="emperor", user=administrator)


def test_prepare_roles_mends_what_a_role_holds() -> None:
    organisation = make_organisation()
    officer = make_member(organisation, roles=("officer",))
    table = queries.permission_table(Organisation)
    with tenant(organisation):
        table.objects.filter(content_object=organisation).delete()
    assert not queries.may(officer, "access.view_audit", organisation)
    services.prepare_roles(container=organisation)
    services.prepare_roles(container=organisation)
    assert queries.may(officer, "access.view_audit", organisation)
    assert not queries.may(officer, "access.manage_people", organisation)


def test_roles_of_names_each_role_in_this_organisation_only() -> None:
    ours, theirs = make_organisation(), make_organisation()
    user = make_member(ours, roles=("officer",))
    services.add_member(actor=None, organisation=theirs, user=user, roles=("administrator",))

    with tenant(ours):
        assert queries.roles_of(user=user, organisation=ours) == {
            ("access.organisation", ours.pk): {"member", "officer"}
        }


@pytest.mark.parametrize("slug", ["", "UPPER", "-a", "a-", "a b", "a" * 64, "ä", "../x"])
def test_bad_organisation_addresses_are_refused(slug: str) -> None:
    with pytest.raises(Invalid) as refusal:
        services.create_organisation(slug=slug, name="Name")
    assert "slug" in refusal.value.fields


def test_visible_to_is_one_query() -> None:
    organisation = make_organisation()
    member = make_member(organisation)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        list(queries.visible_to(member, Organisation.objects.all(), "access.view_organisation"))
    assert len(captured) == 1


@pytest.mark.django_db(transaction=True)
def test_two_administrators_demoting_each_other_leave_one() -> None:
    organisation = make_organisation()
    first = make_member(organisation, roles=("administrator",))
    second = make_member(organisation, roles=("administrator",))
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def demote(actor: User, other: User) -> None:
        start.wait()
        try:
            services.revoke_role(actor=actor, container=organisation, role="administrator", user=other)
            outcomes.append("done")
        except (LastAdministrator, Forbidden):
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with tenant(organisation):
        assert queries.people_with_role(container=organisation, role="administrator").count() == 1
    assert sorted(outcomes) == ["done", "refused"]
