"""Cases, courses and assignments of the demo."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from access.models import User
from archive.models import Study
from core import notifications
from core.errors import PacswebError
from deid import services as deid
from deid.domain.uids import UidMapper
from deid.models import DeidentificationRun
from deid.services.domains import key_of
from pacsweb.demo.cases import CASES, PARTNER_CASES, CaseText
from pacsweb.demo.cases.model import MAX_MARKS
from pacsweb.demo.catalogue import ENTRIES
from pacsweb.demo.loader.containers import House, make_course
from pacsweb.demo.loader.images import Shelf
from pacsweb.demo.loader.marks import MapUid, truth_mark
from teaching import services
from teaching.models import Assignment, Case, CaseStudy, Course, Library

Say = Callable[[str], None]
WAIT_SECONDS = 300

#: Cases that nobody has read yet: they are what is assigned now.
UNREAD = (
    "chest-part-solid", "brain-plaques", "abdomen-appendix", "wrist-scaphoid", "breast-calcifications", "film-effusion",
    "head-normal", "hip-fracture",
)  # fmt: skip
#: A first assignment that is over.
FIRST_WEEK = (
    "film-pneumothorax", "head-subdural", "head-epidural", "chest-embolism", "abdomen-stone", "film-normal",
)  # fmt: skip
ON_CALL = (
    *FIRST_WEEK,
    "head-haematoma",
    "brain-infarct",
    "abdomen-appendix",
    "hip-fracture",
    "head-normal",
    "film-pneumonia",
)


def _educator(house: House, library: Library) -> User:
    return house.users["educator@demo" if library.organisation_id == house.demo.pk else "educator@partner"]


def load_cases(*, house: House, library: Library, shelf: Shelf, say: Say) -> None:
    """Make, fill and publish the cases of a library that are not published yet."""
    texts = CASES if library.organisation_id == house.demo.pk else PARTNER_CASES
    todo = [(text, case) for text in texts if (case := _case_of(text, library=library)) is None or _is_unfinished(case)]
    if not todo:
        return
    educator = _educator(house, library)
    # All copies are asked for first: workers that run take theirs while this process does its own.
    asked = [(text, case or _begin(text, house=house, library=library, actor=educator)) for text, case in todo]
    for number, (text, case) in enumerate(asked, start=1):
        run = _finish_copy(case)
        for prior in text.priors:
            _attach_prior(case, house=house, library=library, key=prior, actor=educator)
        case.refresh_from_db()
        _fill(case, text=text, actor=educator, lesions=shelf, run=run)
        services.publish_case(actor=educator, case=case, note="First publication")
        say(f"case {number}/{len(asked)} published: {text.alternative_title}")


def source_study(house: House, key: str) -> Study:
    entry = ENTRIES[key]
    found: Study = Study.objects.get(archive=house.archives[entry.archive], study_instance_uid=entry.visit.study_uid)
    return found


def _case_of(text: CaseText, *, library: Library) -> Case | None:
    """Return the case that was made from the text's study, however it may have been edited since."""
    uid = ENTRIES[text.study].visit.study_uid
    run = DeidentificationRun.objects.filter(
        source_study__study_instance_uid=uid, target_archive=library.archive
    ).order_by("pk")
    keys = [str(pk) for pk in run.values_list("pk", flat=True)]
    made: Case | None = Case.objects.filter(library=library, deid_run_key__in=keys).first()
    if made is not None:
        return made
    direct: Case | None = Case.objects.filter(library=library, case_studies__study__study_instance_uid=uid).first()
    return direct


def _is_unfinished(case: Case) -> bool:
    """Whether an interrupted load left it: made, but never published nor retired."""
    return case.current_version_id is None and case.state in (Case.State.PREPARING, Case.State.DRAFT)


def _begin(text: CaseText, *, house: House, library: Library, actor: User) -> Case:
    study = source_study(house, text.study)
    if study.archive_id == library.archive_id:
        return services.create_case(actor=actor, library=library, title=text.title, studies=[study])
    return services.make_case_from_study(actor=actor, study=study, library=library, title=text.title)


def _finish_copy(case: Case) -> DeidentificationRun | None:
    if not case.deid_run_key:
        return None
    return _carry_out(DeidentificationRun.objects.get(pk=int(case.deid_run_key)))


def _carry_out(run: DeidentificationRun) -> DeidentificationRun:
    """Do the work of a run here, or wait for the worker that has begun it."""
    until = time.monotonic() + WAIT_SECONDS
    while not run.is_finished and time.monotonic() < until:
        if run.is_retriable:
            run = deid.retry_run(actor=run.requested_by, run=run)
        deid.execute_run(run_id=run.pk, job_id=str(run.job_id))
        run.refresh_from_db()
        if not run.is_finished:
            time.sleep(0.2)
    if not run.is_successful:
        raise PacswebError(f"The copy {run.public_id} did not come to its end: {run.state}. {run.error}")
    return run


def _attach_prior(case: Case, *, house: House, library: Library, key: str, actor: User) -> None:
    study = source_study(house, key)
    run = DeidentificationRun.objects.filter(source_study=study, target_archive=library.archive).first()
    if run is None:
        run = deid.deidentify_study(actor=actor, study=study, target_archive=library.archive)
    run = _carry_out(run)
    copy = Study.objects.get(archive=library.archive, study_instance_uid=run.target_study_instance_uid)
    if not CaseStudy.objects.filter(case=case, study=copy).exists():
        services.attach_studies(actor=actor, case=case, studies=[copy])
        CaseStudy.objects.filter(case=case, study=copy).update(is_prior=True)


