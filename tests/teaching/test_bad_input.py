"""What no page of ours sends to the editor is refused with a sentence, or changes nothing; it never fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from core.tenancy import tenant
from teaching import services
from tests.dicomweb.factories import make_token
from tests.teaching.factories import House, make_case, make_house
from tests.teaching.test_pages import client_of, url

pytestmark = pytest.mark.django_db
DEEP = "[" * 100_000


@pytest.fixture
def house() -> House:
    return make_house()


@pytest.mark.parametrize(
    "layout",
    [
        "x",
        "[]",
        "null",
        DEEP,
        '{"rows": "x"}',
        '{"rows": [1]}',
        '{"rows": 5}',
        '{"columns": -1}',
        '{"rows": 1e999}',
        '{"viewports": 5}',
        '{"viewports": [1]}',
        '{"viewports": [{"frame": "x"}]}',
        '{"viewports": [{"frame": [1]}]}',
        '{"viewports": [{"window": 5}]}',
        '{"viewports": [{"window": {"center": 1}}]}',
        '{"viewports": [{"window": {"center": NaN, "width": 1}}]}',
        '{"viewports": [{"window": {"center": 1, "width": 1e999}}]}',
        '{"viewports": [{}, {}]}',
    ],
)
def test_an_opening_view_that_makes_no_sense_is_refused(house: House, layout: str) -> None:
    case = make_case(house)
    there = url("teaching:case-layout", house, case=case.public_id)
    answer = client_of(house.educator).post(there, layout, content_type="application/json")
    assert answer.status_code == 400
    before = case.layout
    with tenant(house.organisation):
        case.refresh_from_db()
    assert case.layout == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonsense", "x"),
        ("owner", "1"),
        ("pk", "1"),
        ("codes", "x"),
        ("codes", "5"),
        ("authors", "[1]"),
        ("key_images", '[{"frame": "x"}]'),
        ("key_images", '[{"frame": {"a": 1}}]'),
        ("key_images", '[{"frame": 1e999}]'),
        ("key_images", DEEP),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(house: House, name: str, value: str) -> None:
    case = make_case(house)
    there = url("teaching:case-fields", house, case=case.public_id)
    assert client_of(house.educator).post(there, {name: value}).status_code == 400


@pytest.mark.parametrize(
    ("name", "value"), [("keywords", 5), ("authors", 5), ("codes", True), ("key_images", {"a": 1})]
)
def test_a_program_that_sends_another_kind_is_refused(house: House, name: str, value: Any) -> None:
    case = make_case(house)
    assert _patch(house, case.public_id, {name: value}).status_code == 400


def test_half_a_surrogate_pair_is_left_out(house: House) -> None:
    case = make_case(house)
    answer = _patch(house, case.public_id, {"title": "A \ud800title\x00"})
    assert (answer.status_code, answer.json()["title"]) == (200, "A title")


def _patch(house: House, case: str, changes: dict[str, Any]) -> Any:
    bearer = {"authorization": f"Bearer {make_token(house.educator, 'read', 'write')}"}
    there = f"/api/v1/o/{house.organisation.slug}/cases/{case}/"
    return Client().patch(there, json.dumps(changes), content_type="application/json", headers=bearer)


@pytest.mark.parametrize("seen", ["²", "9" * 5000, "-1", "W/1", "\xff"])
def test_a_revision_that_is_none_is_no_revision(house: House, seen: str) -> None:
    case = make_case(house)
    there = url("teaching:case-fields", house, case=case.public_id)
    answer = client_of(house.educator).post(there, {"title": "Changed"}, headers={"If-Match": seen})
    assert answer.status_code == 200


def test_points_of_a_rubric_that_are_no_number_count_as_none(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        question = services.add_question(
            actor=house.educator, case=case, kind="text", rubric=[{"text": "a", "points": 5}]
        )
    there = url("teaching:question", house, case=case.public_id, question=question.public_id)
    form = {"has_rubric": "1", "rubric_id": "", "rubric_text": "a", "rubric_points": "²"}
    assert client_of(house.educator).post(there, form).status_code == 200
    with tenant(house.organisation):
        question.refresh_from_db()
    assert [line["points"] for line in question.rubric] == [0]
