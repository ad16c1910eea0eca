"""Lists ask for what a person may see another way than pages of one thing: both must say the same, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q

from access import hooks
from access.models import ApiToken, Organisation, User
from access.queries import may, seen_within, visible_to, visible_within
from access.services import grant_role
from archive.models import Archive, Instance, Series, Study
from archive.queries import VIEW, studies
from core.tenancy import tenant
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_series
from tests.practice.test_reads import read
from tests.teaching.factories import House, make_case, make_house, make_study, publish

pytestmark = pytest.mark.django_db

MODELS = (Study, Series, Instance)


def add_report(study: Study) -> None:
    """A series that would tell what there is to find, in the study of a published case."""
    elements = {"StudyInstanceUID": study.study_instance_uid, "PatientID": study.patient.patient_id}
    deliver(study.archive, make_series(count=1, Modality="SR", SeriesInstanceUID="1.2.3.99", **elements))


def limited(user: User, *containers: Any) -> User:
    person = User.objects.get(pk=user.pk)
    keys = [f"{one.container_kind()}:{one.pk}" for one in containers]
    person.api_token = ApiToken(user=person, containers=keys)
    return person


def looking_as(person: User, *, viewer: User) -> User:
    seen = User.objects.get(pk=person.pk)
    seen.seen_by = viewer
    return seen


def ways(user: Any, *, archive: Archive, organisation: Organisation) -> list[tuple[set[int], set[int]]]:
    """For studies, series and instances, each with the archive known and not: what the filter gives, what lists ask."""
    found = []
    with tenant(organisation):
        is_open = may(user, VIEW, archive)
        for model in MODELS:
            rows = model.objects.filter(archive=archive)
            by_filter = set(visible_to(user, rows, VIEW).values_list("pk", flat=True))
            for container in (archive, None):
                listed = visible_within(user, rows, VIEW, is_open=is_open, container=container)
                found.append((by_filter, set(listed.values_list("pk", flat=True))))
                assert listed.count() == len(found[-1][1])  # none twice
                is_whole = seen_within(user, rows, VIEW, is_open=is_open, container=container).is_whole
                assert not is_whole or len(found[-1][1]) == rows.count()
    return found


@pytest.fixture
def house() -> House:
    """A teaching archive of five studies: of a published case, of one that was replaced, of a draft, and two of none."""
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        add_report(version.studies.get())
        read(house, version)
    publish(house, in_course=False)
    make_case(house)
    make_study(house.archive)
    make_study(house.archive)
    return house


def people(house: House) -> dict[str, tuple[Any, int]]:
    """Who asks, and how many studies they see."""
    stranger = make_house()
    reader = make_member(house.organisation)
    grant_role(actor=None, container=house.archive, role="reader", user=reader)
    everything = 5
    return {
        "reader": (reader, everything),
        "educator": (house.educator, everything),
        "reviewer": (house.reviewer, 3),
        "learner": (house.learner, 1),
        "member": (house.member, 0),
        "officer": (house.officer, 0),
        "educator of another house": (stranger.educator, 0),
        "nobody": (AnonymousUser(), 0),
        "reader by a token for the archive": (limited(reader, house.archive), everything),
        "reader by a token for the library": (limited(reader, house.library), 0),
        "learner by a token for the archive": (limited(house.learner, house.archive), 0),
        "learner by a token for the course": (limited(house.learner, house.course), 0),
        "learner by a token for the organisation": (limited(house.learner, house.organisation), 1),
        "learner seen by a reader": (looking_as(house.learner, viewer=reader), 1),
        # What both see, each for their own reason: the role of one, the case of the other.
        "reader seen by the learner": (looking_as(reader, viewer=house.learner), 1),
        "reader seen by a member": (looking_as(reader, viewer=house.member), 0),
    }


def test_lists_and_pages_agree_on_what_each_person_sees(house: House) -> None:
    for name, (person, expected) in people(house).items():
        found = ways(person, archive=house.archive, organisation=house.organisation)
        assert len(found) == 2 * len(MODELS)
        for number, (by_filter, by_list) in enumerate(found):
            assert by_list == by_filter, (name, MODELS[number // 2].__name__)
        assert len(found[0][0]) == expected, name


def test_a_list_by_another_reason_leaves_out_the_reports(house: House) -> None:
    with tenant(house.organisation):
        rows = Series.objects.filter(archive=house.archive)
        listed = visible_within(house.learner, rows, VIEW, is_open=False)
        assert {series.modality for series in listed} == {"MR"}
        assert {series.modality for series in rows} == {"MR", "SR"}


def ours(archive: Archive) -> Any:
    return Archive.objects.filter(pk=archive.pk).values("pk")


def one(archive: Archive) -> Any:
    return Study.objects.filter(archive=archive).order_by("pk").values("pk")[:1]


# A reason, and how many of the five studies it gives.
REASONS: dict[str, tuple[Callable[[Archive], Q], int]] = {
    "the archive": (lambda archive: Q(archive__in=ours(archive)), 5),
    "the archive or one": (lambda archive: Q(pk__in=one(archive)) | Q(archive__in=ours(archive)), 5),
    "the archive, and what none has": (lambda archive: Q(archive__in=ours(archive)) & Q(description="none such"), 0),
    "one, or the archive and what none has": (
        lambda archive: Q(pk__in=one(archive)) | (Q(archive__in=ours(archive)) & Q(description="none such")),
        1,
    ),
    "not the archive": (lambda archive: ~Q(archive__in=ours(archive)), 0),
    "not the archive or one": (lambda archive: ~(Q(archive__in=ours(archive)) | Q(pk__in=one(archive))), 0),
    "all but one": (lambda archive: Q(archive__in=ours(archive)) & ~Q(pk__in=one(archive)), 4),
    "nested": (lambda archive: Q(Q(Q(description="none such") | Q(archive__in=ours(archive)))), 5),
    "no archive": (lambda archive: Q(archive__in=Archive.objects.none().values("pk")), 0),
    "another archive": (lambda archive: Q(archive__in=Archive.objects.exclude(pk=archive.pk).values("pk")), 0),
    "nothing": (lambda archive: Q(pk__in=[]), 0),
    "no condition": (lambda archive: Q(), 0),
}


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_opens_the_archive_only_when_it_does_by_itself(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    reason, expected = REASONS[name]
    monkeypatch.setattr(hooks, "_visibility", {})
    hooks.register_visibility(Study, lambda *, user, permission: reason(house.archive))
    hooks.register_visibility(Study, lambda *, user, permission: None)
    with tenant(house.organisation):
        rows = Study.objects.filter(archive=house.archive)
        listed = visible_within(house.member, rows, VIEW, is_open=False, container=house.archive)
        assert set(listed) == set(visible_to(house.member, rows, VIEW))
        assert listed.count() == expected


def test_a_list_for_another_reason_takes_as_many_queries_however_much_there_is(
    house: House, django_assert_num_queries: Any
) -> None:
    def ask() -> None:
        # Whether a role opens the archive, which kinds of roles there are, whether another reason opens it, and the list.
        with tenant(house.organisation), django_assert_num_queries(4):
            list(studies(user=house.learner, archive=house.archive))

    ask()
    for _case in range(3):
        publish(house)
    ask()


def test_among_is_in(house: House) -> None:
    with tenant(house.organisation):
        rows = Study.objects.filter(archive=house.archive)
        some, none = one(house.archive), Study.objects.none().values("pk")
        patients = Study.objects.filter(pk__in=some).order_by("pk").values("patient")
        for queries in (("pk", some), ("pk", none), ("patient", patients), ("series__study__patient", patients)):
            asked, answer = {f"{queries[0]}__among": queries[1]}, {f"{queries[0]}__in": queries[1]}
            assert set(rows.filter(**asked)) == set(rows.filter(**answer))
            assert set(rows.exclude(**asked)) == set(rows.exclude(**answer))
        assert rows.filter(pk__among=some).count() == 1