def _fill(case: Case, *, text: CaseText, actor: User, lesions: Shelf, run: DeidentificationRun | None) -> None:
    new_uid: MapUid = (lambda uid: uid) if run is None else UidMapper(key=key_of(run.domain)).new_uid
    services.save_case(actor=actor, case=case, changes=_fields(text))
    bodies = {
        "history": text.history, "findings": text.findings, "differential": text.differential,
        "diagnosis": text.diagnosis, "discussion": text.discussion, "references": text.references,
    }  # fmt: skip
    services.set_sections(actor=actor, case=case, bodies={kind: body for kind, body in bodies.items() if body})
    truth = [
        truth_mark(lesion, key=text.study, new_uid=new_uid, frame_of_reference=_frame_of_reference(text.study))
        for lesion in lesions.truth(text.study)
    ]
    services.save_truth(actor=actor, case=case, marks=truth)
    for question in case.questions.all():
        services.delete_question(actor=actor, case=case, question_id=question.public_id)
    for ask in text.questions:
        fields: dict[str, Any] = {"stem": ask.stem, "explanation": ask.explanation, "points": ask.points}
        if ask.kind in ("single", "multiple"):
            fields["options"] = [
                {"text": option.text, "is_correct": option.correct, "explanation": option.why} for option in ask.options
            ]
        if ask.kind == "text":
            fields["rubric"] = [{"text": line, "points": points} for line, points in ask.rubric]
        if ask.kind == "mark":
            fields["max_marks"] = MAX_MARKS
        services.add_question(actor=actor, case=case, kind=ask.kind, **fields)


def _frame_of_reference(key: str) -> str:
    from pacsweb.demo.phantoms import uid

    return uid(key, "frame-of-reference")


def _fields(text: CaseText) -> dict[str, Any]:
    return {
        "title": text.title,
        "alternative_title": text.alternative_title,
        "age_band": text.age_band,
        "sex": text.sex,
        "category": text.category,
        "organ_system": text.organ_system,
        "anatomy": text.anatomy,
        "level": text.level,
        "certainty": "known",
        "keywords": list(text.keywords),
        "codes": [
            {"system": code.system, "code": code.code, "display": code.display, "role": code.role}
            for code in text.codes
        ],
        "diagnosis_group": text.group,
        "is_normal": text.is_normal,
    }


def load_draft(*, house: House, say: Say) -> None:
    """A draft whose images were held back: the ultrasound machine burned the patient's name into them."""
    library, educator = house.libraries["demo"], house.users["educator@demo"]
    study = source_study(house, "ultrasound-kidney")
    if DeidentificationRun.objects.filter(source_study=study, target_archive=library.archive).exists():
        return
    case = services.make_case_from_study(actor=educator, study=study, library=library, title="Dilated renal pelvis")
    run = DeidentificationRun.objects.get(pk=int(case.deid_run_key))
    deid.execute_run(run_id=run.pk, job_id=str(run.job_id))
    say("a draft whose images were held back")


def load_courses(*, house: House, say: Say) -> None:
    """Two courses over the library, and assignments: one that is over, two that are open."""
    educator = house.users["educator@demo"]
    cases = {
        text.study: case for text in CASES if (case := _case_of(text, library=house.libraries["demo"])) is not None
    }
    core = make_course(
        house=house, slug="core", name="Core radiology",
        description="All cases of the library: read a few every week, repeat what is due.",
    )  # fmt: skip
    on_call = make_course(
        house=house, slug="on-call", name="Before your first night on call",
        description="What must not be missed at three in the morning.",
    )  # fmt: skip
    is_first = False
    for course, keys in ((core, tuple(cases)), (on_call, ON_CALL)):
        known = set(course.course_cases.values_list("case_id", flat=True))
        is_first = is_first or not known
        for key in keys:
            if key in cases and cases[key].pk not in known and not known.issuperset(c.pk for c in cases.values()):
                services.add_case_to_course(actor=educator, course=course, case=cases[key])
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    trainee, second = house.users["trainee@demo"], house.users["trainee2@demo"]
    if is_first:  # they have known these courses for weeks
        for learner in (trainee, second):
            notifications.mark_read(user=learner)
    made = [
        _assign(
            on_call, educator, "Week 1: do not miss", FIRST_WEEK, cases, opens=now - timedelta(days=42),
            due=now - timedelta(days=28), note="Read alone, then look at the discussion.",
        ),
        _assign(
            core, educator, "This week: four to read", ("chest-part-solid", "brain-plaques", "wrist-scaphoid", "head-normal"),
            cases, opens=now - timedelta(days=2), due=now + timedelta(days=5),
            note="One of them is normal. Commit before you talk to each other.",
        ),
        _assign(
            on_call, educator, "Before Friday night", ("abdomen-appendix", "hip-fracture"), cases,
            opens=now - timedelta(days=1), due=now + timedelta(days=2), persons=[trainee],
        ),
        _assign(
            core, educator, "Breast and pleura", ("breast-calcifications", "film-effusion"), cases,
            opens=now - timedelta(days=9), due=now - timedelta(days=1), persons=[second],
            note="Late: please read these before the meeting.",
        ),
    ]  # fmt: skip
    if any(made):
        say(f"2 courses, {Assignment.objects.filter(course__organisation=house.demo).count()} assignments")


def _assign(
    course: Course, actor: User, title: str, keys: tuple[str, ...], cases: dict[str, Case], *, opens: Any, due: Any,
    note: str = "", persons: list[User] | None = None,
) -> bool:  # fmt: skip
    if Assignment.objects.filter(course=course, title=title).exists():
        return False
    services.create_assignment(
        actor=actor, course=course, title=title, cases=[cases[key] for key in keys if key in cases], due_at=due,
        opens_at=opens, persons=persons, note=note,
    )  # fmt: skip
    return True
