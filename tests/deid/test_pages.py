"""The pages as people see them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from core.tenancy import tenant
from deid import services, tasks
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import runs
from deid.services.domains import domain_of
from tests.archive.factories import deliver, make_file
from tests.deid.conftest import House, make_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(house: House) -> DeidentificationRun:
    study = house.study(count=2, PatientName="Curie^Marie", PatientID="MC-1867-11")
    deliver(
        house.clinical,
        [make_file(StudyInstanceUID=study.study_instance_uid, PatientID="MC-1867-11", BurnedInAnnotation="YES")],
    )
    with tenant(house.organisation):
        run = services.deidentify_study(actor=house.educator, study=study, target_archive=house.teaching)
    tasks.execute_run(organisation_id=run.organisation_id, run_id=run.pk, job_id=str(run.job_id))
    with tenant(house.organisation):
        return runs.load(run.pk)


def page(house: House, name: str, **arguments: Any) -> str:
    return reverse(f"deid:{name}", kwargs={"organisation": house.organisation.slug, **arguments})


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_run_tells_what_was_held_back_and_what_to_do(house: House, run: DeidentificationRun) -> None:
    text = signed_in(house.educator).get(page(house, "run", run=run.public_id)).content.decode()
    assert run.pseudonym.patient_id in text
    assert "Text burned into the image" in text and "What to do" in text
    assert "Curie" not in text and "MC-1867" not in text


def test_the_list_shows_own_runs_and_no_other_tenant_s(house: House, run: DeidentificationRun) -> None:
    other = make_house()
    assert run.pseudonym.patient_id in signed_in(house.educator).get(page(house, "run-list")).content.decode()
    assert run.pseudonym.patient_id not in signed_in(other.educator).get(page(other, "run-list")).content.decode()


@pytest.mark.parametrize("name", ["run", "run-compare", "run-receipt", "run-receipt-file"])
def test_strangers_find_nothing(house: House, run: DeidentificationRun, name: str) -> None:
    other = make_house()
    assert signed_in(other.educator).get(page(house, name, run=run.public_id)).status_code == 404
    assert signed_in(other.educator).get(page(other, name, run=run.public_id)).status_code == 404
    assert Client().get(page(house, name, run=run.public_id)).status_code in (302, 401, 404)


@pytest.mark.parametrize("name", ["run-approve", "run-reject", "run-cancel", "run-retry"])
def test_strangers_change_nothing(house: House, run: DeidentificationRun, name: str) -> None:
    other = make_house()
    assert signed_in(other.educator).post(page(house, name, run=run.public_id)).status_code == 404
    assert signed_in(other.educator).post(page(other, name, run=run.public_id)).status_code == 404
    assert signed_in(house.educator).get(page(house, name, run=run.public_id)).status_code == 405


def test_the_comparison_shows_values_to_readers_of_the_source_and_says_so_in_the_trail(
    house: House, run: DeidentificationRun
) -> None:
    address = page(house, "run-compare", run=run.public_id)
    text = signed_in(house.educator).get(address).content.decode()
    assert "Curie^Marie" in text and run.pseudonym.patient_name in text
    assert signed_in(house.person(teaching="reader")).get(address).status_code == 403
    with tenant(house.organisation):
        events = Event.objects.filter(action="deidentification.compared", target_id=run.public_id)
        assert events.count() == 1 and "Curie" not in str(events.values())


def test_the_comparison_is_narrowed_by_words_and_shows_all_on_request(house: House, run: DeidentificationRun) -> None:
    client = signed_in(house.educator)
    address = page(house, "run-compare", run=run.public_id)
    narrowed = client.get(address, {"q": "birthdate"}, headers={"HX-Request": "true"}).content.decode()
    assert "PatientBirthDate" in narrowed and "StudyDate" not in narrowed and "<html" not in narrowed
    assert "BitsAllocated" in client.get(address, {"show": "all"}).content.decode()
    with tenant(house.organisation):
        held = DeidentifiedInstance.objects.get(run=run, verdict="held-back")
    assert "Text burned into the image" in client.get(address, {"instance": held.pk}).content.decode()
    assert client.get(address, {"instance": "99999999999999999999"}).status_code == 200


def test_the_receipt_prints_and_downloads(house: House, run: DeidentificationRun) -> None:
    client = signed_in(house.educator)
    assert run.receipt["sha256"] in client.get(page(house, "run-receipt", run=run.public_id)).content.decode()
    answer = client.get(page(house, "run-receipt-file", run=run.public_id))
    assert json.loads(answer.content) == run.receipt
    assert "attachment" in answer["Content-Disposition"]


def test_a_copy_is_asked_for_on_the_page(house: House) -> None:
    study = house.study(count=1)
    client = signed_in(house.educator)
    address = page(house, "run-request", study=study.public_id)
    assert "Keep intervals" in client.get(address).content.decode()
    answer = client.post(address, {"target": house.teaching.pk, "options": ["retain_longitudinal_modified_dates"]})
    assert answer.status_code == 302
    with tenant(house.organisation):
        run = DeidentificationRun.objects.get(source_study=study)
    assert answer["Location"] == page(house, "run", run=run.public_id)
    assert run.options == ["retain_longitudinal_modified_dates"]
    text = client.get(answer["Location"]).content.decode()
    assert 'hx-trigger="every 1s"' in text and "Cancel" in text
    assert client.post(page(house, "run-cancel", run=run.public_id)).status_code == 302
    ended = client.get(page(house, "run", run=run.public_id), {"part": "progress"}, headers={"HX-Request": "true"})
    assert ended["HX-Refresh"] == "true"


def test_a_target_of_another_tenant_is_no_choice(house: House) -> None:
    other = make_house()
    study = house.study(count=1)
    client = signed_in(house.educator)
    answer = client.post(page(house, "run-request", study=study.public_id), {"target": other.teaching.pk})
    assert answer.status_code == 422
    assert signed_in(other.educator).get(page(house, "run-request", study=study.public_id)).status_code == 404
    assert signed_in(other.educator).get(page(other, "run-request", study=study.public_id)).status_code == 404


def test_a_second_person_approves_on_the_page(house: House) -> None:
    with tenant(house.organisation):
        domain_of(house.teaching)
    manager = house.person(clinical="reader", teaching="manager")
    settings = page(house, "domain-settings", archive=house.teaching.slug)
    answer = signed_in(manager).post(settings, {"prefix": "TF", "date_window_days": 400, "require_second_person": "on"})
    assert answer.status_code == 302
    assert signed_in(house.educator).get(settings).status_code == 403
    study = house.study(count=1)
    with tenant(house.organisation):
        run = services.deidentify_study(actor=house.educator, study=study, target_archive=house.teaching)
    assert run.pseudonym.patient_id.startswith("TF-") and abs(run.pseudonym.shift_days) <= 400
    tasks.execute_run(organisation_id=run.organisation_id, run_id=run.pk, job_id=str(run.job_id))
    own = signed_in(house.educator).get(page(house, "run", run=run.public_id)).content.decode()
    assert "Waiting for a second person" in own and "Approve and store" not in own
    assert signed_in(house.educator).post(page(house, "run-approve", run=run.public_id)).status_code == 409
    other = signed_in(manager)
    shown = other.get(page(house, "run", run=run.public_id)).content.decode()
    assert "Approve and store" in shown
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', shown)
    assert seen is not None
    answer = other.post(page(house, "run-approve", run=run.public_id), {"note": "Looked at it", "seen": seen[1]})
    assert answer.status_code == 302
    with tenant(house.organisation):
        assert runs.load(run.pk).state == DeidentificationRun.State.STORING


def test_the_list_asks_the_same_questions_for_one_run_and_for_many(
    house: House, run: DeidentificationRun, django_assert_max_num_queries: Any
) -> None:
    client = signed_in(house.educator)
    for number in range(5):
        with tenant(house.organisation):
            services.deidentify_study(
                actor=house.educator, study=house.study(count=1, PatientID=f"N{number}"), target_archive=house.teaching
            )
    client.get(page(house, "run-list"))
    with django_assert_max_num_queries(40):
        client.get(page(house, "run-list"))
