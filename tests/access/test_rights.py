"""What a page is told of a person's rights is what every door would answer, container by container."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from access import queries, rights, services
from access.models import Organisation, RoleGrant, User
from access.people import containers_of
from archive.models import Archive
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.access.test_reasons import make_archive

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, username="admin@hospital", roles=("administrator",))


def as_asked_one_by_one(user: Any, organisation: Organisation) -> rights.Rights:
    with tenant(organisation):
        answers = {
            (container.container_kind(), container.pk): frozenset(
                permission
                for codename in container.assignable_permissions()
                if queries.may(user, permission := f"{container._meta.app_label}.{codename}", container)
            )
            for container in containers_of(organisation)
        }
    return {key: held for key, held in answers.items() if held}


def check(user: Any, organisation: Organisation) -> rights.Rights:
    found = rights.of(user=user, organisation=organisation)
    assert found == as_asked_one_by_one(user, organisation)
    return found


def test_each_role_of_each_container(hospital: Organisation, administrator: User) -> None:
    make_archive(hospital, actor=administrator)
    with tenant(hospital):
        containers = containers_of(hospital)
    for container in containers:
        for role in container.ROLES:
            user = make_member(hospital)
            services.grant_role(actor=None, container=container, role=role, user=user)
            assert (container.container_kind(), container.pk) in check(user, hospital)
    assert len(check(administrator, hospital)) > 1


def test_ended_expired_suspended_and_foreign(hospital: Organisation, administrator: User) -> None:
    archive = make_archive(hospital, actor=administrator)
    key = (Archive.container_kind(), archive.pk)
    user = make_member(hospital)
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    assert "archive.view_archive" in check(user, hospital)[key]
    with tenant(hospital):
        grants = RoleGrant.objects.filter(user=user, container_role__container_kind=archive.container_kind())
        grants.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert key not in check(user, hospital)
    with tenant(hospital):
        grants.update(expires_at=None)
    services.suspend_member(actor=administrator, organisation=hospital, user=user)
    assert check(user, hospital) == {}
    assert check(make_member(make_organisation("elsewhere"), roles=("administrator",)), hospital) == {}


def test_rows_that_no_role_explains_and_other_eyes(hospital: Organisation, administrator: User) -> None:
    archive, other = make_archive(hospital, actor=administrator), make_archive(hospital, slug="other")
    user = make_member(hospital)
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    table = queries.permission_table(Archive)
    with tenant(hospital):
        reader = Group.objects.get(container_role__role="reader", container_role__container_id=archive.pk)
        delete = Permission.objects.get(codename="delete_images", content_type__app_label="archive")
        view = Permission.objects.get(codename="view_archive", content_type__app_label="archive")
        table.objects.create(group=reader, content_object=archive, permission=delete)
        table.objects.create(group=reader, content_object=other, permission=view)
    found = check(user, hospital)
    assert (Archive.container_kind(), other.pk) not in found
    user.seen_by = make_member(hospital, roles=("administrator",))
    assert (Archive.container_kind(), archive.pk) not in check(user, hospital)


def test_a_page_asks_once_however_many_kinds_there_are(
    hospital: Organisation, administrator: User, django_assert_max_num_queries: Any
) -> None:
    make_archive(hospital, actor=administrator)
    with django_assert_max_num_queries(4):  # membership, roles, and the organisation's and the archive's permissions
        rights.of(user=administrator, organisation=hospital)
