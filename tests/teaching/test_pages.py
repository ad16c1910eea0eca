from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access.models import User
from core.tenancy import tenant
from practice import services as practice
from teaching import services
from teaching.models import Assignment, Case
from teaching.views import history
from tests.practice.test_reads import answers, own_mark
from tests.teaching.factories import House, make_case, make_house, make_study, publish

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(name: str, house: House, **kwargs: Any) -> str:
    return reverse(name, kwargs={"organisation": house.organisation.slug, **kwargs})


@pytest.fixture
def house() -> House:
    return make_house()


def test_the_editor_shows_the_whole_case_and_saves_field_by_field(house: House) -> None:
    case = make_case(house)
    client = client_of(house.educator)
    page = client.get(url("teaching:case-edit", house, case=case.public_id))
    assert page.status_code == 200
    text = page.content.decode()
    assert "Xanthogranuloma" in text
    assert 'data-mode="author"' in text
    answer = client.post(
        url("teaching:case-fields", house, case=case.public_id),
        {"alternative_title": "Changed"},
        headers={"If-Match": f'"{case.revision}"'},
    )
    assert answer.status_code == 200
    with tenant(house.organisation):
        case.refresh_from_db()
    assert (case.alternative_title, answer["ETag"]) == ("Changed", f'"{case.revision}"')


