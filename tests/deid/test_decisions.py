"""Decisions on held images: where they are told, how they are taken back, and that every page says the same of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.models import User
from audit.models import Event
from core.errors import Forbidden, NotFound
from core.tenancy import tenant
from deid import queries, services
from deid.errors import NoImageChosen, NotTakenBack, WrongState
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import receipts, runs
from tests.access.sign_in.sessions import forget_sign_in
from tests.deid.conftest import House, make_house
from tests.deid.test_releases import (
    REASON,
    ask_for_two_people,
    holds,
    manager,
    page,
    release,
    signed_in,
    study_with_holds,
)
from tests.deid.test_runs import ask, copies, work

State = DeidentificationRun.State
pytestmark = pytest.mark.django_db


def take_back(run: DeidentificationRun, *, actor: User, rows: list[DeidentifiedInstance]) -> DeidentificationRun:
    with tenant(run.organisation):
        return services.take_back(actor=actor, run=run, instances=[row.pk for row in rows])


def drop(run: DeidentificationRun, *, actor: User, rows: list[DeidentifiedInstance]) -> DeidentificationRun:
    with tenant(run.organisation):
        return services.drop_images(
            actor=actor, run=run, instances=[row.pk for row in rows], reason="a name at the top"
        )


def now(run: DeidentificationRun) -> DeidentificationRun:
    with tenant(run.organisation):
        return runs.load(run.pk)


def text_of(client: Client, house: House, name: str, run: DeidentificationRun, **query: Any) -> str:
    answer = client.get(page(house, name, run), query)
    assert answer.status_code == 200
    text: str = answer.content.decode()
    return text


# -- told -------------------------------------------------------------------------------------------------------------


def test_who_released_what_and_why_is_on_the_run_the_comparison_and_the_receipt(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    who, rows = manager(house), holds(run)
    run = work(release(run, actor=who, rows=rows))
    client = signed_in(house.educator)
    for name, query in (("run", {}), ("run-compare", {"instance": rows[0].pk}), ("run-receipt", {})):
        text = text_of(client, house, name, run, **query)
        assert REASON in text, name
        assert (who.username if name == "run-receipt" else str(who)) in text, name
    with tenant(house.organisation):
        untouched = DeidentifiedInstance.objects.filter(run=run, decision="").first()
    assert untouched is not None
    assert REASON not in text_of(client, house, "run-compare", run, instance=untouched.pk)


def test_a_release_says_how_many_frames_were_shown_to_whoever_released(house: House) -> None:
    frames = np.zeros((3, 16, 16), dtype=np.uint16)
    study = house.study(count=1, NumberOfFrames=3, PixelData=frames.tobytes(), ImageType=["DERIVED", "SECONDARY"])
    run = work(ask(house, study))
    who, colleague, (row,) = manager(house), manager(house), holds(run)
    address = page(house, "run-picture", run, image=row.pk, side="before")
    for frame in (1, 3, 3):
        assert signed_in(who).get(address, {"frame": frame}).status_code == 200
    for frame in (1, 2, 3):
        assert signed_in(colleague).get(address, {"frame": frame}).status_code == 200
    run = work(release(run, actor=who, rows=[row]))
    (released,) = (one["released"] for one in run.receipt["outputs"] if "released" in one)
    assert (released["frames_shown"], released["frames"]) == (2, 3)
    assert "2 of 3 frames shown to them" in text_of(signed_in(house.educator), house, "run", run)
    with tenant(house.organisation):
        event = Event.objects.get(action="deidentification.released", target_id=run.public_id)
    assert (event.detail["frames_shown"], event.detail["frames"]) == (2, 3)


def test_nothing_is_said_of_frames_where_nobody_counted(house: House) -> None:
    run = work(ask(house, study_with_holds(house, secondary=1)))
    run = work(release(run, actor=manager(house), rows=holds(run)))
    with tenant(house.organisation):
        DeidentifiedInstance.objects.filter(run=run).update(frames_shown=None)
        receipt = receipts.build(now(run))
    assert "shown to them" not in text_of(signed_in(house.educator), house, "run", run)
    assert "frames_shown" not in json.dumps(receipt)


def test_a_drop_after_the_end_is_in_the_receipt_and_the_trail_has_its_digest(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    before = run.receipt["sha256"]
    who = manager(house)
    run = now(drop(run, actor=who, rows=holds(run)))
    assert [one["left_out"]["by"] for one in run.receipt["held_back"]] == [who.username] * 2
    assert run.receipt["sha256"] == receipts.digest_of(run.receipt) != before
    with tenant(house.organisation):
        event = Event.objects.get(action="deidentification.dropped", target_id=run.public_id)
    assert event.detail["receipt_sha256"] == run.receipt["sha256"]
    assert "a name at the top" in text_of(signed_in(house.educator), house, "run-receipt", run)


def test_a_run_with_everything_decided_asks_for_nothing_more(house: House) -> None:
    run, who = work(ask(house, study_with_holds(house))), manager(house)
    client = signed_in(who)
    before = text_of(client, house, "run", run)
    assert "What to do" in before and "Held images need review" in before
    rows = holds(run)
    drop(run, actor=who, rows=rows[:1])
    assert "What to do" in text_of(client, house, "run", run), "one is left"
    drop(run, actor=who, rows=rows[1:])
    after = text_of(client, house, "run", run)
    assert "What to do" not in after and "Held images need review" not in after
    assert "2 left out by decision" in after
    assert "No images to review" in text_of(client, house, "run-held", run)


@pytest.mark.parametrize("act", ["run-release", "run-drop"])
def test_a_form_that_lacks_something_comes_back_with_what_was_chosen_and_written(house: House, act: str) -> None:
    run, who = work(ask(house, study_with_holds(house))), manager(house)
    client, rows = signed_in(who), holds(run)
    forget_sign_in(client)
    empty = client.post(page(house, act, run), {"reason": REASON})
    assert empty.status_code == 422, "presence is proven only for what would be done"
    assert "Choose at least one image." in empty.content.decode() and REASON in empty.content.decode()
    silent = client.post(page(house, act, run), {"instances": [rows[1].pk], "reason": " ok "})
    assert silent.status_code == 422
    text = silent.content.decode()
    assert f'value="{rows[1].pk}" checked' in text and f'value="{rows[0].pk}" checked' not in text
    assert "Give the reason" in text
    foreign = signed_in(who).post(page(house, act, run), {"instances": [999_999_999], "reason": REASON})
    assert foreign.status_code == 400 and "Nothing was changed" in foreign.content.decode()
    assert len(holds(run)) == 2


# -- taken back -------------------------------------------------------------------------------------------------------


def test_a_release_can_be_taken_back_until_the_copy_is_approved(house: House) -> None:
    ask_for_two_people(house)
    first, second = manager(house), manager(house)
    run = work(ask(house, study_with_holds(house)))
    rows = holds(run)
    run = work(release(run, actor=first, rows=rows))
    assert (run.state, run.held) == (State.AWAITING_APPROVAL, 0)
    run = work(take_back(run, actor=second, rows=rows[:1]))
    assert (run.state, run.held) == (State.AWAITING_APPROVAL, 1)
    assert [row.pk for row in holds(run)] == [rows[0].pk]
    with tenant(house.organisation):
        row = DeidentifiedInstance.objects.get(pk=rows[0].pk)
        assert (row.reasons, row.decision, row.decided_by, bytes(row.target_digest)) == (rows[0].reasons, "", None, b"")
        event = Event.objects.get(action="deidentification.taken_back", target_id=run.public_id)
        assert (event.actor_id, event.detail["count"], event.detail["decisions"]) == (second.pk, 1, ["released"])
        run = services.approve_run(actor=second, run=run, seen=services.proposal(run))
    run = work(run)
    assert (run.state, run.stored, len(copies(house))) == (State.PARTIALLY_HELD, 3, 3)
    with pytest.raises(NotTakenBack):
        take_back(run, actor=first, rows=rows[1:])
    assert len(copies(house)) == 3


def test_whoever_took_their_release_back_can_approve_what_is_left(house: House) -> None:
    ask_for_two_people(house)
    first = manager(house)
    run = work(ask(house, study_with_holds(house, secondary=1)))
    rows = holds(run)
    run = work(release(run, actor=first, rows=rows))
    run = work(take_back(run, actor=first, rows=rows))
    with tenant(house.organisation):
        run = work(services.approve_run(actor=first, run=run, seen=services.proposal(run)))
    assert (run.state, run.stored) == (State.PARTIALLY_HELD, 2)


def test_when_all_that_passed_is_taken_back_nothing_waits_for_approval(house: House) -> None:
    ask_for_two_people(house)
    who = manager(house)
    run = work(ask(house, house.study(count=2, Modality="US")))
    rows = holds(run)
    run = work(release(run, actor=who, rows=rows))
    assert run.state == State.AWAITING_APPROVAL
    run = work(take_back(run, actor=who, rows=rows))
    assert (run.state, run.held, len(holds(run))) == (State.HELD, 2, 2)


def test_a_drop_can_be_taken_back_and_is_asked_about_again(house: House) -> None:
    run, who = work(ask(house, study_with_holds(house))), manager(house)
    rows = holds(run)
    run = drop(run, actor=who, rows=rows)
    assert holds(run) == []
    run = now(take_back(run, actor=who, rows=rows[:1]))
    assert [row.pk for row in holds(run)] == [rows[0].pk]
    assert sum("left_out" in one for one in run.receipt["held_back"]) == 1
    assert run.receipt["sha256"] == receipts.digest_of(run.receipt)


def test_what_is_stored_already_is_withdrawn_in_the_archive_and_the_page_says_how(house: House) -> None:
    run, who = work(ask(house, study_with_holds(house))), manager(house)
    rows = holds(run)
    run = work(release(run, actor=who, rows=rows))
    with pytest.raises(WrongState):
        take_back(run, actor=who, rows=rows)
    text = text_of(signed_in(who), house, "run-held", run)
    assert "can no longer be taken back" in text and "Take back" not in text
    with tenant(house.organisation):
        study = queries.target_study(run)
    assert study is not None and study.public_id in text


def test_decisions_are_taken_back_by_those_who_may_release_alone(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    rows = holds(run)
    run = drop(run, actor=manager(house), rows=rows)
    elsewhere = make_house()
    foreign = work(ask(elsewhere, study_with_holds(elsewhere)))
    for person in (house.educator, house.person(teaching="manager"), manager(elsewhere)):
        with pytest.raises((Forbidden, NotFound)):
            take_back(run, actor=person, rows=rows)
    assert signed_in(manager(elsewhere)).post(page(house, "run-take-back", run)).status_code == 404
    who = manager(house)
    with pytest.raises(NoImageChosen):
        take_back(run, actor=who, rows=[])
    from core.errors import Invalid

    with pytest.raises(Invalid):
        take_back(run, actor=who, rows=holds(foreign))
    for state in (State.RUNNING, State.STORING, State.REJECTED):
        with tenant(house.organisation):
            DeidentificationRun.objects.filter(pk=run.pk).update(state=state)
        with pytest.raises(WrongState):
            take_back(run, actor=who, rows=rows)


# -- what waits for whom ----------------------------------------------------------------------------------------------


def home(house: House, person: User) -> str:
    answer = signed_in(person).get(reverse("core:home", kwargs={"organisation": house.organisation.slug}))
    text: str = answer.content.decode()
    return text


def test_a_copy_to_approve_waits_on_the_home_page_of_who_may_decide(house: House) -> None:
    elsewhere = make_house()
    ask_for_two_people(house)
    run = work(ask(house, study_with_holds(house)))
    first, second = manager(house), house.person(clinical="reader", teaching="contributor")
    words = "De-identified copies to approve"
    assert words in home(house, first) and words in home(house, second)
    for person in (house.educator, house.person(clinical="reader"), house.person(teaching="manager")):
        assert words not in home(house, person)
    assert words not in home(elsewhere, manager(elsewhere))
    run = work(release(run, actor=first, rows=holds(run)))
    assert words not in home(house, first), "who released an image does not approve"
    assert words in home(house, second)
    assert run.pseudonym.patient_id in home(house, second)
    assert "Your decision" not in text_of(signed_in(first), house, "run", run)
    with tenant(house.organisation):
        services.approve_run(actor=second, run=run, seen=services.proposal(run))
    assert words not in home(house, second)


def test_held_images_wait_on_the_home_page_until_they_are_decided_on(house: House) -> None:
    elsewhere = make_house()
    run = work(ask(house, study_with_holds(house, document=True)))
    who, words = manager(house), "Held images to review"
    assert words in home(house, who)
    for person in (house.educator, house.person(teaching="manager")):
        assert words not in home(house, person)
    assert words not in home(elsewhere, manager(elsewhere))
    drop(run, actor=who, rows=holds(run))
    assert words not in home(house, who), "what a picture does not show is nobody's to release"


def test_the_home_page_costs_as_many_queries_for_many_runs_as_for_one(house: House) -> None:
    who = manager(house)
    costs = []
    for _more in range(2):
        for number in range(3 if costs else 1):
            work(ask(house, house.study(count=1, Modality="US", PatientID=f"N-{len(costs)}-{number}")))
        client = signed_in(who)
        place = reverse("core:home", kwargs={"organisation": house.organisation.slug})
        client.get(place)
        with CaptureQueriesContext(connection) as queries_made:
            client.get(place)
        costs.append(len(queries_made))
    assert costs[0] == costs[1]
