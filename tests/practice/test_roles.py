"""Every route of teaching and practice × every kind of person: who gets in, who is refused, for whom it does not exist."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from core.tenancy import tenant
from practice import services
from teaching.models import Assignment
from teaching.services import create_assignment
from tests.practice.test_leaks import routes
from tests.practice.test_reads import answers, own_mark
from tests.teaching.factories import House, make_case, make_house, publish

pytestmark = pytest.mark.django_db

ROLES = ("educator", "learner", "member", "officer", "stranger", "anonymous")
#: Expected status of GET by role. 302 is a redirect to where the person belongs; anonymous people are sent to sign in.
# fmt: off
PAGES: dict[str, tuple[int, int, int, int, int, int]] = {
    #                               educator learner member officer stranger anonymous
    "teaching:home":                    (200, 302, 403, 403, 404, 302),
    "teaching:library":                 (200, 403, 403, 403, 404, 302),
    "teaching:library-new":             (403, 403, 403, 403, 404, 302),
    "teaching:library-settings":        (200, 403, 403, 403, 404, 302),
    "teaching:case-new":                (200, 403, 403, 403, 404, 302),
    "teaching:case-edit":               (200, 403, 403, 403, 404, 302),
    "teaching:case-preparing":          (200, 403, 403, 403, 404, 302),
    "teaching:case-truth":              (200, 403, 403, 403, 404, 302),
    "teaching:case-preview":            (200, 403, 403, 403, 404, 302),
    "teaching:case-publishing":         (200, 403, 403, 403, 404, 302),
    "teaching:case-history":            (200, 403, 403, 403, 404, 302),
    "teaching:course":                  (200, 403, 403, 403, 404, 302),
    "teaching:course-new":              (200, 403, 403, 403, 404, 302),
    "teaching:course-settings":         (200, 403, 403, 403, 404, 302),
    "teaching:assignment-new":          (200, 403, 403, 403, 404, 302),
    "practice:home":                    (200, 200, 200, 200, 404, 302),
    "practice:progress":                (200, 200, 200, 200, 404, 302),
    "practice:attempt-list":            (200, 200, 200, 200, 404, 302),
    "practice:attempt":                 (200, 200, 404, 404, 404, 302),
    "practice:case-results":            (200, 403, 403, 403, 404, 302),
    "practice:course-results":          (200, 403, 403, 403, 404, 302),
    "teaching-api:cases":               (200, 200, 200, 200, 404, 401),
    "teaching-api:case":                (200, 403, 403, 403, 404, 401),
    "practice-api:unknowns":            (200, 200, 200, 200, 404, 401),
    "practice-api:attempts":            (200, 200, 200, 200, 404, 401),
    "practice-api:attempt":             (200, 200, 404, 404, 404, 401),
}
#: Expected status of a change by role: (method, what is sent, statuses). What educators send is made to be valid, or to
#: be refused for its content (400, 409, 422, 423) only after the right was found.
ACTS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int, int, int, int]]] = {
    "teaching:library-new":         ("post", {},                        (403, 403, 403, 403, 404, 302)),
    "teaching:library-settings":    ("post", {},                        (422, 403, 403, 403, 404, 302)),
    "teaching:container-roles":     ("post", {},                        (404, 403, 403, 403, 404, 302)),
    "teaching:case-new":            ("post", {},                        (422, 403, 403, 403, 404, 302)),
    "teaching:case-make":           ("post", {},                        (422, 403, 403, 403, 404, 302)),
    "teaching:case-fields":         ("post", {"anatomy": "x"},          (200, 403, 403, 403, 404, 302)),
    "teaching:case-layout":         ("post", {},                        (400, 403, 403, 403, 404, 302)),
    "teaching:case-marks":          ("put",  {},                        (422, 403, 403, 403, 404, 302)),
    "teaching:section-add":         ("post", {"kind": "custom"},        (200, 403, 403, 403, 404, 302)),
    "teaching:section":             ("post", {"body": "x"},             (200, 403, 403, 403, 404, 302)),
    "teaching:question-add":        ("post", {"kind": "mark"},          (200, 403, 403, 403, 404, 302)),
    "teaching:question":            ("post", {"stem": "x"},             (200, 403, 403, 403, 404, 302)),
    "teaching:case-truth":          ("post", {},                        (400, 403, 403, 403, 404, 302)),
    "teaching:case-act":            ("post", {},                        (302, 403, 403, 403, 404, 302)),
    "teaching:case-attach":         ("post", {},                        (302, 403, 403, 403, 404, 302)),
    "teaching:case-delete":         ("post", {},                        (409, 403, 403, 403, 404, 302)),
    "teaching:case-restore":        ("post", {},                        (302, 403, 403, 403, 404, 302)),
    "teaching:course-new":          ("post", {},                        (422, 403, 403, 403, 404, 302)),
    "teaching:course-settings":     ("post", {},                        (422, 403, 403, 403, 404, 302)),
    "teaching:course-cases":        ("post", {},                        (302, 403, 403, 403, 404, 302)),
    "teaching:assignment-new":      ("post", {},                        (422, 403, 403, 403, 404, 302)),
    "teaching:assignment-withdraw": ("post", {},                        (302, 403, 403, 403, 404, 302)),
    "practice:case-start":          ("post", {},                        (404, 302, 404, 404, 404, 302)),
    "practice:next":                ("post", {},                        (302, 302, 302, 302, 404, 302)),
    "practice:attempt-marks":       ("put",  {},                        (404, 423, 404, 404, 404, 302)),
    "practice:attempt-draft":       ("put",  {},                        (404, 423, 404, 404, 404, 302)),
    "practice:attempt-commit":      ("post", {},                        (404, 302, 404, 404, 404, 302)),
    "practice:attempt-abandon":     ("post", {},                        (404, 423, 404, 404, 404, 302)),
    "practice:attempt-score":       ("post", {},                        (404, 404, 404, 404, 404, 302)),
    "teaching-api:cases":           ("json", {"library": "none", "title": "x"}, (404, 404, 404, 404, 404, 401)),
    "teaching-api:case":            ("patch", {"nothing": 1},           (400, 403, 403, 403, 404, 401)),
    "teaching-api:case-publish":    ("json", {},                        (400, 403, 403, 403, 404, 401)),
    "practice-api:attempts":        ("json", {"case": "none"},          (404, 404, 404, 404, 404, 401)),
    "practice-api:attempt-commit":  ("json", {},                        (404, 200, 404, 404, 404, 401)),
}
# fmt: on


@pytest.fixture
def scene() -> tuple[House, House, dict[str, Any]]:
    """A published case that the learner has read, and another organisation whose educator is the stranger."""
    house, partner = make_house(), make_house()
    case = make_case(house)
    version = publish(house, case)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
        services.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
        assignment: Assignment = create_assignment(
            actor=house.educator, course=house.course, title="Week", cases=[case], due_at=later()
        )
        values = {
            "organisation": house.organisation.slug,
            "library": house.library.slug,
            "course": house.course.slug,
            "slug": house.library.slug,
            "kind": "library",
            "case": case.public_id,
            "attempt": attempt.public_id,
            "assignment": assignment.public_id,
            "question": version.content["questions"][0]["id"],
            "section": version.content["sections"][0]["id"],
            "study": version.studies.get().public_id,
            "action": "request-review",
            "number": 1,
        }
    return house, partner, values


def later() -> Any:
    from datetime import timedelta

    from django.utils import timezone

    return timezone.now() + timedelta(days=1)


def client_as(role: str, house: House, partner: House) -> Client:
    client = Client(raise_request_exception=False)
    if role != "anonymous":
        client.force_login(partner.educator if role == "stranger" else getattr(house, role))
    return client


def address(name: str, values: dict[str, Any]) -> str:
    wanted = next(arguments for route, arguments in routes() if route == name)
    return reverse(name, kwargs={key: values[key] for key in wanted})


def test_the_matrix_names_every_route() -> None:
    ours = {
        name
        for name, _arguments in routes()
        if name.split(":")[0] in ("teaching", "practice", "teaching-api", "practice-api")
    }
    assert ours == set(PAGES) | set(ACTS)


def test_pages_open_for_those_they_are_for(scene: tuple[House, House, dict[str, Any]]) -> None:
    house, partner, values = scene
    found: dict[str, tuple[int, ...]] = {}
    clients = [client_as(role, house, partner) for role in ROLES]
    for name in PAGES:
        found[name] = tuple(client.get(address(name, values)).status_code for client in clients)
    assert found == PAGES


def test_changes_are_for_those_who_may_make_them(scene: tuple[House, House, dict[str, Any]]) -> None:
    house, partner, values = scene
    found: dict[str, tuple[int, ...]] = {}
    # The educator comes last for each act: what they change must not be why others are refused.
    clients = [client_as(role, house, partner) for role in ROLES]
    for name, (method, body, _expected) in ACTS.items():
        place = address(name, values)
        others = [status_of(client, method, place, body) for client in clients[1:]]
        found[name] = (status_of(clients[0], method, place, body), *others)
    assert found == {name: expected for name, (_method, _body, expected) in ACTS.items()}


def status_of(client: Client, method: str, place: str, body: dict[str, Any]) -> int:
    if method == "post":
        return client.post(place, body).status_code
    send = {"put": client.put, "json": client.post, "patch": client.patch}[method]
    return send(place, json.dumps(body), content_type="application/json").status_code


def test_lists_of_the_api_hold_only_what_is_ones_own(scene: tuple[House, House, dict[str, Any]]) -> None:
    house, partner, values = scene
    theirs = make_case(partner)
    for role, expected in (("educator", [values["case"]]), ("learner", []), ("member", []), ("officer", [])):
        client = client_as(role, house, partner)
        rows = client.get(reverse("teaching-api:cases", kwargs={"organisation": house.organisation.slug})).json()
        assert [row["id"] for row in rows["results"]] == expected
    stranger = client_as("stranger", house, partner)
    rows = stranger.get(reverse("teaching-api:cases", kwargs={"organisation": partner.organisation.slug})).json()
    assert [row["id"] for row in rows["results"]] == [theirs.public_id]
    learner = client_as("learner", house, partner)
    unknowns = learner.get(reverse("practice-api:unknowns", kwargs={"organisation": house.organisation.slug})).json()
    assert [row["id"] for row in unknowns["results"]] == [values["case"]]
    attempts = learner.get(reverse("practice-api:attempts", kwargs={"organisation": house.organisation.slug})).json()
    assert [row["id"] for row in attempts["results"]] == [values["attempt"]]
