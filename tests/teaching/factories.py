"""Libraries, courses and cases for tests, made by the services people use."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from access.models import Organisation, User
from access.services import grant_role
from archive.models import Archive, Instance, Study
from core.tenancy import tenant
from teaching import services
from teaching.models import Case, CaseVersion, Course, Library
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_series
from viewer.domain.marks import Mark

_numbers = itertools.count(1)

#: Words that must never reach a trainee before the commit; each test case carries them where truth lives.
SECRET = "Xanthogranuloma"
SECRET_WORDS = ("xanthogranuloma", "choroidplexus", "calcifiedrim")


@dataclass
class House:
    """One organisation with a teaching archive, a library, a course, and one person of each kind."""

    organisation: Organisation
    administrator: User
    educator: User
    reviewer: User
    learner: User
    member: User
    officer: User
    archive: Archive
    library: Library
    course: Course


def make_house(slug: str = "") -> House:
    organisation = make_organisation(slug)
    administrator = make_member(organisation, roles=("administrator",))
    archive = make_archive(organisation, purpose=Archive.Purpose.TEACHING)
    educator, reviewer, learner, member = (make_member(organisation) for _person in range(4))
    officer = make_member(organisation, roles=("officer",))
    with tenant(organisation):
        library = services.create_library(
            actor=administrator,
            organisation=organisation,
            archive=archive,
            slug=f"library-{next(_numbers)}",
            name="Library",
        )
        course = services.create_course(
            actor=administrator, organisation=organisation, slug=f"course-{next(_numbers)}", name="Course"
        )
        grant_role(actor=None, container=library, role="editor", user=educator)
        grant_role(actor=None, container=library, role="reviewer", user=reviewer)
        grant_role(actor=None, container=course, role="editor", user=educator)
        grant_role(actor=None, container=course, role="learner", user=learner)
    return House(organisation, administrator, educator, reviewer, learner, member, officer, archive, library, course)


def make_study(archive: Archive, *, count: int = 3, **elements: Any) -> Study:
    """A settled, de-identified looking study with geometry: 16 × 16 pixels of 2 mm, 5 mm apart."""
    values = {
        "StudyDescription": None,
        "SeriesDescription": None,
        "FrameOfReferenceUID": f"1.2.826.0.1.{next(_numbers)}",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, 0],
        "PixelSpacing": [2, 2],
        "PatientIdentityRemoved": "YES",
        **elements,
    }
    _delivery, outcomes = deliver(archive, make_series(count=count, **values))
    assert len(outcomes) == count
    with tenant(archive.organisation):
        return Study.objects.filter(archive=archive).latest("pk")


def make_mark(study: Study, **changes: Any) -> Mark:
    """An ellipse of 3 pixels radius around (8, 8) on the study's first image."""
    image = Instance.objects.filter(study=study).select_related("series").order_by("instance_number").first()
    assert image is not None
    column, row, radius = changes.pop("at", (8.0, 8.0, 3.0))
    points = ((column - radius, row), (column + radius, row), (column, row - radius), (column, row + radius))
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "tool": "ellipse",
        "series_instance_uid": image.series.series_instance_uid,
        "sop_instance_uid": image.sop_instance_uid,
        "points": points,
        "patient_points": tuple((x * 2.0, y * 2.0, 0.0) for x, y in points),
        "frame_of_reference_uid": image.series.frame_of_reference_uid or "1.2.3",
        **changes,
    }
    return Mark(**values)


def make_case(house: House, *, study: Study | None = None, title: str = SECRET, **changes: Any) -> Case:
    """A complete draft: text, truth, a choice, a mark question. Every secret word stands where the truth does."""
    with tenant(house.organisation):
        study = study or make_study(house.archive)
        case = services.create_case(
            actor=house.educator,
            library=house.library,
            title=title,
            studies=[study],
            changes={
                "alternative_title": "Middle-aged person with headache",
                "alternative_abstract": "Found by chance.",
                "abstract": "A choroidplexus mass.",
                "level": "primary",
                "category": "neuro",
                "keywords": ["choroidplexus"],
                "codes": [{"system": "RADLEX", "code": "RID1", "display": SECRET, "role": "diagnosis"}],
                **changes,
            },
        )
        services.set_sections(
            actor=house.educator,
            case=case,
            bodies={
                "history": "Headache for two weeks.",
                "findings": "A calcifiedrim in the trigone.",
                "diagnosis": SECRET,
                "discussion": f"{SECRET} is common.",
            },
        )
        services.save_truth(actor=house.educator, case=case, marks=[make_mark(study, label="calcifiedrim")])
        services.add_question(
            actor=house.educator,
            case=case,
            kind="single",
            stem="What is the most likely diagnosis?",
            explanation="The calcifiedrim is the sign.",
            options=[
                {"text": "Meningioma of the falx", "is_correct": False, "explanation": "No calcifiedrim there."},
                {"text": "A benign plexus lesion", "is_correct": True, "explanation": "Right: choroidplexus."},
                {"text": "Metastasis", "is_correct": False},
            ],
        )
        services.add_question(
            actor=house.educator, case=case, kind="mark", stem="Mark what you see.", explanation="See calcifiedrim."
        )
        case.refresh_from_db()
    return case


def publish(house: House, case: Case | None = None, *, in_course: bool = True) -> CaseVersion:
    case = case or make_case(house)
    with tenant(house.organisation):
        version = services.publish_case(actor=house.educator, case=case)
        if in_course:
            services.add_case_to_course(actor=house.educator, course=house.course, case=case)
    return version
