from __future__ import annotations

import threading

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from core.errors import Forbidden, NotFound
from core.tenancy import tenant
from practice import queries, services
from practice.errors import AttemptClosed, Incomplete
from practice.models import Answer, Attempt, Card, Score
from teaching import services as teaching
from teaching.models import CaseVersion
from tests.access.factories import make_member
from tests.teaching.factories import House, make_case, make_house, make_mark, publish
from viewer.domain.marks import Mark

pytestmark = pytest.mark.django_db


def answers(version: CaseVersion, *, right: bool = True, confidence: int = 4) -> dict[str, dict[str, object]]:
    draft: dict[str, dict[str, object]] = {}
    for question in version.content["questions"]:
        if question["kind"] == "single":
            chosen = next(o["id"] for o in question["options"] if o["is_correct"] is right)
            draft[question["id"]] = {"choice": [chosen], "confidence": confidence}
    return draft


def own_mark(version: CaseVersion, *, hit: bool = True, confidence: float = 4) -> Mark:
    study = version.studies.get()
    return make_mark(study, at=(8.0, 8.0, 2.0) if hit else (2.0, 2.0, 1.0), confidence=confidence)


def read(house: House, version: CaseVersion, *, right: bool = True, hit: bool = True) -> Attempt:
    attempt = services.start_attempt(user=house.learner, version=version)
    return services.commit_attempt(
        user=house.learner, attempt=attempt, draft=answers(version, right=right), marks=[own_mark(version, hit=hit)]
    )


def test_a_right_read_scores_everything_and_schedules_the_diagnosis() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = read(house, version)
        assert (attempt.state, attempt.points, attempt.max_points) == (Attempt.State.SCORED, 20.0, 20.0)
        card = Card.objects.get(user=house.learner)
        assert card.due_at > attempt.committed_at
        assert card.diagnosis_group == "radlex|rid1"


def test_a_wrong_mark_is_false_and_the_lesion_missed() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = read(house, version, right=False, hit=False)
        score = Answer.objects.get(attempt=attempt, kind="mark").scores.get()
        assert attempt.points == 0
        assert len(score.detail["false"]) == 1
        assert len(score.detail["missed"]) == 1


def test_nothing_is_committed_while_an_answer_is_missing() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
        with pytest.raises(Incomplete) as refusal:
            services.commit_attempt(user=house.learner, attempt=attempt)
        assert set(refusal.value.fields) == {question["id"] for question in version.content["questions"]}
        attempt.refresh_from_db()
        assert attempt.is_active
        assert not Answer.objects.exists()


def test_marks_need_a_rating_and_cannot_stand_beside_no_lesion() -> None:
    house = make_house()
    version = publish(house)
    mark_question = next(q["id"] for q in version.content["questions"] if q["kind"] == "mark")
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
        unrated = make_mark(version.studies.get())
        with pytest.raises(Incomplete):
            services.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[unrated])
        both = {**answers(version), mark_question: {"none": True, "confidence": 3}}
        with pytest.raises(Incomplete):
            services.commit_attempt(user=house.learner, attempt=attempt, draft=both, marks=[own_mark(version)])
        none = services.commit_attempt(user=house.learner, attempt=attempt, draft=both, marks=[])
        assert none.points == 10.0


