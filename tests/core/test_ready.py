"""Queries made ready: the same answers as written anew, never an answer of before, and the wall around them."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.models import Membership, Organisation, RoleGrant, User
from access.queries import containers_with, may
from access.services import create_token, grant_role
from archive.models import Archive
from core.ready import NotReady, Ready, ready
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.archive.factories import make_archive

pytestmark = pytest.mark.django_db

VIEW = "archive.view_archive"


@ready(scoped=True, slug=str)
def archive_at(*, slug: str) -> QuerySet[Archive]:
    return Archive.objects.select_related("organisation").filter(slug=slug)


@ready(name=str)
def user_named(*, name: str) -> QuerySet[User]:
    return User.objects.filter(username=name)


def test_rows_are_the_ones_that_the_queryset_gives() -> None:
    archive = make_archive(calling_ae_titles=["CT1", "MR%s"])
    with tenant(archive.organisation):
        written = Archive.objects.select_related("organisation").get(slug=archive.slug)
        found = archive_at.first(slug=archive.slug)
        assert found is not None
        assert {field.attname: getattr(found, field.attname) for field in Archive._meta.concrete_fields} == {
            field.attname: getattr(written, field.attname) for field in Archive._meta.concrete_fields
        }
        with CaptureQueriesContext(connection) as captured:
            assert found.organisation.name == archive.organisation.name
        assert not captured.captured_queries
        assert archive_at.first(slug="nowhere") is None


def test_each_scope_gets_its_own_rows() -> None:
    ours, theirs = make_archive(), make_archive(make_organisation())
    for _again in range(8):  # PostgreSQL keeps a plan for all values from the sixth time on
        for archive, other in ((ours, theirs), (theirs, ours)):
            with tenant(archive.organisation):
                assert archive_at.first(slug=archive.slug) == archive
                if other.slug != archive.slug:
                    assert archive_at.first(slug=other.slug) is None


def test_a_scoped_query_is_not_asked_outside_a_scope() -> None:
    with pytest.raises(NotReady):
        archive_at.first(slug="x")
    with all_tenants(), pytest.raises(NotReady):
        archive_at.first(slug="x")


def test_the_wall_stands_around_a_plan_that_forgets_its_scope() -> None:
    """A plan kept by the server reads the session's organisation each time it runs."""

    @ready(slug=str)
    def anywhere(*, slug: str) -> QuerySet[Archive]:
        return Archive.objects.filter(slug=slug)

    ours, theirs = make_archive(slug="one"), make_archive(make_organisation(), slug="two")
    with all_tenants():
        for _again in range(8):
            assert anywhere.first(slug="one") == ours
    with tenant(ours.organisation):
        assert anywhere.first(slug="one") == ours
        assert anywhere.first(slug="two") is None
    with tenant(theirs.organisation):
        assert anywhere.first(slug="one") is None


def test_values_are_values_and_never_sql() -> None:
    user = make_user()
    assert user_named.first(name=user.username) == user
    for hostile in ("' OR '1'='1", "%s", "%(name)s", "\\", '"', "\ue000stand-in 1\ue001"):
        assert user_named.first(name=hostile) is None


def test_a_value_that_does_not_reach_the_sql_is_refused() -> None:
    forgotten: Ready[User] = ready(name=str, other=str)(lambda *, name, other: User.objects.filter(username=name))
    changed: Ready[User] = ready(name=str)(lambda *, name: User.objects.filter(username=name.upper() + "x"))
    for one, values in ((forgotten, {"name": "a", "other": "b"}), (changed, {"name": "a"})):
        with pytest.raises(NotReady):
            one.first(**values)
    with pytest.raises(TypeError):
        user_named.first(nome="a")


def test_a_query_that_can_find_nothing_finds_nothing() -> None:
    nothing: Ready[User] = ready(name=str)(lambda *, name: User.objects.filter(username=name).none())
    assert nothing.all(name="a") == []


def test_it_is_one_query_and_counted_as_one() -> None:
    archive = make_archive()
    with tenant(archive.organisation):
        archive_at.first(slug=archive.slug)
        with CaptureQueriesContext(connection) as captured:
            archive_at.first(slug=archive.slug)
    assert len(captured) == 1
    assert archive.slug in captured.captured_queries[0]["sql"]


def test_it_goes_on_after_a_transaction_that_failed() -> None:
    archive = make_archive()
    for _again in range(7):
        with suppress(ZeroDivisionError), transaction.atomic(), tenant(archive.organisation):
            assert archive_at.first(slug=archive.slug) == archive
            raise ZeroDivisionError
    with tenant(archive.organisation):
        assert archive_at.first(slug=archive.slug) == archive


# The permission filter -----------------------------------------------------------------------------------------------


