"""Rounds of a run after its first end: what is stored stays proven, and nothing is stored that nobody approved."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from access import services as access
from access.models import User
from archive import hooks as archive_hooks
from archive.hooks import Clearance
from archive.models import Instance
from audit.models import Event
from core.jobs import JobCancelled
from core.tenancy import tenant
from deid import queries, services, tasks
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import execution, receipts, runs
from tests.archive.factories import deliver, make_file
from tests.deid.conftest import House
from tests.deid.test_decisions import drop, now, take_back
from tests.deid.test_releases import ask_for_two_people, holds, manager, page, release, signed_in, study_with_holds
from tests.deid.test_runs import ask, copies, work

State = DeidentificationRun.State
pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [release, drop, take_back])
def test_whoever_waits_for_the_run_holds_none_of_its_images(house: House, act: Any) -> None:
    """Images locked before the run, and another who holds the run, would wait for each other."""
    run, who = work(ask(house, study_with_holds(house))), manager(house)
    rows = holds(run)
    if act is take_back:
        drop(run, actor=who, rows=rows)

    def decide() -> None:
        try:
            act(run, actor=who, rows=rows)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with tenant(house.organisation), transaction.atomic():
            DeidentificationRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
            other = pool.submit(decide)
            _until_somebody_waits()
            locked = DeidentifiedInstance.objects.select_for_update(of=("self",), nowait=True).filter(run=run)
            assert len(locked) == 4
        other.result(timeout=30)


def _until_somebody_waits() -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits for the run")


def approved(run: DeidentificationRun, *, actor: User) -> DeidentificationRun:
    with tenant(run.organisation):
        return services.approve_run(actor=actor, run=run, seen=services.proposal(run))


def clearance(house: House, run: DeidentificationRun) -> Clearance:
    with tenant(house.organisation):
        copy = queries.target_study(run)
        assert copy is not None
        assert queries.run_of_study(copy) == run
        return archive_hooks.clearance_of([copy])[copy.pk]


def second_round(house: House, *, by: User, approver: User) -> DeidentificationRun:
    """Two images stored with an approval, and two that were released after that end and wait for another."""
    ask_for_two_people(house)
    run = work(approved(work(ask(house, study_with_holds(house))), actor=approver))
    assert (run.state, run.stored, run.held) == (State.PARTIALLY_HELD, 2, 2)
    run = work(release(run, actor=by, rows=holds(run)))
    assert (run.state, run.stored) == (State.AWAITING_APPROVAL, 2)
    return run


def is_proven(house: House, run: DeidentificationRun) -> None:
    """The page, the receipt and the archive agree on two stored images that one person approved."""
    assert (run.state, run.stored, len(copies(house))) == (State.PARTIALLY_HELD, 2, 2)
    assert clearance(house, run) == Clearance.DEIDENTIFIED
    with tenant(house.organisation):
        there = {bytes(one.digest).hex() for one in Instance.objects.filter(archive=house.teaching)}
    assert {one["sha256"] for one in run.receipt["outputs"]} == there
    assert run.receipt["counts"]["stored"] == 2 and run.receipt["state"] == State.PARTIALLY_HELD
    assert run.receipt["sha256"] == receipts.digest_of(run.receipt)


def test_an_image_that_arrives_before_the_approval_is_not_stored_with_it(house: House) -> None:
    ask_for_two_people(house)
    study = house.study(count=2)
    run = work(ask(house, study))
    assert run.state == State.AWAITING_APPROVAL
    deliver(
        house.clinical,
        [make_file(StudyInstanceUID=study.study_instance_uid, PatientID=study.patient.patient_id)],
    )
    colleague = house.person(clinical="reader", teaching="contributor")
    run = work(approved(run, actor=colleague))
    assert (run.state, run.stored, len(copies(house))) == (State.COMPLETED, 2, 2)
    assert (run.total, run.late) == (2, 1)
    assert [one["approved"]["by"] for one in run.receipt["outputs"]] == [colleague.username] * 2
    assert run.receipt["counts"]["late"] == 1
    text = signed_in(house.educator).get(page(house, "run", run)).content.decode()
    assert "1 image arrived too late for this copy" in text


def test_an_image_that_came_too_late_is_asked_about_in_the_next_round(house: House) -> None:
    ask_for_two_people(house)
    who, approver = manager(house), manager(house)
    study = study_with_holds(house)
    run = work(ask(house, study))
    deliver(house.clinical, [make_file(StudyInstanceUID=study.study_instance_uid, PatientID="MC-1867-11")])
    run = work(approved(run, actor=approver))
    assert run.stored == 2
    run = work(release(run, actor=who, rows=holds(run)[:1]))
    assert (run.state, run.late, len(copies(house))) == (State.AWAITING_APPROVAL, 0, 2)
    with tenant(house.organisation):
        run = services.reject_run(actor=approver, run=run, note="")
    is_proven(house, run)
    assert run.late == 1


def test_an_image_held_back_when_the_copy_was_approved_is_not_stored_with_it(house: House) -> None:
    """Released, held back again by a check, approved without it: a later version of the check changes nothing."""
    ask_for_two_people(house)
    first, second = manager(house), manager(house)
    run = work(ask(house, study_with_holds(house, secondary=1)))
    run = work(release(run, actor=first, rows=holds(run)))
    with tenant(house.organisation):
        DeidentifiedInstance.objects.filter(run=run, decision="released").update(
            verdict="held-back", reasons=["residue"], target_digest=b""
        )
    run = work(approved(run, actor=second))
    assert (run.state, run.stored, len(copies(house))) == (State.PARTIALLY_HELD, 2, 2)


def test_stored_images_stay_proven_while_released_ones_wait_for_approval(house: House) -> None:
    who, approver = manager(house), manager(house)
    run = second_round(house, by=who, approver=approver)
    assert clearance(house, run) == Clearance.DEIDENTIFIED
    client = signed_in(house.educator)
    assert "2 images of this copy are stored already" in client.get(page(house, "run", run)).content.decode()
    receipt = client.get(page(house, "run-receipt", run))
    assert receipt.status_code == 200 and approver.username in receipt.content.decode()
    run = work(approved(run, actor=approver))
    assert (run.state, run.stored, clearance(house, run)) == (State.COMPLETED, 4, Clearance.DEIDENTIFIED)


def test_a_rejected_round_leaves_out_what_was_released_and_keeps_what_is_stored(house: House) -> None:
    who, approver = manager(house), manager(house)
    run = second_round(house, by=who, approver=approver)
    answer = signed_in(approver).post(page(house, "run-reject", run), {"note": "a name in the corner"}, follow=True)
    text = answer.content.decode()
    assert "The 2 images stored before stay" in text and "Nothing was stored." not in text
    run = now(run)
    is_proven(house, run)
    assert run.decided_by == approver and run.receipt["approved_by"] == approver.username
    left_out = [one["left_out"] for one in run.receipt["held_back"]]
    assert [(one["by"], one["reason"]) for one in left_out] == [(approver.username, "a name in the corner")] * 2
    with tenant(house.organisation):
        event = Event.objects.get(action="deidentification.rejected", target_id=run.public_id)
    assert (event.detail["stored"], event.detail["receipt_sha256"]) == (2, run.receipt["sha256"])
    assert work(run).state == State.PARTIALLY_HELD
    with tenant(house.organisation):
        rows = list(DeidentifiedInstance.objects.filter(run=run, decision="dropped"))
    run = now(take_back(run, actor=who, rows=rows))
    assert len(holds(run)) == 2, "they can be looked at again"


@pytest.mark.parametrize("waits", [True, False])
def test_a_cancelled_round_holds_again_what_was_released_and_keeps_what_is_stored(house: House, waits: bool) -> None:
    who, approver = manager(house), manager(house)
    if waits:
        run = second_round(house, by=who, approver=approver)
    else:
        run = work(ask(house, study_with_holds(house)))
        run = release(run, actor=who, rows=holds(run))
    with tenant(house.organisation):
        services.cancel_run(actor=house.educator, run=run)
    run = work(now(run))
    is_proven(house, run)
    assert len(holds(run)) == 2


def test_a_round_stopped_in_the_middle_proves_what_it_stored(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = work(ask(house, study_with_holds(house)))
    run = release(run, actor=manager(house), rows=holds(run))
    real, calls = execution._released, []

    def cancels_after_one(**arguments: Any) -> None:
        real(**arguments)
        calls.append(1)
        services.cancel_run(actor=house.educator, run=runs.load(run.pk))
        raise JobCancelled

    monkeypatch.setattr(execution, "_released", cancels_after_one)
    run = work(run)
    assert (run.state, run.stored, run.held, len(copies(house))) == (State.PARTIALLY_HELD, 3, 1, 3)
    assert clearance(house, run) == Clearance.DEIDENTIFIED
    assert len(holds(run)) == 1 and len(calls) == 1


def test_taking_every_release_back_ends_the_round_as_it_was(house: House) -> None:
    who, approver = manager(house), manager(house)
    run = second_round(house, by=who, approver=approver)
    with tenant(house.organisation):
        rows = list(DeidentifiedInstance.objects.filter(run=run, decision="released"))
    run = work(take_back(run, actor=who, rows=rows))
    is_proven(house, run)
    assert run.decided_by == approver and len(holds(run)) == 2


@pytest.mark.parametrize("two_people", [False, True])
def test_a_release_works_by_the_right_of_whoever_released(house: House, two_people: bool) -> None:
    who, approver = manager(house), manager(house)
    if two_people:
        ask_for_two_people(house)
    run = work(ask(house, study_with_holds(house)))
    if two_people:
        run = work(approved(run, actor=approver))
    access.revoke_role(actor=None, container=house.teaching, role="contributor", user=house.educator)
    run = work(release(run, actor=who, rows=holds(run)))
    assert run.job is not None and run.job.owner == who
    if two_people:
        run = work(approved(run, actor=approver))
    assert (run.state, run.stored, len(copies(house))) == (State.COMPLETED, 4, 4)


def test_a_stored_image_that_no_receipt_lists_is_not_proven(house: House) -> None:
    run = work(ask(house, house.study(count=2)))
    assert clearance(house, run) == Clearance.DEIDENTIFIED
    with tenant(house.organisation):
        run.receipt["outputs"] = run.receipt["outputs"][:1]
        run.save(update_fields=["receipt"])
    assert clearance(house, run) == Clearance.UNKNOWN


def test_the_job_of_a_cancelled_round_does_not_stop_the_next_one(house: House) -> None:
    run, who = work(ask(house, study_with_holds(house))), manager(house)
    run = release(run, actor=who, rows=holds(run))
    old = str(run.job_id)
    with tenant(house.organisation):
        run = services.cancel_run(actor=who, run=run)
    run = release(run, actor=who, rows=holds(run))
    tasks.execute_run(organisation_id=run.organisation_id, run_id=run.pk, job_id=old)
    assert now(run).state == State.RUNNING
    assert work(run).state == State.COMPLETED