@pytest.mark.parametrize("scored_by", ["self", "educator"])
def test_readers_score_their_own_text_only_where_the_question_leaves_it_to_them(scored_by: str) -> None:
    house = make_house()
    with tenant(house.organisation):
        case = make_case(house)
        question = teaching.add_question(
            actor=house.educator, case=case, kind="text", stem="Why?", points=4, scored_by=scored_by,
            rubric=[{"text": "Names the rim", "points": 3}, {"text": "Names the place", "points": 1}],
        )  # fmt: skip
    version = publish(house, case)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
        draft = {**answers(version), question.public_id: {"text": "The rim.", "confidence": 3}}
        services.commit_attempt(user=house.learner, attempt=attempt, draft=draft, marks=[own_mark(version)])
        asked = next(q for q in version.content["questions"] if q["kind"] == "text")
        met = [str(line["id"]) for line in asked["rubric"]]
        given = {"attempt": attempt, "question_id": asked["id"]}
        if scored_by == "educator":
            with pytest.raises((NotFound, Forbidden)):
                services.score_text(actor=house.learner, met=met, **given)
            assert not Answer.objects.get(attempt=attempt, kind="text").scores.exists()
        else:
            services.score_text(actor=house.learner, met=met[:1], **given)
            assert Answer.objects.get(attempt=attempt, kind="text").scores.get().by == Score.By.SELF
        with pytest.raises((NotFound, Forbidden)):
            services.score_text(actor=make_member(house.organisation), met=met, **given)
        services.score_text(actor=house.educator, met=met, **given)
        newest = Answer.objects.get(attempt=attempt, kind="text").scores.order_by("pk").last()
        assert newest is not None and (newest.by, newest.points) == (Score.By.EDUCATOR, 4)


def test_committing_twice_changes_nothing() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = read(house, version)
        again = services.commit_attempt(
            user=house.learner, attempt=attempt, draft=answers(version, right=False), marks=[]
        )
        assert (again.points, Answer.objects.filter(attempt=attempt).count()) == (20.0, 2)


def test_drafts_and_marks_are_frozen_by_the_commit() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = read(house, version)
        with pytest.raises(AttemptClosed):
            services.save_draft(user=house.learner, attempt=attempt, draft={})
        with pytest.raises(AttemptClosed):
            services.save_marks(user=house.learner, attempt=attempt, marks=[])


def test_the_database_refuses_to_change_an_answer() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        read(house, version)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            Answer.objects.update(confidence=1)


def test_only_a_learner_of_the_case_can_start_and_one_read_is_active_at_a_time() -> None:
    house, other = make_house(), make_house()
    version = publish(house)
    with tenant(house.organisation):
        for person in (house.member, house.officer, other.learner, other.educator):
            with pytest.raises(NotFound):
                services.start_attempt(user=person, version=version)
        first = services.start_attempt(user=house.learner, version=version)
        assert services.start_attempt(user=house.learner, version=version).pk == first.pk


def test_an_attempt_belongs_to_its_reader_alone() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
        with pytest.raises(NotFound):
            services.commit_attempt(user=make_member(house.organisation), attempt=attempt, draft={}, marks=[])


@pytest.mark.django_db(transaction=True)
def test_of_two_tabs_that_commit_at_once_one_wins_and_both_see_its_result() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
        mark = own_mark(version)
    barrier = threading.Barrier(2)
    results: list[float | None] = []
    errors: list[Exception] = []

    def commit(right: bool) -> None:
        try:
            with tenant(house.organisation):
                mine = Attempt.objects.get(pk=attempt.pk)
                barrier.wait(timeout=20)
                done = services.commit_attempt(
                    user=house.learner, attempt=mine, draft=answers(version, right=right), marks=[mark]
                )
                results.append(done.points)
        except Exception as error:  # noqa: BLE001 -- a thread hands its failure to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=commit, args=(right,)) for right in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not errors
    assert len(set(results)) == 1
    with tenant(house.organisation):
        assert Answer.objects.filter(attempt=attempt).count() == 2
        assert Card.objects.filter(user=house.learner, reviews=1).count() == 1


def test_reads_begun_at_the_same_moment_are_always_listed_in_one_order() -> None:
    house = make_house()
    versions = [publish(house) for _case in range(4)]
    with tenant(house.organisation):
        moment = timezone.now()
        made = [services.start_attempt(user=house.learner, version=one, moment=moment) for one in versions]
        # Written anew, so that the table does not happen to keep them in the order in which they are asked for.
        services.save_draft(user=house.learner, attempt=made[0], draft={})
        assert list(queries.attempts_of(house.learner)) == made[::-1]
