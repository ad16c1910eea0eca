"""Roles with their reasons and ends, the whitelist, and what explicit grants alone open."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from access import checks, explain, looking, queries, services, sight, sudo
from access.errors import LastAdministrator
from access.models import Membership, Organisation, RoleGrant, User
from access.sign_in import sessions
from archive.models import Archive
from archive.services import create_archive
from core.errors import Forbidden, Invalid
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db
VIEW = "archive.view_archive"


def make_archive(organisation: Organisation, *, actor: User | None = None, slug: str = "clinical") -> Archive:
    title = f"{organisation.slug}-{slug}".upper().replace("-", "_")[-16:]
    with tenant(organisation):
        return create_archive(actor=actor, organisation=organisation, slug=slug, name=slug, ae_title=title)


def may(user: User, permission: str, container: Any) -> bool:
    with tenant(container.owning_organisation):
        return queries.may(user, permission, container)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="access.backends.PasswordBackend")
    return client


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, username="admin@hospital", roles=("administrator",))


def test_a_role_held_for_two_reasons_ends_with_the_last(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital)
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    services.grant_role(actor=None, container=archive, role="reader", user=user, source="sso:idp")
    services.revoke_role(actor=None, container=archive, role="reader", user=user, source="sso:idp")
    assert may(user, VIEW, archive)
    services.revoke_role(actor=administrator, container=archive, role="reader", user=user)
    assert not may(user, VIEW, archive)
    with tenant(hospital):
        assert RoleGrant.objects.filter(user=user, container_role__role="reader", ended_at=None).count() == 0
        assert RoleGrant.objects.filter(user=user, container_role__role="reader").count() == 2


def test_a_role_opens_nothing_from_the_moment_it_ends(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital)
    services.grant_role(
        actor=administrator,
        container=archive,
        role="reader",
        user=user,
        expires_at=timezone.now() + timedelta(days=1),
    )
    assert may(user, VIEW, archive)
    with tenant(hospital):
        RoleGrant.objects.filter(user=user, container_role__role="reader").update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
        assert not may(user, VIEW, archive)
        assert user not in queries.people_with_role(container=archive, role="reader")
    assert services.end_expired_grants() == 1
    assert services.end_expired_grants() == 0
    assert not user.groups.filter(container_role__role="reader").exists()


def test_administrators_and_memberships_have_no_end_date(hospital: Organisation, administrator: User) -> None:
    soon = timezone.now() + timedelta(days=1)
    with pytest.raises(Invalid):
        services.grant_role(
            actor=administrator, container=hospital, role="administrator", user=make_member(hospital), expires_at=soon
        )
    with pytest.raises(Invalid):
        services.grant_role(
            actor=administrator,
            container=hospital,
            role="officer",
            user=make_member(hospital),
            expires_at=timezone.now() - timedelta(seconds=1),
        )


def test_a_permission_row_outside_the_whitelist_opens_nothing(hospital: Organisation, administrator: User) -> None:
    archive, other = make_archive(hospital, actor=administrator), make_archive(hospital, slug="other")
    user = make_member(hospital)
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    table = queries.permission_table(Archive)
    with tenant(hospital):
        reader = Group.objects.get(container_role__role="reader", container_role__container_id=archive.pk)
        delete = Permission.objects.get(codename="delete_images", content_type__app_label="archive")
        view = Permission.objects.get(codename="view_archive", content_type__app_label="archive")
        # A role that does not hold it, a role of another container, and a group that is no role at all.
        table.objects.create(group=reader, content_object=archive, permission=delete)
        table.objects.create(group=reader, content_object=other, permission=view)
        stray = Group.objects.create(name="stray")
        with all_tenants():  # the wall lets nobody of an organisation into a group that is no role of it
            stray.user_set.add(user)
        table.objects.create(group=stray, content_object=other, permission=view)
        assert may(user, VIEW, archive)
        assert not may(user, "archive.delete_images", archive)
        assert not may(user, VIEW, other)
    assert checks.foreign_permissions(Archive) == 3
    assert checks.foreign_permissions(Organisation) == 0
    (warning,) = checks.every_permission_comes_from_a_role(None, databases=["default"])
    assert warning.id == "access.W001"


def test_flags_of_an_account_open_nothing(hospital: Organisation, administrator: User) -> None:
    archive = make_archive(hospital, actor=administrator)
    user = make_member(make_organisation("elsewhere"))
    user.is_superuser = user.is_installation_administrator = True
    user.save()
    assert not may(user, VIEW, archive)
    assert not may(user, "access.view_organisation", hospital)
    assert signed_in(user).get("/o/hospital/").status_code == 404
    member = make_member(hospital)
    member.is_superuser = member.is_installation_administrator = True
    member.save()
    assert not may(member, VIEW, archive)


def test_suspension_closes_every_door_and_keeps_the_roles(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital)
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    client = signed_in(user)
    assert client.get("/o/hospital/").status_code == 200
    services.suspend_member(actor=administrator, organisation=hospital, user=user)
    assert client.get("/o/hospital/").status_code == 404
    assert not may(user, VIEW, archive)
    services.restore_member(actor=administrator, organisation=hospital, user=user)
    assert client.get("/o/hospital/").status_code == 200
    assert may(user, VIEW, archive)


def test_leaving_ends_every_right_at_the_next_request(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital)
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    client = signed_in(user)
    assert client.post(reverse("access:leave", kwargs={"slug": "hospital"})).status_code == 302
    assert client.get("/o/hospital/").status_code == 404
    assert not may(user, VIEW, archive)
    # Let in again, nothing of before comes back by itself.
    services.add_member(actor=administrator, organisation=hospital, user=user)
    assert not may(user, VIEW, archive)
    with pytest.raises(LastAdministrator):
        services.leave(user=administrator, organisation=hospital)


def test_a_change_of_rights_ends_what_doors_remember(
    hospital: Organisation, administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    from django.core.cache import cache

    user = make_member(hospital)
    keys = ["seen", sight.stamp_key(user)]
    cache.set("seen", sight.memory(cache.get_many(keys), user=user, what="all"))
    assert sight.recalled(found=cache.get_many(keys), key="seen", user=user) == "all"
    with django_capture_on_commit_callbacks(execute=True):
        services.remove_member(actor=administrator, organisation=hospital, user=user)
    assert sight.recalled(found=cache.get_many(keys), key="seen", user=user) == ""


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_demote_each_other_one_stays() -> None:
    organisation = make_organisation()
    pair = [make_member(organisation, roles=("administrator",)) for _n in range(2)]
    barrier, refused = threading.Barrier(2), []

    def demote(actor: User, user: User) -> None:
        barrier.wait()
        try:
            services.revoke_role(actor=actor, container=organisation, role="administrator", user=user)
        except (LastAdministrator, Forbidden) as error:
            refused.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=order) for order in (pair, pair[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenant(organisation):
        assert queries.people_with_role(container=organisation, role="administrator").count() == 1
    assert len(refused) == 1


def test_explain_says_what_the_filter_says_and_why(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital)
    assert not explain.explain(user=user, permission=VIEW, container=archive).may
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    answer = explain.explain(user=user, permission=VIEW, container=archive)
    assert answer.may
    assert any("Given directly" in reason.words and reason.holds for reason in answer.reasons)
    services.suspend_member(actor=administrator, organisation=hospital, user=user)
    answer = explain.explain(user=user, permission=VIEW, container=archive)
    assert not answer.may
    assert "suspended" in answer.reasons[-1].words


def test_the_page_of_a_container_gives_takes_and_undoes(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital, username="eve@hospital")
    place = {"organisation": "hospital", "kind": "archive.archive", "container": archive.pk}
    client = signed_in(administrator)
    given = client.post(reverse("access:grant-add", kwargs=place), {"person": "eve@hospital", "role": "reader"})
    assert given.status_code == 302
    assert may(user, VIEW, archive)
    with tenant(hospital):
        grant = RoleGrant.objects.get(user=user, container_role__role="reader")
    page = client.get(reverse("access:container", kwargs=place))
    assert "Given directly" in page.content.decode()
    taken = client.post(reverse("access:grant-end", kwargs={**place, "grant": grant.pk}))
    assert not may(user, VIEW, archive)
    assert "Undo" in client.get(taken["Location"]).content.decode()
    client.post(reverse("access:grant-undo", kwargs=place))
    assert may(user, VIEW, archive)


def test_the_page_of_a_container_is_for_its_managers_alone(hospital: Organisation, administrator: User) -> None:
    archive, reader, manager = make_archive(hospital), make_member(hospital), make_member(hospital)
    services.grant_role(actor=None, container=archive, role="reader", user=reader)
    services.grant_role(actor=None, container=archive, role="manager", user=manager)
    stranger = make_member(make_organisation("elsewhere"), roles=("administrator",))
    address = reverse(
        "access:container", kwargs={"organisation": "hospital", "kind": "archive.archive", "container": archive.pk}
    )
    for user, status in ((manager, 200), (administrator, 200), (reader, 403), (stranger, 404)):
        assert signed_in(user).get(address).status_code == status
    # The same number asked in the other organisation is not its container.
    elsewhere = address.replace("hospital", "elsewhere")
    assert signed_in(stranger).get(elsewhere).status_code == 404
    assert signed_in(administrator).get(address.replace("archive.archive", "auth.group")).status_code == 404


def test_matrix_costs_the_same_however_many_people_there_are(
    hospital: Organisation, administrator: User, django_assert_max_num_queries: Any
) -> None:
    archive = make_archive(hospital, actor=administrator)
    for _n in range(15):
        services.grant_role(actor=None, container=archive, role="reader", user=make_member(hospital))
    client = signed_in(administrator)
    address = reverse("access:matrix", kwargs={"organisation": "hospital"})
    client.get(address)
    with django_assert_max_num_queries(30):
        page = client.get(address)
    assert page.content.decode().count("Reader") >= 15
    exported = client.get(address + "?format=csv").content.decode()
    assert exported.count("Reader") == 15


def test_a_look_through_other_eyes_reads_what_both_may_see_and_writes_nothing(
    hospital: Organisation, administrator: User
) -> None:
    archive, user = make_archive(hospital), make_member(hospital, username="eve@hospital")
    services.grant_role(actor=None, container=archive, role="reader", user=user)
    client = signed_in(administrator)
    begun = client.post(reverse("access:view-as-start", kwargs={"organisation": "hospital", "person": user.pk}))
    assert begun.status_code == 302
    page = client.get(reverse("access:view-as", kwargs={"organisation": "hospital"})).content.decode()
    assert "You look as" in page
    # The member may read the archive, the administrator may not: neither does the look.
    assert client.get("/o/hospital/archive/clinical/studies/").status_code == 403
    assert client.get("/o/hospital/").status_code == 403
    refused = client.post(reverse("access:person-suspend", kwargs={"organisation": "hospital", "person": user.pk}))
    assert refused.status_code == 403
    with tenant(hospital):
        assert Membership.objects.get(organisation=hospital, user=user).is_active
    services.grant_role(actor=None, container=archive, role="reader", user=administrator)
    assert client.get("/o/hospital/archive/clinical/studies/").status_code == 200
    assert client.get(reverse("access:people", kwargs={"organisation": "hospital"})).status_code == 403
    client.post(reverse("access:view-as-end", kwargs={"organisation": "hospital"}))
    assert client.get(reverse("access:people", kwargs={"organisation": "hospital"})).status_code == 200


def test_a_look_is_told_as_the_act_of_who_looks(hospital: Organisation, administrator: User) -> None:
    from audit import services as audit
    from audit.models import Event

    user = make_member(hospital)
    user.seen_by = administrator
    audit.record(action="audit.viewed", organisation=hospital, actor=user, target=hospital)
    with tenant(hospital):
        event = Event.objects.filter(action="audit.viewed").get()
    assert event.actor == administrator
    assert user.username in event.explained_by


def test_a_look_needs_the_right_to_manage_people_all_the_time(hospital: Organisation, administrator: User) -> None:
    second, user = make_member(hospital, roles=("administrator",)), make_member(hospital)
    client = signed_in(second)
    client.post(reverse("access:view-as-start", kwargs={"organisation": "hospital", "person": user.pk}))
    services.revoke_role(actor=administrator, container=hospital, role="administrator", user=second)
    assert client.get(reverse("access:view-as", kwargs={"organisation": "hospital"})).status_code == 404
    with pytest.raises(Forbidden):
        looking.start(actor=user, organisation=hospital, user=second, request=RequestFactory().post("/"))


def test_changing_roles_asks_for_a_proof_when_the_sign_in_is_old(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital, username="eve@hospital")
    client = signed_in(administrator)
    session = client.session
    session.pop(sudo.SESSION_KEY, None)
    session[sessions.BEGUN] = int(time.time()) - sudo.VALID_SECONDS - 1
    session.save()
    place = {"organisation": "hospital", "kind": "archive.archive", "container": archive.pk}
    asked = client.post(reverse("access:grant-add", kwargs=place), {"person": "eve@hospital", "role": "reader"})
    assert asked.status_code != 302
    assert not may(user, VIEW, archive)


def test_a_role_that_a_container_got_later_holds_its_permissions(hospital: Organisation, administrator: User) -> None:
    archive, user = make_archive(hospital, actor=administrator), make_member(hospital)
    with tenant(hospital):
        Group.objects.filter(container_role__role="reader", container_role__container_id=archive.pk).delete()
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    assert may(user, VIEW, archive)
