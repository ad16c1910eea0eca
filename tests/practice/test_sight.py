"""Lists ask for what a person may see another way than pages of one thing: both must say the same, whoever asks."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from access.models import ApiToken, Organisation, User
from access.queries import may, visible_to, visible_within
from access.services import grant_role
from archive.models import Archive, Instance, Series, Study
from archive.queries import VIEW
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
    """For studies, series and instances: what the filter gives, and what lists ask."""
    found = []
    with tenant(organisation):
        is_open = may(user, VIEW, archive)
        for model in MODELS:
            rows = model.objects.filter(archive=archive)
            listed = visible_within(user, rows, VIEW, is_open=is_open)
            found.append(
                (
                    set(visible_to(user, rows, VIEW).values_list("pk", flat=True)),
                    set(listed.values_list("pk", flat=True)),
                )
            )
            assert listed.count() == len(found[-1][1])  # none twice
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
        "learner by a token for the archive": (limited(house.learner, house.archive), 1),
        "learner by a token for the course": (limited(house.learner, house.course), 0),
        "learner by a token for the organisation": (limited(house.learner, house.organisation), 1),
        "learner seen by a reader": (looking_as(house.learner, viewer=reader), 1),
        # A role and a case do not meet: both must hold the role, or both the case.
        "reader seen by the learner": (looking_as(reader, viewer=house.learner), 0),
        "reader seen by a member": (looking_as(reader, viewer=house.member), 0),
    }


def test_lists_and_pages_agree_on_what_each_person_sees(house: House) -> None:
    for name, (person, expected) in people(house).items():
        found = ways(person, archive=house.archive, organisation=house.organisation)
        for model, (by_filter, by_list) in zip(MODELS, found, strict=True):
            assert by_list == by_filter, (name, model.__name__)
        assert len(found[0][0]) == expected, name


def test_a_list_by_another_reason_leaves_out_the_reports(house: House) -> None:
    with tenant(house.organisation):
        rows = Series.objects.filter(archive=house.archive)
        listed = visible_within(house.learner, rows, VIEW, is_open=False)
        assert {series.modality for series in listed} == {"MR"}
        assert {series.modality for series in rows} == {"MR", "SR"}
