"""The law of unknowns: before the commit, everything that a learner can fetch is the same whatever the truth is.

One case is published with one truth after another, its reader starts a read and asks every address of the product. The
answers, headers included, are compared byte for byte. What differs by chance alone is fixed: identifiers, the clock, tokens.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from archive.models import Instance, Series, Study
from core.tenancy import tenant
from practice import services as practice
from teaching import services
from teaching.models import Case, CaseVersion
from tests.archive.factories import deliver, make_file
from tests.dicomweb.factories import settle
from tests.dicomweb.test_partial_sight import BASIC_TEXT_SR, NO_IMAGE
from tests.matrix.walk import INSIDE, address, ask
from tests.matrix.world import World
from tests.teaching.factories import House, make_case, make_house, make_mark, publish

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

STUDY_UID, SERIES_UID = "1.2.826.0.1.3680043.8.77.1", "1.2.826.0.1.3680043.8.77.2"
PATIENT = {"PatientID": "CASE-1", "PatientName": "Case^One", "AccessionNumber": "1"}
#: Where learners go; other addresses refuse them whatever the truth is, and are asked once.
FOR_LEARNERS = ("practice:", "practice-api:", "dicomweb:", "viewer:", "core:palette", "core:home", "core:notifications")
SEARCHES = (
    "", "?includefield=all", "?ModalitiesInStudy=SR", "?ModalitiesInStudy=MR", "?Modality=S*", "?SeriesDescription=*ntho*",
    "?StudyDescription=Onco*", "?BodyPartExamined=*", "?SOPClassesInStudy=" + BASIC_TEXT_SR, "?NumberOfStudyRelatedSeries=1",
    "?NumberOfStudyRelatedInstances=3", "?StudyDate=20200101-20300101", "?PatientName=Other*", "?limit=1&offset=1",
)  # fmt: skip
#: Words of the truths below, and of what is shown.
WORDS = ("xantho", "glioma", "calcifiedrim", "rid1", "rid2", "normal", "plexus", "headache", "oncoword")

Change = Callable[["Read"], None]


@dataclass
class Read:
    """One case on its way to its reader."""

    house: House
    study: Study
    case: Case

    def fields(self, **changes: Any) -> None:
        services.save_case(actor=self.house.educator, case=self.case, changes=changes)

    def sections(self, **bodies: str) -> None:
        services.set_sections(actor=self.house.educator, case=self.case, bodies=bodies)

    def truth(self, *marks: Any) -> None:
        services.save_truth(actor=self.house.educator, case=self.case, marks=marks)

    def question(self, kind: str, **changes: Any) -> None:
        row = self.case.questions.get(kind=kind)
        services.change_question(actor=self.house.educator, case=self.case, question_id=row.public_id, changes=changes)

    def arrive(self, **elements: Any) -> None:
        deliver(self.house.archive, [make_file(StudyInstanceUID=STUDY_UID, **{**PATIENT, **elements})])


def normal(read: Read) -> None:
    read.truth()
    read.fields(is_normal=True)


def three_lesions(read: Read) -> None:
    read.truth(*(make_mark(read.study, at=(4.0 + n, 5.0, 1.5), label=f"lesion {n}") for n in range(3)))


def an_outline(read: Read) -> None:
    points = ((3.0, 3.0), (9.0, 3.0), (9.0, 9.0), (3.0, 9.0))
    read.truth(make_mark(read.study, tool="freehand", points=points, patient_points=None, label="calcifiedrim"))


def on_another_image(read: Read) -> None:
    image = Instance.objects.filter(study=read.study).select_related("series").latest("instance_number")
    read.truth(make_mark(read.study, sop_instance_uid=image.sop_instance_uid))


def another_diagnosis(read: Read) -> None:
    read.fields(
        title="Glioma of the thalamus", diagnosis_group="glioma", abstract="A glioma.",
        codes=[{"system": "RADLEX", "code": "RID2", "display": "Glioma", "role": "diagnosis"}],
    )  # fmt: skip
    read.sections(diagnosis="Glioma")


def another_text(read: Read) -> None:
    read.sections(
        findings="Nothing of note, at some length. " * 20,
        discussion="Short.",
        differential="- One\n- Two",
        references="1.",
    )
    read.question("single", explanation="Because.")
    read.question("mark", explanation="There. " * 50)


def other_tags(read: Read) -> None:
    read.fields(
        keywords=["glioma", "tumour", "third"], anatomy="Thalamus", certainty="pathology", codes=[], licence="CC0-1.0"
    )


def key_images(read: Read) -> None:
    image = Instance.objects.filter(study=read.study).select_related("series").latest("instance_number")
    read.fields(
        key_images=[{
            "id": "1", "series": image.series.series_instance_uid, "sop": image.sop_instance_uid, "caption": "The glioma",
        }]
    )  # fmt: skip


def another_right_answer(read: Read) -> None:
    options = read.case.questions.get(kind="single").options
    right = [
        {**option, "is_correct": number == 2, "explanation": f"why {number}"} for number, option in enumerate(options)
    ]
    read.question("single", options=right)


def another_rubric(read: Read) -> None:
    read.question("text", rubric=[{"text": "Says glioma", "points": 7}, {"text": "Says where", "points": 3}])


def a_report_arrives(read: Read) -> None:
    read.arrive(
        Modality="SR", SOPClassUID=BASIC_TEXT_SR, PixelData=None, SeriesNumber=0, SeriesDescription="Xanthogranuloma",
        **NO_IMAGE,
    )  # fmt: skip


def a_segmentation_arrives(read: Read) -> None:
    read.arrive(Modality="SEG", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", SeriesNumber=0, SeriesDescription="Glioma")


def an_image_arrives(read: Read) -> None:
    read.arrive(Modality="MR", SeriesInstanceUID=SERIES_UID, SeriesNumber=1, InstanceNumber=2)


#: What was published.
TRUTHS: Mapping[str, Change] = {
    "normal": normal,
    "three lesions": three_lesions,
    "an outline": an_outline,
    "on another image": on_another_image,
    "another diagnosis": another_diagnosis,
    "another text": another_text,
    "other tags": other_tags,
    "key images": key_images,
    "another right answer": another_right_answer,
    "another rubric": another_rubric,
}
#: What came to the images afterwards.
ARRIVALS: Mapping[str, Change] = {
    "a report": a_report_arrives,
    "a segmentation": a_segmentation_arrives,
    "an image": an_image_arrives,
}
#: What is written in the headers of the images.
HEADERS: Mapping[str, Mapping[str, Any]] = {
    "other texts": {
        "StudyDescription": "Oncoword follow-up", "SeriesDescription": "Oncoword", "ProtocolName": "ONCO",
        "ImageComments": "Oncoword here", "PatientName": "Other^Name", "BodyPartExamined": "PLEXUS",
        "RequestedProcedureDescription": "Oncoword", "OperatorsName": "Other^Operator",
    },
    "other dates": {"StudyDate": "20210304", "SeriesDate": "20210305", "AcquisitionTime": "101112", "StudyTime": "223344"},
}  # fmt: skip


class Chance:
    """Everything that is drawn by lot, drawn again the same way."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._source = random.Random(0)
        now = timezone.now() + timedelta(minutes=10)
        patch.setattr("core.models.secrets.choice", self.choice)
        patch.setattr("practice.services.reading.secrets.randbelow", lambda most: 7)
        patch.setattr("django.utils.timezone.now", lambda: now)
        patch.setattr("django.middleware.csrf.get_random_string", lambda length, **_rest: "a" * length)

    def choice(self, letters: str) -> str:
        return self._source.choice(letters)

    def begin(self, phase: str) -> None:
        self._source = random.Random(phase)