def opened(user: User, archive: Archive) -> bool:
    """What the ready filter says; the same filter written anew must agree."""
    ready_says = may(user, VIEW, archive)
    with tenant(archive.organisation):
        assert (
            containers_with(user=user, permission=VIEW, container=Archive).filter(pk=archive.pk).exists() is ready_says
        )
    return ready_says


def make_reader(archive: Archive) -> User:
    user = make_member(archive.organisation)
    grant_role(actor=None, container=archive, role="reader", user=user)
    return user


def test_a_right_taken_away_is_gone_with_the_next_question() -> None:
    archive = make_archive()
    organisation = archive.organisation
    user = make_reader(archive)
    for _again in range(8):
        assert opened(user, archive)
    with tenant(organisation):
        Membership.objects.filter(user=user).update(is_active=False)
        assert not opened(user, archive)
        Membership.objects.filter(user=user).update(is_active=True)
        assert opened(user, archive)
        Organisation.objects.filter(pk=organisation.pk).update(suspended_at=timezone.now())
        assert not opened(user, archive)
        Organisation.objects.filter(pk=organisation.pk).update(suspended_at=None)
        assert opened(user, archive)
        RoleGrant.objects.filter(user=user).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
        assert not opened(user, archive)
        RoleGrant.objects.filter(user=user).update(expires_at=timezone.now() + dt.timedelta(hours=1))
        assert opened(user, archive)
        RoleGrant.objects.filter(user=user).update(ended_at=timezone.now())
        assert not opened(user, archive)


def test_another_archive_or_person_or_right_stays_closed() -> None:
    archive, elsewhere = make_archive(), make_archive(make_organisation())
    beside = make_archive(archive.organisation)
    user, stranger = make_reader(archive), make_member(archive.organisation)
    for _again in range(8):
        assert opened(user, archive)
        assert not opened(user, beside)
        assert not opened(user, elsewhere)
        assert not opened(stranger, archive)
        assert not may(user, "archive.delete_images", archive)
    user.is_active = False
    assert not opened(user, archive)


def test_a_limited_token_and_a_look_open_no_more_than_they_may() -> None:
    archive = make_archive()
    beside = make_archive(archive.organisation)
    user, viewer = make_reader(archive), make_member(archive.organisation)
    grant_role(actor=None, container=beside, role="reader", user=user)
    token, _secret = create_token(
        user=user, name="limited", scopes=["dicomweb"], containers=[f"{Archive.container_kind()}:{beside.pk}"]
    )
    user.api_token = token
    assert not opened(user, archive)
    assert opened(user, beside)
    token.containers, token.shut_out_of = [], [archive.organisation.pk]
    assert not opened(user, beside)
    token.shut_out_of = []
    assert opened(user, archive)
    user.guest = object()  # type: ignore[attr-defined] -- as the middleware marks who comes by a share
    assert not opened(user, archive)
    del user.guest  # type: ignore[attr-defined]
    user.api_token, user.seen_by = None, viewer
    assert not opened(user, archive)
    grant_role(actor=None, container=archive, role="reader", user=viewer)
    assert opened(user, archive)


def test_rows_are_locked_and_several_texts_are_one_value() -> None:
    @ready(scoped=True, slugs=list)
    def locked(*, slugs: list[str]) -> QuerySet[Archive]:
        return Archive.objects.filter(slug__any_of=slugs).order_by("slug").select_for_update()

    one = make_archive(slug="one")
    two = make_archive(one.organisation, slug="two")
    elsewhere = make_archive(make_organisation(), slug="three")
    with tenant(one.organisation), transaction.atomic():
        assert locked.all(slugs=["two", "one", elsewhere.slug, "{one,two}"]) == [one, two]
        assert locked.all(slugs=[]) == []
        assert locked.all(slugs=['"', "\\", "NULL", "a,b"]) == []


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_inside_a_transaction_only() -> None:
    @ready(slug=str)
    def locked(*, slug: str) -> QuerySet[Archive]:
        return Archive.objects.filter(slug=slug).select_for_update()

    archive = make_archive()
    with all_tenants():
        with transaction.atomic():
            assert locked.first(slug=archive.slug) == archive
        with pytest.raises(NotReady):
            locked.first(slug=archive.slug)


@pytest.mark.django_db(transaction=True)
def test_the_first_ready_query_of_a_connection_may_begin_a_transaction() -> None:
    """Its setting is sent without the scope; the one of the transaction before must not be taken for this one's."""
    organisation = make_organisation()
    person = make_member(organisation, roles=("administrator",))
    connection.close()
    with transaction.atomic(), tenant(organisation):
        assert Membership.objects.count() == 1
    with transaction.atomic(), tenant(organisation):
        assert may(person, "access.manage_people", organisation)
