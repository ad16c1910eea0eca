"""An act on several rows with none ticked leads back to the list with a sentence: never to a bare error page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.matrix.walk import INSIDE, address
from tests.matrix.world import World, make_world

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
STUDY, FILE, IMAGE = "Choose at least one study.", "Choose at least one file.", "Choose at least one image."

#: Route, who acts, what the form sends beside the ticks, the sentence.
ACTS: list[tuple[str, str, dict[str, str], str]] = [
    ("archive:studies-export", "manager", {}, STUDY),
    ("archive:studies-delete", "manager", {}, STUDY),
    ("archive:studies-delete", "manager", {"confirm_name": "3"}, STUDY),
    ("archive:album-add", "manager", {}, STUDY),
    ("archive:album-add", "manager", {"add": "1", "album": "new", "name": "Knees"}, STUDY),
    ("archive:album-remove", "manager", {}, STUDY),
    ("archive:album-move", "manager", {"direction": "first"}, STUDY),
    ("archive:quarantine-release", "manager", {}, FILE),
    ("archive:quarantine-release", "manager", {"looked": "on", "reason": "a phantom"}, FILE),
    ("archive:quarantine-discard", "manager", {}, FILE),
    ("archive:quarantine-discard", "manager", {"confirm_name": "1"}, FILE),
    ("core:notifications-mark", "reader", {"as": "read"}, "Choose at least one notification."),
    ("core:notifications-mark", "reader", {"as": "unread"}, "Choose at least one notification."),
    ("deid:run-release", "manager", {"reason": "nothing but anatomy"}, IMAGE),
    ("deid:run-drop", "manager", {"reason": "a name in the corner"}, IMAGE),
    ("deid:run-take-back", "manager", {}, IMAGE),
    ("teaching:course-cases", "educator", {}, "Choose a case."),
    ("teaching:course-cases", "educator", {"add": ""}, "Choose a case."),
    ("teaching:case-attach", "educator", {}, "Choose a study."),
    ("teaching:assignment-new", "educator", {"title": "Week 1", "audience": "course"}, "cases"),
]
#: Where ticks are read without `core.chosen`, and why none of them is an error.
READ_ELSEWHERE = {
    "access/views/people.py": "no role ticked takes all away",
    "archive/albums/views.py": "the order of what was ticked",
    "archive/views/studies.py": "whether the study's own page sent it",
    "practice/views/reading.py": "an answer may be empty",
    "teaching/views/questions.py": "options of a question; the checklist asks for them",
    "deid/held_views.py": "the page comes back with its reason and the sentence",
    "access/single_sign_on/views/back_channel.py": "a provider's call",
}


@pytest.fixture(scope="module")
def north(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world(slug="north", word="Northwood")
        transaction.set_rollback(True)


def place_of(route: str, world: World) -> str:
    arguments = dict(INSIDE)[route]
    return address(route=route, arguments=arguments, world=world)


@pytest.mark.parametrize(("route", "role", "form", "sentence"), ACTS)
def test_nothing_ticked_leads_back_to_the_page_with_a_sentence(
    route: str, role: str, form: dict[str, str], sentence: str, north: World
) -> None:
    client = Client()
    client.force_login(north.people[role])
    with transaction.atomic():
        answer = client.post(place_of(route, north), form, follow=True)
        transaction.set_rollback(True)
    text = answer.content.decode()
    assert answer.status_code in (200, 422)
    assert "This was not carried out" not in text
    assert sentence in text


def test_the_list_comes_back_as_it_was_filtered_and_nobody_is_led_elsewhere(north: World) -> None:
    client = Client()
    client.force_login(north.people["manager"])
    place, shown = place_of("archive:studies-export", north), place_of("archive:study-list", north)
    for referer, back in (
        (f"http://testserver{shown}?q=knee&sort=-date", f"{shown}?q=knee&sort=-date"),
        (f"http://elsewhere.example{shown}?q=knee", shown),
        (f"http://testserver{place}?q=knee", shown),
        ("", shown),
    ):
        answer = client.post(place, headers={"Referer": referer} if referer else {})
        assert (answer.status_code, answer["Location"]) == (302, back)


def test_a_fragment_gets_the_sentence_as_a_toast(north: World) -> None:
    client = Client()
    client.force_login(north.people["manager"])
    place = place_of("archive:album-move", north)
    answer = client.post(place, {"direction": "first"}, headers={"HX-Request": "true"})
    assert json.loads(answer["HX-Trigger"])["toast"]["message"] == STUDY


def test_marking_nothing_as_read_marks_nothing(north: World) -> None:
    from core import notifications
    from core.tenancy import tenant

    person = north.people["reader"]
    client = Client()
    client.force_login(person)
    with transaction.atomic():
        with tenant(north.organisation):
            notifications.register(kind="test.line", label="Lines", sentence="A line")
            notifications.send(kind="test.line", organisation=north.organisation, persons=[person], subject="one")
            before = notifications.unread_count(user=person)
        client.post(place_of("core:notifications-mark", north), {"as": "read"})
        with tenant(north.organisation):
            assert notifications.unread_count(user=person) == before > 0
        client.post(place_of("core:notifications-mark", north))
        with tenant(north.organisation):
            assert notifications.unread_count(user=person) == 0
        transaction.set_rollback(True)


def test_every_form_with_ticks_reads_them_in_one_place() -> None:
    ticks = re.compile(r"POST\.getlist\(|form\.getlist\(")
    found = {
        str(path.relative_to(ROOT))
        for app in ("access", "archive", "audit", "core", "deid", "dimse", "practice", "teaching", "trials", "viewer")
        for path in (ROOT / app).rglob("*.py")
        if "views" in str(path.relative_to(ROOT)) and ticks.search(path.read_text(encoding="utf-8"))
    }
    assert found <= set(READ_ELSEWHERE)
