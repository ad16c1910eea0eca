"""The law of unknowns on every published case of the demo, with tests/practice/law.py.

All cases are published anew as they are, and another time with other truths: a normal with lesions, an abnormal one as a
normal, each with another diagnosis, other texts, another right answer. Both times two learners read: one who is new to all of
it, and a trainee who has read most of the library and for whom only the truths of the unread cases change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.core.cache import cache
from django.core.management import call_command
from django.db import transaction
from django.test import Client, override_settings

from access.models import Organisation, User
from access.services import grant_role
from archive.models import Instance
from core.tenancy import tenant
from pacsweb.demo.cases import CASES
from practice import services as practice
from practice.models import Attempt
from teaching import pinned, services
from teaching.models import Assignment, Case, CaseVersion, Course, Library
from tests.access.factories import make_member
from tests.emptying import Emptying
from tests.matrix.world import World
from tests.practice.law import (
    Answers,
    Chance,
    Place,
    differences,
    places,
    sequences,
    walk,
    wind_back,
)
from tests.practice.planted import a_longer_page
from tests.practice.truths import (
    Read,
    all_of,
    another_diagnosis,
    another_right_answer,
    another_rubric,
    another_text,
    key_images,
    normal,
    other_tags,
    three_lesions,
)

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def demo(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Organisation]:
    """Loaded once; what a test changes is taken back."""
    with django_db_blocker.unblock():
        emptying = Emptying()
        with override_settings(DATA_DIR=tmp_path_factory.mktemp("demo")):
            call_command("load_demo", size="small", processes=0)
        organisation = Organisation.objects.get(slug="demo")
    yield organisation
    with django_db_blocker.unblock():
        emptying.empty()


def another_truth(read: Read) -> None:
    changes = [another_diagnosis, another_text, other_tags, key_images, another_right_answer]
    if read.case.questions.filter(kind="text").exists():
        changes.append(another_rubric)
    if read.case.is_normal:
        read.fields(is_normal=False)
        changes.append(three_lesions)
    else:
        changes.append(normal)
    all_of(*changes)(read)


def publish_again(cases: Sequence[Case], *, chance: Chance, is_other: bool) -> None:
    educator = User.objects.get(username="educator@demo")
    for case in cases:
        study = case.case_studies.filter(is_prior=False).select_related("study")[0].study
        read = Read(educator, study.archive, study, case)
        chance.begin("truth")
        # Without a change there is nothing to publish.
        read.fields(keywords=["published again"])
        if is_other:
            another_truth(read)
        chance.begin(f"publish {case.public_id}")
        services.publish_case(actor=educator, case=case)


def image_of_interest(version: CaseVersion) -> Instance:
    """The one with the first lesion, else the middle one."""
    images = (
        pinned.images_shown(version)
        .filter(study__case_studies__is_prior=False)
        .select_related("series__study__archive")
    )
    for truth in version.content["truth"]:
        return images.get(sop_instance_uid=truth["mark"]["sop_instance_uid"])
    ordered = list(images.order_by("series__series_number", "instance_number", "pk"))
    return ordered[len(ordered) // 2]


def world_of(case: Case, *, image: Instance, attempt: Attempt) -> World:
    version, series, study = attempt.version, image.series, image.series.study
    assignment = Assignment.objects.filter(assignment_cases__case=case).first() or Assignment.objects.earliest("pk")
    course = Course.objects.get(slug="core")
    values = {
        "organisation": "demo", "archive": study.archive.slug, "library": "radiology", "course": course.slug,
        "slug": "radiology", "kind": "library", "case": case.public_id, "attempt": attempt.public_id,
        "assignment": assignment.public_id, "study": study.public_id, "series": series.public_id, "instance": image.pk,
        "number": 1, "numbers": "1", "path": "7FE00010", "action": "publish", "thing": case.public_id, "pk": 1,
        "question": version.content["questions"][0]["id"], "section": version.content["sections"][0]["id"],
    }  # fmt: skip
    by_uid = {
        "study": study.study_instance_uid,
        "series": series.series_instance_uid,
        "instance": image.sop_instance_uid,
    }
    return World(organisation=case.organisation, people={}, values=values, of_app={"dicomweb": by_uid})


#: What a read and the lists it stands in are made from; all that a trainee with a history asks.
OF_READS = ("practice:", "practice-api:", "core:")
#: What is made of a case's own content: asked for each case.
OF_CONTENT = ("practice:attempt", "practice:attempt-commit", "practice:attempt-marks", "practice-api:attempt")
#: Of a case's other addresses one in so many is asked, for the next case others: they refuse, or are made of the images.
#: tests/practice/test_truth_law.py asks all of them, in all forms, for one case.
IN_TURN = 6


def asked(worlds: Sequence[World], *, only: tuple[str, ...]) -> Iterator[Place]:
    """Everything once that learners can ask; of what is asked for each case only the read itself in other forms."""
    seen = set()
    for turn, world in enumerate(worlds):
        others = 0
        for place in places(world, is_thorough=False):
            if place in seen or not place.route.startswith(only):
                continue
            seen.add(place)
            if place.is_of_a_case and place.route not in OF_CONTENT:
                others += not place.is_other_form
                if place.is_other_form or (others + turn) % IN_TURN:
                    continue
            elif place.is_other_form and place.route.startswith("dicomweb:"):
                continue
            yield place


def read_as(
    learner: User, *, cases: Sequence[Case], images: dict[int, Instance], chance: Chance, only: tuple[str, ...]
) -> Answers:
    """Begin a read of each case, then ask everything that the learner can."""
    chance.begin(f"reads of {learner.username}")
    worlds = []
    for case in cases:
        attempt = practice.start_attempt(user=learner, version=CaseVersion.objects.get(pk=case.current_version_id))
        practice.save_draft(user=learner, attempt=attempt, draft={})
        worlds.append(world_of(case, image=images[case.pk], attempt=attempt))
    client = Client(raise_request_exception=False)
    client.force_login(learner)
    cache.clear()
    return walk(client, asked(worlds, only=only), chance=chance)


def answers(
    demo: Organisation, chance: Chance, *, is_other: bool, most: int | None = None, only: tuple[str, ...] = ("",)
) -> dict[str, Answers]:
    """Learner → what they get. The cases are published `is_other` with another truth, or as they are."""
    kept = sequences()
    cache.clear()
    with transaction.atomic(), tenant(demo):
        trainee = User.objects.get(username="trainee@demo")
        newcomer = make_member(demo, username="newcomer@demo")
        newcomer.display_name = "New Comer"
        # The same person both times: pages carry a key that is made from the stored password.
        newcomer.password = make_password("correct horse battery staple", salt="thesamebothtimes")
        newcomer.save()
        for container in (Library.objects.get(slug="radiology"), *Course.objects.order_by("pk")):
            grant_role(actor=None, container=container, role="learner", user=newcomer)
        published = Case.objects.filter(state=Case.State.PUBLISHED).order_by("pk")
        read = Attempt.objects.filter(user=trainee).values("version__case")
        unread, others = list(published.exclude(pk__in=read))[:most], list(published.filter(pk__in=read))[:most]
        assert unread
        assert others
        every = [*unread, *others]
        images = {case.pk: image_of_interest(CaseVersion.objects.get(pk=case.current_version_id)) for case in every}
        publish_again(unread, chance=chance, is_other=is_other)
        found = {"trainee": read_as(trainee, cases=unread, images=images, chance=chance, only=OF_READS)}
        publish_again(others, chance=chance, is_other=is_other)
        found["newcomer"] = read_as(newcomer, cases=every, images=images, chance=chance, only=only)
        transaction.set_rollback(True)
    wind_back(kept)
    return found


def test_no_learner_can_tell_a_case_of_the_demo_from_the_same_case_with_another_truth(
    demo: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Chance(monkeypatch)
    one, other = (answers(demo, chance, is_other=is_other) for is_other in (False, True))
    for learner, found in one.items():
        wrong = differences(found, other[learner])
        assert not wrong, f"{learner}: {len(wrong)}\n" + "\n".join(wrong[:20])
    pages = [
        body for place, body in one["newcomer"].items() if place.route == "practice:attempt" and body[:3] == b"200"
    ]
    for text in CASES:
        assert any(text.alternative_title.encode() in page for page in pages), text.alternative_title


def test_a_leak_in_the_demo_is_noticed(demo: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in what all pages of a read are made from; nowhere else is there a difference."""
    chance = Chance(monkeypatch)
    a_longer_page(monkeypatch)
    one, other = (answers(demo, chance, is_other=is_other, most=1, only=OF_READS) for is_other in (False, True))
    for learner, found in one.items():
        wrong = {place.route for place, body in found.items() if body != other[learner][place]}
        assert wrong == {"practice:attempt", "practice:attempt-commit", "practice-api:attempt"}, learner
