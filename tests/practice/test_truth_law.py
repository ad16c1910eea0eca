"""The law of unknowns, on cases made for it (on the demo's: tests/demo/test_truth_law.py).

One case is published with one truth after another, its reader starts a read and asks every address of the product. What
differs by chance alone is fixed: identifiers, the clock, tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone

from archive.models import Instance, Series, Study
from core.tenancy import tenant
from practice import services as practice
from teaching import services
from teaching.models import CaseVersion
from tests.archive.factories import deliver, make_file
from tests.dicomweb.factories import settle
from tests.matrix import table
from tests.matrix.walk import routes
from tests.matrix.world import World
from tests.practice.law import (
    FOR_LEARNERS,
    NOT_ASKED,
    OF_A_CASE,
    ROUTES_OF_A_CASE,
    TAGS,
    Answers,
    Chance,
    Place,
    differences,
    places,
    sequences,
    walk,
    wind_back,
)  # fmt: skip
from tests.practice.planted import a_count_of_images, a_header, a_longer_page, a_search, an_order_of_options
from tests.practice.truths import (
    ARRIVALS,
    EVERYTHING_ELSE,
    HEADERS,
    PATIENT,
    SERIES_UID,
    STUDY_UID,
    TRUTHS,
    Change,
    Read,
    all_of,
    an_outline,
    normal,
    three_lesions,
)  # fmt: skip
from tests.teaching.factories import House, make_case, make_house, publish

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]


@pytest.fixture
def chance(monkeypatch: pytest.MonkeyPatch) -> Chance:
    return Chance(monkeypatch)


@pytest.fixture
def house() -> House:
    """Beside it another organisation with a published case of its own."""
    publish(make_house())
    return make_house()


def make_images(house: House, headers: Mapping[str, Any]) -> Study:
    pixels = np.arange(256, dtype=np.uint16)
    files = [
        make_file(
            StudyInstanceUID=STUDY_UID, SeriesInstanceUID=SERIES_UID, SOPInstanceUID=f"{SERIES_UID}.{number}",
            InstanceNumber=number, PixelData=(pixels + number).tobytes(), FrameOfReferenceUID=f"{STUDY_UID}.9",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[0, 0, 5 * number], PixelSpacing=[2, 2],
            PatientIdentityRemoved="YES", **{"StudyDescription": None, "SeriesDescription": None, **PATIENT, **headers},
        )
        for number in (1, 3, 4)
    ]  # fmt: skip
    deliver(house.archive, files)
    return Study.objects.get(archive=house.archive, study_instance_uid=STUDY_UID)


def answers(
    house: House, chance: Chance, *, change: Change | None = None, arrival: Change | None = None,
    headers: Mapping[str, Any] | None = None, is_thorough: bool = False, only: Callable[[Place], bool] | None = None,
) -> Answers:  # fmt: skip
    """Address → what the reader of the case gets there; everything that was made for it is taken back."""
    kept = sequences()
    cache.clear()
    with transaction.atomic(), tenant(house.organisation):
        chance.begin("case")
        study = make_images(house, headers or {})
        read = Read(house.educator, house.archive, study, make_case(house, study=study))
        services.add_question(
            actor=house.educator,
            case=read.case,
            kind="text",
            stem="Describe it.",
            rubric=[{"text": "All", "points": 10}],
        )
        chance.begin("truth")
        if change is not None:
            change(read)
        read.case.refresh_from_db()
        chance.begin("publish")
        version = publish(house, read.case)
        chance.begin("arrival")
        if arrival is not None:
            arrival(read)
        settle(house.archive)
        chance.begin("read")
        assignment = services.create_assignment(
            actor=house.educator, course=house.course, title="This week", cases=[read.case],
            due_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
        attempt = practice.start_attempt(user=house.learner, version=version)
        practice.save_draft(user=house.learner, attempt=attempt, draft={})
        client = Client(raise_request_exception=False)
        client.force_login(house.learner)
        world = world_of(house, study=study, version=version, attempt=attempt, assignment=assignment)
        cache.clear()
        asked = filter(only, places(world, is_thorough=is_thorough))
        found = walk(client, asked, chance=chance)
        transaction.set_rollback(True)
    wind_back(kept)
    return found


def world_of(house: House, *, study: Study, version: CaseVersion, attempt: Any, assignment: Any) -> World:
    image = Instance.objects.filter(study=study, series__series_instance_uid=SERIES_UID).select_related("series")
    first = image.earliest("instance_number")
    own_id = Series.objects.get(pk=first.series_id).public_id
    values = {
        "organisation": house.organisation.slug, "archive": house.archive.slug, "library": house.library.slug,
        "course": house.course.slug, "slug": house.library.slug, "kind": "library", "case": version.case.public_id,
        "attempt": attempt.public_id, "assignment": assignment.public_id, "study": study.public_id, "series": own_id,
        "instance": first.pk, "number": 1, "numbers": "1", "path": "7FE00010", "action": "publish",
        "question": version.content["questions"][0]["id"], "section": version.content["sections"][0]["id"],
        "pk": 1, "thing": version.case.public_id, "person": house.educator.pk,
    }  # fmt: skip
    by_uid = {"study": STUDY_UID, "series": SERIES_UID, "instance": first.sop_instance_uid}
    return World(
        organisation=house.organisation,
        people={},
        values=values,
        of_app={"dicomweb": by_uid, "archive-api": by_uid},
        of_route={"access:share-new": {"kind": "case"}},
    )


def test_nothing_that_a_reader_gets_before_the_commit_depends_on_the_truth(house: House, chance: Chance) -> None:
    usual = answers(house, chance)
    # Without this the test could not tell chance from truth; and the reader does see the case.
    assert differences(usual, answers(house, chance)) == []
    assert sum(body.startswith(b"200\n") for body in usual.values()) > 20
    assert any(b"Middle-aged person with headache" in body for body in usual.values())
    assert {place.route for place in usual} >= {route for route in ROUTES_OF_A_CASE if route.startswith(FOR_LEARNERS)}
    for change in (normal, an_outline, EVERYTHING_ELSE):
        if differences(usual, answers(house, chance, change=change)):
            wrong = {
                name: differences(usual, answers(house, chance, change=one))
                for name, one in TRUTHS.items()
                if change is EVERYTHING_ELSE or one is change
            }
            pytest.fail(f"{ {name: found for name, found in wrong.items() if found} }")


def test_no_address_of_the_product_tells_one_truth_from_another(house: House, chance: Chance) -> None:
    """Every address that the case can be asked for, with other texts in the headers and other objects beside the images;
    searches by words of both truths included."""
    one = answers(house, chance, change=normal, is_thorough=True)
    other = answers(
        house, chance, change=EVERYTHING_ELSE, arrival=all_of(*ARRIVALS.values()), is_thorough=True,
        headers={**HEADERS["other texts"], **HEADERS["other dates"]},
    )  # fmt: skip
    untagged = ({place: TAGS.sub(b"", body) for place, body in found.items()} for found in (one, other))
    assert "\n".join(differences(*untagged)) == ""
    reached = {place.route for place, body in one.items() if body[:1] in b"23"}
    # Where a learner gets something of a case, the quicker walks ask too; and most of it is got here.
    assert {route for route in reached & ROUTES_OF_A_CASE if not route.startswith(FOR_LEARNERS)} == set()
    assert len(reached & ROUTES_OF_A_CASE) > 20
    assert ROUTES_OF_A_CASE - {place.route for place in one} == set(NOT_ASKED)
    assert len(one) > 250


def test_where_the_law_is_not_asked_learners_get_nothing_of_a_case() -> None:
    outside = {name for name, arguments in routes() if arguments & OF_A_CASE} - ROUTES_OF_A_CASE
    assert outside == set()  # every address of a case is one of an organisation
    expected = table.read()
    for route in NOT_ASKED:
        for line in expected[route].splitlines():
            assert "learner" not in line, line
            assert line.endswith(("403 *", "404 *")), line


@pytest.mark.parametrize(
    ("leak", "difference", "route"),
    [
        (a_longer_page, {"change": three_lesions}, "practice-api:attempt"),
        (an_order_of_options, {"change": TRUTHS["another right answer"]}, "practice:attempt"),
        (a_search, {"change": TRUTHS["another diagnosis"]}, "practice-api:unknowns"),
        (a_count_of_images, {"arrival": ARRIVALS["a report"]}, "dicomweb:all-instances"),
        (a_header, {"change": TRUTHS["another text"]}, "practice:attempt"),
    ],
)
def test_the_law_notices_a_leak(
    house: House, chance: Chance, monkeypatch: pytest.MonkeyPatch, leak: Callable[[pytest.MonkeyPatch], None],
    difference: dict[str, Change], route: str,
) -> None:  # fmt: skip
    """Each of them is planted: nothing is found equal because it was never compared."""

    def found() -> list[str]:
        one, other = (
            answers(house, chance, only=lambda place: place.route == route, **how) for how in ({}, difference)
        )
        return differences(one, other)

    assert found() == []
    leak(monkeypatch)
    assert found() != []