def sequences() -> dict[str, tuple[int, bool]]:
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences"
            " WHERE has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'UPDATE')"
        )
        for name, last in cursor.fetchall():
            found[name] = (last or 1, last is not None)
    return found


def wind_back(kept: Mapping[str, tuple[int, bool]]) -> None:
    """A rolled back transaction does not give its numbers back."""
    with connection.cursor() as cursor:
        for name, (value, is_called) in kept.items():
            cursor.execute("SELECT setval(%s, %s, %s)", [name, value, is_called])


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
    headers: Mapping[str, Any] | None = None, is_thorough: bool = False,
) -> dict[str, bytes]:  # fmt: skip
    """Address → what the reader of the case gets there; everything that was made for it is taken back."""
    kept = sequences()
    cache.clear()
    with transaction.atomic(), tenant(house.organisation):
        chance.begin("case")
        study = make_images(house, headers or {})
        read = Read(house, study, make_case(house, study=study))
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
        found = {}
        for place in places(world, is_thorough=is_thorough):
            chance.begin("answer")
            found[place] = normalised(*ask(client, "get", place))
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


def places(world: World, *, is_thorough: bool) -> Iterator[str]:
    for route, arguments in INSIDE:
        is_for_learners = route.startswith(FOR_LEARNERS)
        if not (is_thorough or is_for_learners):
            continue
        if any(world.value_for(route=route, name=name) is None for name in arguments):
            continue  # of things that have nothing to do with cases: jobs, albums, trials, accounts
        place = address(route=route, arguments=arguments, world=world)
        yield place
        if route.startswith("dicomweb:") and route.endswith(
            ("studies", "-series", "-instances", "-of-study", "-of-series")
        ):
            yield from (place + query for query in (SEARCHES if is_thorough else SEARCHES[1:2]) if query)
        elif route in ("practice:home", "practice-api:unknowns", "core:palette"):
            yield from (f"{place}?q={word}" for word in (WORDS if is_thorough else WORDS[:1]))
        elif route.startswith("practice:"):
            yield from (place + query for query in ("?format=json", "?format=csv") if is_thorough or "json" in query)