def test_a_save_after_somebody_elses_is_refused_with_409(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        services.save_case(actor=house.administrator, case=case, changes={"title": "Theirs"})
    client = client_of(house.educator)
    answer = client.post(
        url("teaching:case-fields", house, case=case.public_id),
        {"title": "Mine"},
        headers={"If-Match": f'"{seen}"', "Accept": "application/json"},
    )
    assert answer.status_code == 409
    with tenant(house.organisation):
        case.refresh_from_db()
    assert case.title == "Theirs"


def test_questions_are_added_filled_moved_removed_and_brought_back(house: House) -> None:
    case = make_case(house)
    client = client_of(house.educator)
    added = client.post(
        url("teaching:question-add", house, case=case.public_id), {"kind": "multiple"}, headers={"HX-Request": "true"}
    )
    assert added.status_code == 200
    with tenant(house.organisation):
        row = case.questions.last()
        options = [option["id"] for option in row.options]
    address = url("teaching:question", house, case=case.public_id, question=row.public_id)
    form = {
        "stem": "Which signs?",
        "points": "7",
        "has_options": "1",
        "option_id": options,
        "option_text": ["One", "Two"],
        "option_explanation": ["", "why"],
        "option_correct": options,
        "has_shuffle": "1",
        "has_asks_confidence": "1",
        "kind": "multiple",
        "add_option": "1",
    }
    assert client.post(address, form, headers={"HX-Request": "true"}).status_code == 200
    with tenant(house.organisation):
        row.refresh_from_db()
        assert [option["text"] for option in row.options] == ["One", "Two", ""]
        assert (row.points, row.shuffle, row.asks_confidence) == (7, False, False)
    assert client.post(address, {"move": "up"}, headers={"HX-Request": "true"}).status_code == 200
    removed = client.delete(address, headers={"HX-Request": "true"})
    assert "Undo" in removed.content.decode()
    with tenant(house.organisation):
        assert case.questions.count() == 2
        case.refresh_from_db()
        before = case.revision - 1
    client.post(url("teaching:case-restore", house, case=case.public_id, number=before))
    with tenant(house.organisation):
        assert case.questions.count() == 3


def test_marks_are_saved_by_the_viewer_and_described(house: House) -> None:
    case = make_case(house)
    client = client_of(house.educator)
    with tenant(house.organisation):
        mark = own_mark_of(case)
    address = url("teaching:case-marks", house, case=case.public_id)
    body = {"layer": "truth", "version": case.truth_version, "marks": [mark]}
    answer = client.put(address, json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert client.put(address, json.dumps(body), content_type="application/json").status_code == 409
    described = client.post(
        url("teaching:case-truth", house, case=case.public_id), {"mark": mark["id"], "has_is_lesion": "1"}
    )
    assert described.status_code == 200
    with tenant(house.organisation):
        assert not case.truth_marks.get().is_lesion


def own_mark_of(case: Case) -> dict[str, Any]:
    from tests.teaching.factories import make_mark

    study = case.case_studies.first().study
    return make_mark(study, label="seen").to_json()


def test_preview_shows_what_a_trainee_sees(house: House) -> None:
    case = make_case(house)
    client = client_of(house.educator)
    before = client.get(url("teaching:case-preview", house, case=case.public_id)).content.decode()
    after = client.get(url("teaching:case-preview", house, case=case.public_id) + "?after=1").content.decode()
    assert "Xanthogranuloma" not in before
    assert "Xanthogranuloma" in after


def test_publishing_needs_a_green_checklist_and_a_retired_case_leaves_the_lists(house: House) -> None:
    with tenant(house.organisation):
        empty = services.create_case(actor=house.educator, library=house.library, title="Empty")
    client = client_of(house.educator)
    refused = client.post(
        url("teaching:case-act", house, case=empty.public_id, action="publish"), headers={"HX-Request": "true"}
    )
    assert refused.status_code == 422
    case = make_case(house)
    done = client.post(url("teaching:case-act", house, case=case.public_id, action="publish"))
    assert done.status_code == 302
    with tenant(house.organisation):
        case.refresh_from_db()
    assert case.state == Case.State.PUBLISHED
    client.post(url("teaching:case-act", house, case=case.public_id, action="retire"), {"reason": "Outdated"})
    with tenant(house.organisation):
        case.refresh_from_db()
    assert case.state == Case.State.RETIRED


def test_a_case_without_images_is_edited_on_a_plain_page_and_gets_them_there(house: House) -> None:
    study = make_study(house.archive)
    with tenant(house.organisation):
        case = services.create_case(actor=house.educator, library=house.library, title="Text first")
    client = client_of(house.educator)
    page = client.get(url("teaching:case-edit", house, case=case.public_id))
    assert study.public_id in page.content.decode()
    client.post(url("teaching:case-attach", house, case=case.public_id), {"study": study.public_id})
    assert 'data-mode="author"' in client.get(url("teaching:case-edit", house, case=case.public_id)).content.decode()


@pytest.mark.parametrize(
    "query", ["", "?q=xantho", "?q=nothing", "?view=grid", "?state=draft&category=neuro", "?sort=-reads"]
)
def test_case_lists_answer(house: House, query: str) -> None:
    make_case(house)
    client = client_of(house.educator)
    page = client.get(url("teaching:home", house) + query)
    assert page.status_code == 200
    assert ("Xanthogranuloma" in page.content.decode()) is ("nothing" not in query)
    assert client.get(url("teaching:library", house, library=house.library.slug) + query).status_code == 200


def test_courses_take_cases_and_assignments(house: House) -> None:
    case = make_case(house)
    publish(house, case, in_course=False)
    client = client_of(house.educator)
    client.post(url("teaching:course-cases", house, course=house.course.slug), {"add": case.public_id})
    page = client.get(url("teaching:course", house, course=house.course.slug))
    assert "Xanthogranuloma" in page.content.decode()
    form_page = client.get(url("teaching:assignment-new", house, course=house.course.slug))
    assert form_page.status_code == 200
    assert f'name="cases" value="{case.public_id}"' in form_page.content.decode()
    assert form_page.context["form"]["cases"].value() in (None, [])
    made = client.post(
        url("teaching:assignment-new", house, course=house.course.slug),
        {"title": "Week 1", "cases": [case.public_id], "due_at": "2090-01-01T12:00", "audience": "course"},
    )
    assert made.status_code == 302, made.content.decode()[:2000]
    with tenant(house.organisation):
        assignment = Assignment.objects.get()
    practice_page = client_of(house.learner).get(url("practice:home", house)).content.decode()
    assert "Week 1" in practice_page
    assert "Xanthogranuloma" not in practice_page
    client.post(url("teaching:assignment-withdraw", house, assignment=assignment.public_id))
    assert "Week 1" not in client_of(house.learner).get(url("practice:home", house)).content.decode()


def test_roles_are_given_and_taken_on_the_settings_page(house: House) -> None:
    client = client_of(house.educator)
    page = client.get(url("teaching:library-settings", house, library=house.library.slug))
    assert page.status_code == 200
    address = url("teaching:container-roles", house, kind="library", slug=house.library.slug)
    client.post(address, {"person": house.member.username, "role": "learner", "change": "give"})
    assert client_of(house.member).get(url("practice:home", house)).status_code == 200
    version = publish(house, in_course=False)
    assert version.alternative_title in client_of(house.member).get(url("practice:home", house)).content.decode()
    client.post(address, {"person": house.member.username, "role": "learner", "change": "take"})
    assert version.alternative_title not in client_of(house.member).get(url("practice:home", house)).content.decode()


def test_results_show_who_read_and_what_was_chosen(house: House) -> None:
    case = make_case(house)
    version = publish(house, case)
    with tenant(house.organisation):
        attempt = practice.start_attempt(user=house.learner, version=version)
        practice.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
    client = client_of(house.educator)
    for name, kwargs in (
        ("practice:case-results", {"case": case.public_id}),
        ("practice:course-results", {"course": house.course.slug}),
    ):
        page = client.get(url(name, house, **kwargs))
        assert page.status_code == 200
        assert str(house.learner) in page.content.decode()
        exported = client.get(url(name, house, **kwargs) + "?format=csv")
        assert exported["Content-Type"].startswith("text/csv")
    review = client.get(url("practice:attempt", house, attempt=attempt.public_id))
    assert review.status_code == 200
    assert 'data-mode="review"' in review.content.decode()


def test_history_lists_every_edit_with_its_differences(house: House) -> None:
    case = make_case(house)
    page = client_of(house.educator).get(url("teaching:case-history", house, case=case.public_id))
    assert page.status_code == 200
    assert "Restore" in page.content.decode()


def test_a_long_history_has_pages_and_each_edit_its_differences(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(house)
    monkeypatch.setattr(history, "PAGE_LENGTH", 2)
    client, there = client_of(house.educator), url("teaching:case-history", house, case=case.public_id)
    with tenant(house.organisation):
        edits = case.revisions.count()
    assert edits > 4
    pages = [client.get(f"{there}?page={number}") for number in range(1, -(-edits // 2) + 1)]
    shown = [row for page in pages for row in page.context["rows"]]
    assert [row["revision"].number for row in shown] == list(range(edits, 0, -1))
    assert all(row["changes"] for row in shown[:-1])
    assert shown[-1]["changes"] == []
    assert [">now<" in page.content.decode() for page in pages] == [True] + [False] * (len(pages) - 1)
    assert client.get(f"{there}?page=nonsense").context["page"].number == 1


def test_an_educator_sees_where_everybody_marked_and_a_learner_does_not(house: House) -> None:
    version = publish(house)
    from access.services import grant_role

    with tenant(house.organisation):
        grant_role(actor=None, container=house.course, role="learner", user=house.member)
        for person in (house.learner, house.member):
            attempt = practice.start_attempt(user=person, version=version)
            practice.commit_attempt(user=person, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
    address = url("practice:attempt", house, attempt=attempt.public_id) + "?format=json"
    layers = client_of(house.educator).get(address).json()["annotations"]["layers"]
    assert [(layer["name"], len(layer["marks"])) for layer in layers] == [("truth", 1), ("own", 1), ("others", 1)]
    own = client_of(house.member).get(address).json()["annotations"]["layers"]
    assert [layer["name"] for layer in own] == ["truth", "own"]


def test_the_opening_view_and_key_images_reach_the_reader(house: House) -> None:
    case = make_case(house)
    client = client_of(house.educator)
    with tenant(house.organisation):
        mark = own_mark_of(case)
    view = {"series": mark["series_instance_uid"], "sop": mark["sop_instance_uid"], "frame": 1}
    layout = {"rows": 1, "columns": 2, "viewports": [{**view, "window": {"center": 40, "width": 80}, "invert": True}]}
    saved = client.post(
        url("teaching:case-layout", house, case=case.public_id), json.dumps(layout), content_type="application/json"
    )
    assert saved.status_code == 200
    images = [{"id": "1", **view, "caption": "The rim"}]
    client.post(url("teaching:case-fields", house, case=case.public_id), {"key_images": json.dumps(images)})
    version = publish(house, case)
    with tenant(house.organisation):
        attempt = practice.start_attempt(user=house.learner, version=version)
    learner = client_of(house.learner)
    address = url("practice:attempt", house, attempt=attempt.public_id)
    shown = learner.get(address + "?format=json").json()["layout"]
    assert (shown["columns"], shown["viewports"][0]["window"]) == (2, {"center": 40.0, "width": 80.0})
    assert "The rim" not in learner.get(address).content.decode()
    with tenant(house.organisation):
        practice.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
    assert "The rim" in learner.get(address).content.decode()
