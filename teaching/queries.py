"""The read side of teaching: lists, searches, the checklist, what learners may read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from access.queries import containers_with, ready_for_plain, visible_to
from archive import hooks
from archive.hooks import Clearance
from archive.models import Series, Study
from teaching.domain import checklist
from teaching.models import Assignment, Case, CaseVersion, Course, CourseCase, Library, Review
from teaching.permissions import learnable_versions
from teaching.pinned import TELLING_CLASSES, TELLING_MODALITIES

#: With how many cases of its library a case is compared before it is published: the newest ones.
MOST_COMPARED = 200
LIBRARY_RIGHTS = ("view_library", "edit_cases", "review_cases", "publish_cases", "view_results", "manage_library")


def libraries_with(user: Any, permission: str = "teaching.view_library") -> QuerySet[Library]:
    found: QuerySet[Library] = containers_with(user=user, permission=permission, container=Library)
    return found.order_by("name")


def courses_with(user: Any, permission: str = "teaching.view_course") -> QuerySet[Course]:
    found: QuerySet[Course] = containers_with(user=user, permission=permission, container=Course)
    return found.order_by("name")


def cases_of(user: Any, permission: str = "teaching.view_library") -> QuerySet[Case]:
    """Cases as editors and reviewers see them."""
    rows: QuerySet[Case] = visible_to(user, Case.objects.all(), permission)
    return rows.select_related("library", "owner", "current_version")


def search_cases(rows: QuerySet[Case], text: str) -> QuerySet[Case]:
    """Full text over everything an editor may read, prefixes of the last word included, and public ids."""
    text = text.strip()
    if not text:
        return rows
    query = SearchQuery(text, search_type="websearch", config="english") | SearchQuery(
        text, search_type="websearch", config="simple"
    )
    prefix = prefix_query(text)
    if prefix is not None:
        query = query | prefix
    return rows.filter(Q(search=query) | Q(public_id=text.lower()))


def prefix_query(text: str) -> SearchQuery | None:
    """`pulmo emb` → every word as a prefix; None when there is no word in it."""
    words = ["".join(c for c in word if c.isalnum()) for word in text.split()]
    words = [word for word in words if word]
    return SearchQuery(" & ".join(f"{word}:*" for word in words), search_type="raw", config="simple") if words else None


FACETS = ("state", "modality", "organ_system", "category", "level", "library__slug", "owner__username")


def facets(rows: QuerySet[Case], *, names: Iterable[str] = FACETS) -> dict[str, list[tuple[str, int]]]:
    """Counts of each value, after the access filter; one query a facet."""
    found = {}
    for name in names:
        counts = rows.order_by().values_list(name).annotate(n=Count("pk")).order_by("-n", name)
        found[name] = [(str(value), n) for value, n in counts if value]
    return found


def checklist_of(*, case: Case, content: Mapping[str, Any]) -> list[checklist.Check]:
    return checklist.run(
        content,
        clearance=clearance_of(case),
        held_back_open=0 if case.held_back_resolved else case.held_back_open,
        image_texts=image_texts(case),
        telling_objects=telling_objects(case),
        others=_other_presets(case),
        stacks=_stacks(case),
    )


def _other_presets(case: Case) -> list[dict[str, Any]]:
    """Of the library's other published cases what `checklist.telling_presets` compares."""
    rows = CaseVersion.objects.filter(case__library=case.library_id, case__state=Case.State.PUBLISHED)
    current = rows.filter(case__current_version=F("pk")).exclude(case=case.pk)
    found = current.order_by("-pk").values_list("content__layout", "content__questions", "content__truth")
    return [{"layout": layout, "questions": asked, "truth": truth} for layout, asked, truth in found[:MOST_COMPARED]]


def _stacks(case: Case) -> frozenset[str]:
    """Series of the case with more than one image."""
    rows = Series.objects.filter(study__case_studies__case=case)
    images = rows.annotate(images=Sum("instances__number_of_frames")).filter(images__gt=1)
    return frozenset(images.values_list("series_instance_uid", flat=True))


def telling_objects(case: Case) -> list[str]:
    """Kinds of objects in the case's studies that could spell out what is to be found."""
    rows = Series.objects.filter(study__case_studies__case=case)
    telling = rows.filter(Q(modality__in=TELLING_MODALITIES) | Q(instances__sop_class_uid__in=TELLING_CLASSES))
    return sorted(set(telling.values_list("modality", flat=True)))


def clearance_of(case: Case) -> str:
    """What may be said of all images of the case, as `checklist.run` takes it: the least of what may be said of each
    study."""
    if case.state == Case.State.PREPARING:
        return Clearance.UNKNOWN.value
    studies = list(Study.objects.filter(case_studies__case=case))
    said = set(hooks.clearance_of(studies).values())
    for one in (Clearance.UNKNOWN, Clearance.SCREENED, Clearance.DEIDENTIFIED):
        if one in said:
            return one.value
    return checklist.NO_IMAGES


