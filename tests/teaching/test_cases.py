from __future__ import annotations

import pytest

from access.services import grant_role
from core.errors import Invalid
from core.tenancy import tenant
from teaching import queries, services
from teaching.errors import CaseChanged, NotReady, PartChanged, ReviewNeeded
from teaching.models import Case, CaseRevision, CaseVersion, Question
from teaching.services.validation import text_of
from tests.teaching.factories import make_case, make_house, make_mark, make_study, publish

pytestmark = pytest.mark.django_db


def test_a_complete_case_is_published_as_a_frozen_version() -> None:
    house = make_house()
    case = make_case(house)
    version = publish(house, case)
    assert case.state == Case.State.PUBLISHED
    assert case.current_version_id == version.pk
    with tenant(house.organisation), pytest.raises(TypeError):
        version.save()


def test_the_database_refuses_to_change_a_published_version() -> None:
    from django.db import DatabaseError, transaction

    house = make_house()
    version = publish(house)
    with tenant(house.organisation), pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        CaseVersion.objects.filter(pk=version.pk).update(alternative_title="Other")


def test_editing_a_published_case_leaves_the_version_and_publishing_makes_the_next() -> None:
    house = make_house()
    case = make_case(house)
    first = publish(house, case)
    with tenant(house.organisation):
        services.save_case(actor=house.educator, case=case, changes={"alternative_title": "Something else"})
        assert case.has_unpublished_changes
        assert CaseVersion.objects.get(pk=first.pk).content["alternative_title"] == "Middle-aged person with headache"
        second = services.publish_case(actor=house.educator, case=case)
    assert (second.number, case.has_unpublished_changes) == (2, False)
    assert first.digest != second.digest


def test_a_stale_revision_is_refused_and_nothing_is_overwritten() -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        services.save_case(actor=house.educator, case=case, changes={"title": "First"}, revision=seen)
        with pytest.raises(PartChanged):
            services.save_case(actor=house.administrator, case=case, changes={"title": "Second"}, revision=seen)
        case.refresh_from_db()
    assert case.title == "First"


def test_autosaves_share_a_revision_and_restoring_brings_everything_back() -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        before = case.revision
        count = CaseRevision.objects.filter(case=case).count()
        for title in ("A", "Ab", "Abc"):
            services.save_case(actor=house.educator, case=case, changes={"title": title}, coalesce=True)
        assert CaseRevision.objects.filter(case=case).count() == count + 1
        question = case.questions.first()
        services.delete_question(actor=house.educator, case=case, question_id=question.public_id)
        assert case.questions.count() == 1
        services.restore_revision(actor=house.educator, case=case, number=before)
        assert next(q.public_id for q in case.questions.all()) == question.public_id
        assert case.truth_marks.count() == 1
        assert case.title == "Xanthogranuloma"


def test_publishing_waits_for_the_checklist_and_says_what_is_missing() -> None:
    house = make_house()
    with tenant(house.organisation):
        case = services.create_case(actor=house.educator, library=house.library, title="Empty")
        with pytest.raises(NotReady) as refusal:
            services.publish_case(actor=house.educator, case=case)
    assert len(refusal.value.missing) >= 4


def test_a_mark_question_needs_truth_unless_the_case_is_called_a_normal() -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        services.save_truth(actor=house.educator, case=case, marks=[])
        with pytest.raises(NotReady):
            services.publish_case(actor=house.educator, case=case)
        services.save_case(actor=house.educator, case=case, changes={"is_normal": True})
        version = services.publish_case(actor=house.educator, case=case)
    assert version.is_normal


def test_a_description_of_the_images_that_names_the_diagnosis_stops_publication() -> None:
    house = make_house()
    study = make_study(house.archive, SeriesDescription="Xanthogranuloma follow-up")
    case = make_case(house, study=study)
    with tenant(house.organisation), pytest.raises(NotReady) as refusal:
        services.publish_case(actor=house.educator, case=case)
    assert "xanthogranuloma" in str(refusal.value.missing[0])


def test_a_library_may_want_a_second_person() -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        services.change_library(actor=house.administrator, library=house.library, changes={"requires_review": True})
        with pytest.raises(ReviewNeeded):
            services.publish_case(actor=house.educator, case=case)
        services.request_review(actor=house.educator, case=case)
        assert list(queries.reviews_asked_of(house.reviewer))
        services.decide_review(actor=house.reviewer, case=case, revision=case.revision, approved=True)
        assert case.state == Case.State.DRAFT
        services.save_case(actor=house.educator, case=case, changes={"title": "Changed after approval"})
        with pytest.raises(ReviewNeeded):
            services.publish_case(actor=house.educator, case=case)


def test_an_approval_covers_the_text_that_the_reviewer_saw() -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        services.request_review(actor=house.educator, case=case)
        seen = case.revision
        services.save_case(actor=house.educator, case=case, changes={"title": "Changed while the reviewer read"})
        for revision in (seen, None):
            with pytest.raises(CaseChanged):
                services.decide_review(actor=house.reviewer, case=case, revision=revision, approved=True)
        services.decide_review(actor=house.reviewer, case=case, revision=case.revision, approved=True)


