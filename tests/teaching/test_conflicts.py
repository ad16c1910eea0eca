"""Saves are compared part by part with what their page saw, whoever wrote in between, and history keeps each text."""

from __future__ import annotations

from typing import Any

import pytest

from core.tenancy import tenant
from teaching import services
from teaching.errors import CaseChanged, PartChanged
from teaching.models import Case, CaseSection
from tests.teaching.factories import House, make_case, make_house
from tests.teaching.test_pages import client_of, url

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return make_house()


def section_of(case: Case, kind: str = "history") -> CaseSection:
    return case.sections.get(kind=kind)


def write(house: House, case: Case, body: str, *, seen: int | None, actor: Any = None, page: str = "first") -> None:
    services.change_section(
        actor=actor or house.educator,
        case=case,
        section_id=section_of(case).public_id,
        changes={"body": body},
        revision=seen,
        coalesce=True,
        editor=page,
    )


def bodies_in_history(case: Case) -> list[str]:
    return [
        section["body"]
        for revision in case.revisions.order_by("number")
        for section in revision.content["sections"]
        if section["kind"] == "history"
    ]


def test_the_version_moves_with_each_save_that_the_history_folds(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        entries = case.revisions.count()
        versions = []
        for body in ("A", "Ab", "Abc"):
            write(house, case, body, seen=case.revision)
            versions.append(section_of(case).version)
        assert case.revisions.count() == entries + 1
    assert versions == sorted(set(versions))


def test_a_second_author_does_not_overwrite_what_a_first_one_saved_in_several_steps(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        write(house, case, "Begun", seen=case.revision)
        seen = case.revision
        write(house, case, "Begun and ended", seen=seen)
        with pytest.raises(PartChanged):
            write(house, case, "Another", seen=seen, actor=house.administrator, page="second")
        assert section_of(case).body == "Begun and ended"


def test_a_second_tab_of_the_same_person_does_not_overwrite_the_first(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        write(house, case, "In the first tab", seen=seen)
        with pytest.raises(PartChanged):
            write(house, case, "In the second tab", seen=seen, page="second")
        assert section_of(case).body == "In the first tab"


def test_history_keeps_a_text_that_a_second_tab_has_knowingly_replaced(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        write(house, case, "In the first tab", seen=case.revision)
        write(house, case, "In the second tab", seen=case.revision, page="second")
        assert bodies_in_history(case)[-2:] == ["In the first tab", "In the second tab"]


def test_two_people_write_different_sections_without_a_conflict(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        write(house, case, "History", seen=seen)
        services.change_section(
            actor=house.administrator,
            case=case,
            section_id=section_of(case, "findings").public_id,
            changes={"body": "Findings"},
            revision=seen,
        )
        services.save_case(actor=house.administrator, case=case, changes={"anatomy": "Head"}, revision=seen)
        case.refresh_from_db()
        assert (section_of(case).body, section_of(case, "findings").body) == ("History", "Findings")


def test_a_save_that_is_sent_again_after_a_lost_answer_is_no_conflict(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        write(house, case, "Sent twice", seen=seen)
        write(house, case, "Sent twice", seen=seen)
        assert section_of(case).body == "Sent twice"


def test_a_restored_text_counts_as_changed(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        start, untouched = case.revision, section_of(case, "findings").version
        write(house, case, "Later", seen=start)
        seen = case.revision
        services.restore_revision(actor=house.administrator, case=case, number=start)
        with pytest.raises(PartChanged):
            write(house, case, "Later still", seen=seen)
        assert section_of(case, "findings").version == untouched


def test_a_section_that_was_changed_elsewhere_is_not_removed_unseen(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        write(house, case, "Newer", seen=seen)
        with pytest.raises(PartChanged):
            services.delete_section(
                actor=house.educator, case=case, section_id=section_of(case).public_id, revision=seen
            )


@pytest.mark.parametrize("kind", ["section", "question", "field"])
def test_the_answer_to_a_conflict_brings_what_is_stored_and_who_wrote_it(house: House, kind: str) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        section, question = section_of(case), case.questions.first()
        assert question is not None
        if kind == "section":
            write(house, case, "Stored words", seen=seen, actor=house.administrator)
            there = url("teaching:section", house, case=case.public_id, section=section.public_id)
            form = {"body": "My words"}
        elif kind == "question":
            services.change_question(
                actor=house.administrator,
                case=case,
                question_id=question.public_id,
                changes={"stem": "Stored words"},
                revision=seen,
            )
            there = url("teaching:question", house, case=case.public_id, question=question.public_id)
            form = {"stem": "My words"}
        else:
            services.save_case(actor=house.administrator, case=case, changes={"anatomy": "Stored words"})
            there = url("teaching:case-fields", house, case=case.public_id)
            form = {"anatomy": "My words"}
        newest = case.revision
    headers = {"If-Match": f'"{seen}"', "Accept": "application/json", "X-Editor": "second"}
    answer = client_of(house.educator).post(there, form, headers=headers)
    clash = answer.json()
    assert (answer.status_code, clash["code"], clash["version"]) == (409, "part-changed", newest)
    assert clash["by"] == str(house.administrator)
    assert "Stored words" in (clash.get("html") or clash["values"]["anatomy"])
    headers["If-Match"] = f'"{clash["version"]}"'
    assert client_of(house.educator).post(there, form, headers=headers).status_code == 200


def test_publishing_is_refused_after_an_edit_that_its_page_has_not_seen(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        write(house, case, "Own page", seen=seen, page="mine")
        write(house, case, "Other tab", seen=case.revision, page="other")
        with pytest.raises(CaseChanged):
            services.publish_case(actor=house.educator, case=case, revision=seen, editor="mine")


def test_publishing_goes_on_after_the_edits_of_its_own_page(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        seen = case.revision
        write(house, case, "Own page", seen=seen, page="mine")
        assert services.publish_case(actor=house.educator, case=case, revision=seen, editor="mine").number == 1