CHANCE_ALONE = re.compile(
    rb"(?im)^(Date|Expires|Set-Cookie|X-Request-ID|Server-Timing): .*$|nonce-[A-Za-z0-9+/=_-]+|nonce=\"[^\"]*\""
)


#: Made from the digest of the file: another header is another file, and says no more than that.
TAGS = re.compile(rb"(?im)^ETag: .*$|pacsweb-[0-9a-f]{32}")


def normalised(status: int, answer: bytes) -> bytes:
    return b"%d\n" % status + CHANCE_ALONE.sub(b"", answer)


def differences(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    assert set(one) == set(other)
    found = []
    for place, body in one.items():
        if body != other[place]:
            at = next((n for n, (a, b) in enumerate(zip(body, other[place], strict=False)) if a != b), len(body))
            found.append(f"{place}: {body[max(0, at - 60) : at + 60]!r} / {other[place][max(0, at - 60) : at + 60]!r}")
    return found


def all_of(*changes: Change) -> Change:
    def change(read: Read) -> None:
        for one in changes:
            one(read)

    return change


#: No lesion, and what can be told at once of a case with several. Which one is at fault is asked when one is.
EVERYTHING_ELSE = all_of(*(change for name, change in TRUTHS.items() if name not in ("normal", "an outline")))


def test_nothing_that_a_reader_gets_before_the_commit_depends_on_the_truth(house: House, chance: Chance) -> None:
    usual = answers(house, chance)
    # Without this the test could not tell chance from truth; and the reader does see the case.
    assert differences(usual, answers(house, chance)) == []
    assert sum(body.startswith(b"200\n") for body in usual.values()) > 20
    assert any(b"Middle-aged person with headache" in body for body in usual.values())
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
    assert len(one) > 250