def test_a_reviewer_approves_no_text_of_their_own() -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        grant_role(actor=None, container=house.library, role="editor", user=house.reviewer)
        services.request_review(actor=house.educator, case=case)
        services.save_case(actor=house.reviewer, case=case, changes={"title": "Changed by the reviewer"})
        with pytest.raises(Invalid, match="somebody else approves"):
            services.decide_review(actor=house.reviewer, case=case, revision=case.revision, approved=True)
        services.decide_review(
            actor=house.reviewer, case=case, revision=case.revision, approved=False, note="Look at my change."
        )


def test_nobody_decides_on_a_review_that_they_asked_for() -> None:
    """Not even with the right to review: the second person is another person."""
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        grant_role(actor=None, container=house.library, role="reviewer", user=house.educator)
        services.request_review(actor=house.educator, case=case)
        for approved in (True, False):
            with pytest.raises(Invalid):
                services.decide_review(
                    actor=house.educator, case=case, revision=case.revision, approved=approved, note="Fine."
                )
        case.refresh_from_db()
        assert case.state == Case.State.IN_REVIEW and list(queries.reviews_asked_of(house.reviewer))
        services.decide_review(actor=house.reviewer, case=case, revision=case.revision, approved=True)


def test_single_choice_has_one_right_option_and_option_ids_are_random() -> None:
    house = make_house()
    with tenant(house.organisation):
        case = services.create_case(actor=house.educator, library=house.library)
        question = services.add_question(
            actor=house.educator,
            case=case,
            kind="single",
            options=[{"text": "a", "is_correct": True}, {"text": "b", "is_correct": True}],
        )
    assert [option["is_correct"] for option in question.options] == [False, True]
    assert all(len(option["id"]) == 12 for option in question.options)
    assert isinstance(question, Question)


def test_truth_is_kept_in_millimetres_and_only_on_images_of_the_case() -> None:
    from core.errors import Invalid

    house = make_house()
    case = make_case(house)
    other = make_study(house.archive)
    with tenant(house.organisation):
        mark = case.truth_marks.get()
        assert mark.centre_mm == [16.0, 16.0, 0.0]
        assert mark.radius_mm == pytest.approx(6.0, abs=0.01)
        with pytest.raises(Invalid):
            services.save_truth(actor=house.educator, case=case, marks=[make_mark(other)])


@pytest.mark.parametrize(
    ("tool", "points", "counts"),
    [
        ("ellipse", ((5.0, 8.0), (11.0, 8.0), (8.0, 5.0), (8.0, 11.0)), True),
        ("rectangle", ((5.0, 5.0), (11.0, 5.0), (5.0, 11.0), (11.0, 11.0)), True),
        ("freehand", ((5.0, 5.0), (11.0, 5.0), (8.0, 11.0)), True),
        ("arrow", ((5.0, 5.0), (9.0, 9.0)), True),
        ("length", ((5.0, 5.0), (9.0, 9.0)), False),
        ("angle", ((5.0, 5.0), (9.0, 9.0), (5.0, 9.0)), False),
        ("bidirectional", ((5.0, 8.0), (11.0, 8.0), (8.0, 5.0), (8.0, 11.0)), False),
        ("probe", ((5.0, 5.0),), False),
    ],
)
def test_outlines_and_arrows_count_as_lesions_until_somebody_says_otherwise(
    tool: str, points: tuple[tuple[float, float], ...], counts: bool
) -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        mark = make_mark(
            case.case_studies.get().study,
            tool=tool,
            points=points,
            patient_points=tuple((x * 2, y * 2, 0.0) for x, y in points),
        )
        services.save_truth(actor=house.educator, case=case, marks=[mark])
        assert case.truth_marks.get().is_lesion is counts
        services.set_truth(actor=house.educator, case=case, mark_id=mark.id, changes={"is_lesion": not counts})
        services.save_truth(actor=house.educator, case=case, marks=[mark])
        assert case.truth_marks.get().is_lesion is not counts


def test_search_finds_by_prefix_in_what_editors_may_read() -> None:
    house = make_house()
    case = make_case(house)
    make_case(house, title="Osteoid osteoma", codes=[], keywords=["bone"])
    with tenant(house.organisation):
        found = queries.search_cases(queries.cases_of(house.educator), "xantho")
        assert case in list(found)
        assert not queries.search_cases(queries.cases_of(house.learner), "xantho").exists()


def test_what_is_too_long_is_refused_with_a_count_and_never_cut() -> None:
    house = make_house()
    case = make_case(house)
    with tenant(house.organisation):
        with pytest.raises(Invalid, match="At most 200 characters; this has 201"):
            services.save_case(actor=house.educator, case=case, changes={"title": "x" * 201})
        services.save_case(actor=house.educator, case=case, changes={"title": "x" * 200})
        case.refresh_from_db()
        assert case.title == "x" * 200


def test_line_ends_of_a_form_count_as_one_character_and_are_stored_so() -> None:
    assert text_of("one\r\ntwo\rthree", limit=13) == "one\ntwo\nthree"
