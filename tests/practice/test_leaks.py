"""Before the commit nothing a trainee can reach tells what the case is. Every route of the product is tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from archive.models import Instance
from core.tenancy import tenant
from practice import services
from practice.models import Attempt
from teaching.models import CaseVersion
from teaching.services import save_truth
from tests.practice.test_reads import answers, own_mark
from tests.teaching.factories import SECRET_WORDS, House, make_case, make_house, make_mark, make_study, publish

pytestmark = pytest.mark.django_db

PLACE = (7.123457, 9.234568, 2.345679)
#: Coordinates of the truth as they would appear in JSON, in pixels and in millimetres.
PLACE_WORDS = ("9.234568", "9.468903", "18.469136", "14.246914")
LOUD = ("?q=xantho", "?q=radlex", "?q=rid1", "?q=calcifiedrim")


def routes() -> Iterator[tuple[str, set[str]]]:
    """Every named route of the product with the names of its arguments."""

    def walk(
        resolver: URLResolver, namespaces: tuple[str, ...], known: frozenset[str]
    ) -> Iterator[tuple[str, set[str]]]:
        for entry in resolver.url_patterns:
            names = known | frozenset(entry.pattern.regex.groupindex)
            if isinstance(entry, URLResolver):
                inner = (*namespaces, entry.namespace) if entry.namespace else namespaces
                yield from walk(entry, inner, names)
            elif isinstance(entry, URLPattern) and entry.name:
                yield ":".join((*namespaces, entry.name)), set(names)

    yield from walk(get_resolver(), (), frozenset())


def known_values(house: House, version: CaseVersion, attempt: Attempt) -> dict[str, Any]:
    with tenant(house.organisation):
        study = version.studies.get()
        image = Instance.objects.filter(study=study).select_related("series").earliest("instance_number")
        question = version.content["questions"][0]["id"]
        section = version.content["sections"][0]["id"]
    return {
        "organisation": house.organisation.slug,
        "archive": house.archive.slug,
        "library": house.library.slug,
        "course": house.course.slug,
        "slug": house.library.slug,
        "kind": "library",
        "case": version.case.public_id,
        "attempt": attempt.public_id,
        "question": question,
        "section": section,
        "action": "publish",
        "series": image.series.series_instance_uid,
        "instance": image.sop_instance_uid,
        "numbers": "1",
        "number": 1,
        "pk": 1,
    }


def addresses(house: House, version: CaseVersion, attempt: Attempt) -> Iterator[str]:
    values = known_values(house, version, attempt)
    with tenant(house.organisation):
        study = version.studies.get()
    for name, wanted in routes():
        for uid in (study.study_instance_uid, study.public_id):
            given = {**values, "study": uid}
            if "study" in wanted and name.startswith(("viewer:", "archive:")):
                given["series"] = study.public_id
            try:
                yield reverse(name, kwargs={key: given[key] for key in wanted})
            except (KeyError, NoReverseMatch):
                continue


def read_all(client: Client, address: str) -> bytes:
    response = client.get(address)
    body = b"".join(response.streaming_content) if response.streaming else response.content
    headers = "\n".join(f"{key}: {value}" for key, value in response.headers.items()).encode()
    return headers + b"\n" + body


def told(raw: bytes) -> list[str]:
    text = raw.decode("latin-1").casefold()
    return [word for word in (*SECRET_WORDS, *PLACE_WORDS, '"is_correct"', '"rid1"', "radlex|rid1") if word in text]


@pytest.fixture
def read() -> tuple[House, CaseVersion, Attempt, Client, str]:
    house = make_house()
    study = make_study(house.archive)
    case = make_case(house, study=study)
    with tenant(house.organisation):
        mark = make_mark(study, at=PLACE, label="calcifiedrim")
        save_truth(actor=house.educator, case=case, marks=[mark])
    version = publish(house, case)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
    client = Client(raise_request_exception=False)
    client.force_login(house.learner)
    return house, version, attempt, client, mark.id


def test_no_route_tells_the_diagnosis_before_the_commit(read: tuple[House, CaseVersion, Attempt, Client, str]) -> None:
    house, version, attempt, client, mark_id = read
    tried = sorted(set(addresses(house, version, attempt)))
    assert len(tried) > 60
    for address in tried:
        for query in ("", "?format=json", "?format=csv", "?view=grid", "?after=1"):
            raw = read_all(client, address + query)
            assert told(raw) == [], (address + query, told(raw))
            assert mark_id.encode() not in raw, address + query


def test_search_does_not_answer_to_words_of_the_diagnosis(
    read: tuple[House, CaseVersion, Attempt, Client, str],
) -> None:
    house, version, _attempt, client, _mark = read
    slug = house.organisation.slug
    searches = [
        reverse("practice:home", kwargs={"organisation": slug}),
        reverse("practice-api:unknowns", kwargs={"organisation": slug}),
        reverse("core:palette", kwargs={"organisation": slug}),
    ]
    for address in searches:
        for query in LOUD:
            text = client.get(address + query, headers={"HX-Request": "true"}).content.decode()
            results = text
            # "Go on" lists the read under way, whatever is searched; it stands outside the table of results.
            if address == searches[0]:
                results = results.split("table-block", 1)[-1]
            assert version.alternative_title not in results, address + query
    found = client.get(searches[1] + "?q=headache").json()
    assert [row["id"] for row in found["results"]] == [version.case.public_id]


def test_the_commit_answer_and_the_saved_draft_tell_nothing_while_something_is_missing(
    read: tuple[House, CaseVersion, Attempt, Client, str],
) -> None:
    house, _version, attempt, client, _mark = read
    kwargs = {"organisation": house.organisation.slug, "attempt": attempt.public_id}
    for headers in ({"HX-Request": "true"}, {}):
        refused = client.post(reverse("practice:attempt-commit", kwargs=kwargs), {}, headers=headers)
        assert refused.status_code == 422
        assert told(refused.content) == []
    draft = client.put(
        reverse("practice:attempt-draft", kwargs=kwargs),
        json.dumps({"version": 0, "draft": {"x": {"choice": ["y"]}}}),
        content_type="application/json",
    )
    assert draft.json() == {"version": 1}
    refused = client.post(
        reverse("practice-api:attempt-commit", kwargs=kwargs),
        json.dumps({"answers": {}}),
        content_type="application/json",
    )
    assert refused.status_code == 400
    assert told(refused.content) == []


def test_after_the_commit_the_truth_is_there_on_page_manifest_and_api(
    read: tuple[House, CaseVersion, Attempt, Client, str],
) -> None:
    house, version, attempt, client, mark_id = read
    kwargs = {"organisation": house.organisation.slug, "attempt": attempt.public_id}
    with tenant(house.organisation):
        services.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
    page = read_all(client, reverse("practice:attempt", kwargs=kwargs))
    assert {"xanthogranuloma", "9.234568"} <= set(told(page))
    manifest = client.get(reverse("practice:attempt", kwargs=kwargs) + "?format=json").json()
    truth = next(layer for layer in manifest["annotations"]["layers"] if layer["role"] == "truth")
    assert [mark["id"] for mark in truth["marks"]] == [mark_id]
    answer = client.get(reverse("practice-api:attempt", kwargs=kwargs)).json()
    assert answer["case_view"]["truth"]
    assert answer["answers"]


def test_a_second_read_of_the_same_case_is_blind_again_on_its_own_page(
    read: tuple[House, CaseVersion, Attempt, Client, str],
) -> None:
    house, version, attempt, client, _mark = read
    with tenant(house.organisation):
        services.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
        again = services.start_attempt(user=house.learner, version=version)
    kwargs = {"organisation": house.organisation.slug, "attempt": again.public_id}
    assert told(read_all(client, reverse("practice:attempt", kwargs=kwargs))) == []
    assert told(read_all(client, reverse("practice-api:attempt", kwargs=kwargs))) == []


def test_a_text_for_editors_and_one_from_a_date_stay_hidden_from_readers() -> None:
    from datetime import date

    from teaching.domain.content import learner_view

    content = {
        "sections": [
            {
                "id": "a",
                "kind": "custom",
                "title": "Internal",
                "body": "secret",
                "visibility": "owner",
                "visible_from": None,
            },
            {
                "id": "b",
                "kind": "custom",
                "title": "Later",
                "body": "later",
                "visibility": "from_date",
                "visible_from": "2030-01-01",
            },
        ],
        "questions": [],
    }
    before = learner_view(content, revealed=True, today=date(2029, 12, 31))
    after = learner_view(content, revealed=True, today=date(2030, 1, 1))
    unread = learner_view(content, revealed=False, today=date(2031, 1, 1))
    assert [[s["id"] for s in view["sections"]] for view in (before, after, unread)] == [[], ["b"], []]