def image_texts(case: Case) -> list[str]:
    """Texts a reader could find in the attributes of the case's studies and series."""
    studies = Study.objects.filter(case_studies__case=case)
    texts = list(studies.values_list("description", flat=True))
    texts += list(Series.objects.filter(study__case_studies__case=case).values_list("description", flat=True))
    for attributes in studies.values_list("attributes", flat=True):
        texts += _texts_in(attributes)
    for attributes in Series.objects.filter(study__case_studies__case=case).values_list("attributes", flat=True):
        texts += _texts_in(attributes)
    return [text for text in texts if text]


def _texts_in(attributes: Mapping[str, Any]) -> list[str]:
    # PS3.18 F.2.2: text values stand in "Value" of the text VRs.
    found: list[str] = []
    for element in attributes.values():
        if isinstance(element, Mapping) and element.get("vr") in ("LO", "LT", "SH", "ST", "UC", "UT"):
            found += [str(value) for value in element.get("Value") or () if value]
    return found


def check_sentence(check: checklist.Check) -> str:
    """A line of the checklist in words."""
    presets = {
        "opening-view": _("opening view: no case of the other kind in this library has the same"),
        "most-marks": _("number of marks: no case of the other kind in this library allows the same"),
        "mark-count": _("number of marks: it is the number of lesions"),
    }
    detail = "; ".join(str(presets.get(part, part)) for part in check.detail)
    sentences = {
        "deidentified": {
            "pass": _("The images are de-identified"),
            "warn": _("Some images were screened on arrival; no de-identification run wrote them"),
        }.get(check.verdict, _("Nothing proves that the images are de-identified: make a de-identified copy")),
        "held-back": _("No held-back image waits for a decision"),
        "images": {
            "pass": _("There are images"),
            "warn": _("No images yet"),
        }.get(check.verdict, _("No images yet, and a question asks for a mark on one")),
        "alternative-title": _("The case has a title as an unknown"),
        "not-revealing": _("Nothing shown before the answer names the diagnosis"),
        "images-not-revealing": _("No text that came with the images names the diagnosis"),
        "no-telling-objects": _("The studies hold images only: no reports, segmentations or presentation states"),
        "presets-alike": _("Presets don’t reveal which cases are abnormal"),
        "opening-view-blind": _("The opening view is not the image with the lesion"),
        "diagnosis": _("The diagnosis is written, or coded"),
        "questions": _("At least one question is asked"),
        "questions-valid": _("Every question is complete"),
        "truth": _("The truth is marked, or the case is called a normal"),
        "truth-contradicts": _("A normal has no lesion: remove the marks, or say that it is not a normal"),
        "level": _("The level is set"),
        "filed": _("A category is chosen, or a code given"),
    }
    sentence = sentences[check.code]
    return f"{sentence} ({detail})" if detail and check.verdict != "pass" else sentence


def is_approved(*, case: Case) -> bool:
    """Whether a second person approved exactly this revision."""
    return Review.objects.filter(case=case, verdict=Review.Verdict.APPROVED, revision=case.revision).exists()


def reviews_asked_of(user: Any, *, at: datetime | None = None) -> QuerySet[Review]:
    libraries = containers_with(user=user, permission="teaching.review_cases", container=Library, at=at)
    rows: QuerySet[Review] = Review.objects.filter(
        Q(reviewer=user) | Q(reviewer=None), verdict=Review.Verdict.WAITING, case__library__in=libraries.values("pk")
    )
    return rows.exclude(requested_by=user).select_related("case", "case__library", "requested_by")


@ready_for_plain
def _reviews(user: Any, *, at: datetime) -> QuerySet[Review]:
    return reviews_asked_of(user, at=at).select_related(None).only("pk").order_by()


def count_reviews_asked_of(user: Any) -> int:
    """The same counted, for every page."""
    return len(_reviews(user))


def learnable(user: Any, *, at: datetime | None = None) -> QuerySet[CaseVersion]:
    """The current versions the person may read as unknowns."""
    return learnable_versions(user, at=at).select_related("case")


def search_unknowns(rows: QuerySet[CaseVersion], text: str) -> QuerySet[CaseVersion]:
    """Learners search what they may know before the answer, and nothing else."""
    text = text.strip()
    if not text:
        return rows
    query = SearchQuery(text, search_type="websearch", config="english")
    prefix = prefix_query(text)
    return rows.filter(learner_search=query | prefix if prefix is not None else query)


def assignments_of_learner(user: Any, *, at: datetime | None = None) -> QuerySet[Assignment]:
    """Open assignments that concern the person as a learner."""
    now = at or timezone.now()
    courses = containers_with(user=user, permission="teaching.learn", container=Course, at=now)
    rows: QuerySet[Assignment] = Assignment.objects.filter(
        course__in=courses.values("pk"), withdrawn_at=None, opens_at__lte=now
    )
    mine = Exists(Assignment.persons.through.objects.filter(assignment=OuterRef("pk"), user=user))
    return rows.filter(Q(audience=Assignment.Audience.COURSE) | mine).select_related("course")


def course_rows(course: Course) -> QuerySet[CourseCase]:
    rows: QuerySet[CourseCase] = course.course_cases.select_related("case", "case__library", "case__current_version")
    return rows
