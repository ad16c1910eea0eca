"""Held images: somebody looks, releases or leaves out, signs for it, and somebody else approves the copy."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from PIL import Image as Picture

from access.models import User
from archive.models import Study
from audit.models import Event
from core import notifications
from core.errors import Forbidden, Invalid, NotFound
from core.tenancy import tenant
from deid import notices, queries, services, tasks
from deid.errors import NotReleasable, ReasonMissing, ReleasedByYou, WrongState
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import receipts, runs
from deid.services.domains import domain_of
from tests.access.sign_in.sessions import forget_sign_in
from tests.archive.factories import deliver, make_file
from tests.deid.conftest import House, make_house
from tests.deid.test_runs import ask, copies, work

State = DeidentificationRun.State
pytestmark = pytest.mark.django_db
REASON = "no text in any frame"


def study_with_holds(house: House, *, secondary: int = 2, document: bool = False) -> Study:
    study = house.study(count=2, PatientName="Curie^Marie", PatientID="MC-1867-11")
    shared: dict[str, Any] = {"StudyInstanceUID": study.study_instance_uid, "PatientID": "MC-1867-11"}
    files = [
        make_file(ImageType=["DERIVED", "SECONDARY"], InstanceNumber=10 + number, **shared)
        for number in range(secondary)
    ]
    if document:
        files.append(make_file(RecognizableVisualFeatures="YES", InstanceNumber=30, **shared))
    deliver(house.clinical, files)
    return study


def manager(house: House) -> User:
    return house.person(clinical="reader", teaching="manager")


def holds(run: DeidentificationRun) -> list[DeidentifiedInstance]:
    with tenant(run.organisation):
        return queries.open_holds(run)


def release(run: DeidentificationRun, *, actor: User, rows: list[DeidentifiedInstance], **more: Any) -> Any:
    with tenant(run.organisation):
        return services.release_images(
            actor=actor, run=run, instances=[row.pk for row in rows], **{"reason": REASON, **more}
        )


def test_a_released_image_goes_into_the_copy_and_the_receipt_says_who_looked(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    assert (run.state, run.stored, run.held) == (State.PARTIALLY_HELD, 2, 2)
    rows, who = holds(run), manager(house)
    assert len(rows) == 2
    run = work(release(run, actor=who, rows=rows[:1]))
    assert (run.state, run.stored, run.held) == (State.PARTIALLY_HELD, 3, 1)
    run = work(release(run, actor=who, rows=rows[1:]))
    assert (run.state, run.stored, run.held) == (State.COMPLETED, 4, 0)
    found = copies(house)
    assert len(found) == 4
    assert all("Curie" not in str(dataset) and dataset.PatientIdentityRemoved == "YES" for dataset in found)
    released = [one["released"] for one in run.receipt["outputs"] if "released" in one]
    assert [(one["by"], one["reason"], one["held_for"]) for one in released] == [
        (who.username, REASON, ["secondary-image"])
    ] * 2
    assert run.receipt["sha256"] == receipts.digest_of(run.receipt)
    with tenant(house.organisation):
        events = Event.objects.filter(action="deidentification.released", target_id=run.public_id)
        assert [event.detail["count"] for event in events] == [1, 1]
        assert events[0].actor_id == who.pk
        assert "Curie" not in json.dumps([event.detail for event in events])


def test_a_dropped_image_stays_out_and_is_asked_about_no_more(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    rows, who = holds(run), manager(house)
    with tenant(house.organisation):
        services.drop_images(actor=who, run=run, instances=[row.pk for row in rows], reason="name in the corner")
    assert holds(run) == []
    with pytest.raises(NotReleasable):
        release(run, actor=who, rows=rows)
    run = work(run)
    assert (run.stored, run.held) == (2, 2)
    with tenant(house.organisation):
        assert Event.objects.filter(action="deidentification.dropped", target_id=run.public_id).count() == 1


def test_only_who_sees_the_source_and_manages_the_target_decides(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    rows = holds(run)
    for person in (
        house.educator,
        house.person(clinical="reader", teaching="contributor"),
        house.person(clinical="contributor", teaching="reader"),
        house.person(teaching="manager"),
        make_house().educator,
    ):
        with pytest.raises((Forbidden, NotFound)):
            release(run, actor=person, rows=rows)
    assert len(holds(run)) == 2


def test_an_image_held_for_something_no_picture_shows_is_released_by_nobody(house: House) -> None:
    run = work(ask(house, study_with_holds(house, document=True)))
    who = manager(house)
    with tenant(house.organisation):
        locked = DeidentifiedInstance.objects.get(run=run, reasons__contains=["recognizable-visual-features"])
    assert locked.pk not in [row.pk for row in holds(run)]
    with pytest.raises(NotReleasable):
        release(run, actor=who, rows=[locked])
    # One of them spoils the whole request: nothing is half done.
    with pytest.raises(NotReleasable):
        release(run, actor=who, rows=[*holds(run), locked])
    assert len(holds(run)) == 2


def test_a_release_needs_images_of_this_run_and_a_reason(house: House) -> None:
    run, other = work(ask(house, study_with_holds(house))), make_house()
    foreign = holds(work(ask(other, study_with_holds(other))))
    who = manager(house)
    with pytest.raises(ReasonMissing):
        release(run, actor=who, rows=holds(run), reason="  ")
    for rows in ([], foreign):
        with pytest.raises(Invalid):
            release(run, actor=who, rows=rows)


def test_a_second_person_approves_and_it_is_not_the_one_who_released(house: House) -> None:
    first, second = manager(house), manager(house)
    with tenant(house.organisation):
        services.change_domain(actor=first, domain=domain_of(house.teaching), changes={"require_second_person": True})
    run = work(ask(house, study_with_holds(house)))
    assert run.state == State.AWAITING_APPROVAL
    run = work(release(run, actor=first, rows=holds(run)))
    assert (run.state, run.held) == (State.AWAITING_APPROVAL, 0)
    assert copies(house) == []
    with tenant(house.organisation), pytest.raises(ReleasedByYou):
        services.approve_run(actor=first, run=run, seen=services.proposal(run))
    with tenant(house.organisation):
        run = services.approve_run(actor=second, run=run, seen=services.proposal(run))
    run = work(run)
    assert (run.state, run.stored) == (State.COMPLETED, 4)
    # What was approved once does not cover what is released later.
    assert run.decided_by_id == second.pk


def test_an_approval_covers_what_its_page_showed_and_nothing_released_since(house: House) -> None:
    first, second = manager(house), manager(house)
    with tenant(house.organisation):
        services.change_domain(actor=first, domain=domain_of(house.teaching), changes={"require_second_person": True})
    run = work(ask(house, study_with_holds(house)))
    client, place = signed_in(second), {"organisation": house.organisation.slug, "run": run.public_id}
    shown = re.search(
        r'name="seen" value="([0-9a-f]{64})"', client.get(reverse("deid:run", kwargs=place)).content.decode()
    )
    assert shown is not None
    work(release(run, actor=first, rows=holds(run)[:1]))
    for seen in (shown[1], ""):
        answer = client.post(reverse("deid:run-approve", kwargs=place), {"seen": seen}, follow=True)
        assert "has changed since you opened this page" in answer.content.decode()
    assert copies(house) == []
    with tenant(house.organisation):
        again = runs.load(run.pk)
        assert again.state == State.AWAITING_APPROVAL
        approved = services.approve_run(actor=second, run=again, seen=services.proposal(again))
    assert (work(approved).stored, len(copies(house))) == (3, 3)


def test_a_picture_of_an_image_that_was_never_held_is_no_look_at_a_held_one(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    with tenant(house.organisation):
        plain = DeidentifiedInstance.objects.filter(run=run, is_stored=True).first()
    assert plain is not None
    place = {"organisation": house.organisation.slug, "run": run.public_id, "image": plain.pk, "side": "before"}
    assert signed_in(manager(house)).get(reverse("deid:run-picture", kwargs=place)).status_code == 200
    with tenant(house.organisation):
        actions = set(Event.objects.filter(target_id=run.public_id).values_list("action", flat=True))
    assert "deidentification.compared" in actions
    assert "deidentification.looked" not in actions


def test_a_release_after_an_approval_is_approved_again(house: House) -> None:
    first, second = manager(house), manager(house)
    with tenant(house.organisation):
        services.change_domain(actor=first, domain=domain_of(house.teaching), changes={"require_second_person": True})
    run = work(ask(house, study_with_holds(house)))
    with tenant(house.organisation):
        run = services.approve_run(actor=second, run=run, seen=services.proposal(run))
    run = work(run)
    assert (run.state, run.stored) == (State.PARTIALLY_HELD, 2)
    run = work(release(run, actor=first, rows=holds(run)))
    assert run.state == State.AWAITING_APPROVAL and len(copies(house)) == 2
    with tenant(house.organisation):
        run = services.approve_run(actor=second, run=run, seen=services.proposal(run))
    assert (work(run).state, len(copies(house))) == (State.COMPLETED, 4)


def test_a_study_of_ultrasound_only_can_be_released_whole(house: House) -> None:
    run = work(ask(house, house.study(count=2, Modality="US")))
    assert run.state == State.HELD
    run = work(release(run, actor=manager(house), rows=holds(run)))
    assert (run.state, run.stored) == (State.COMPLETED, 2)


def test_a_release_holds_for_the_picture_that_was_seen_only(house: House) -> None:
    run = work(ask(house, study_with_holds(house, secondary=1)))
    run = release(run, actor=manager(house), rows=holds(run))
    with tenant(house.organisation):
        row = DeidentifiedInstance.objects.get(run=run, decision="released")
        DeidentifiedInstance.objects.filter(pk=row.pk).update(source_digest=bytes(32))
    run = work(run)
    assert (run.stored, run.held) == (2, 1)
    assert len(holds(run)) == 1, "it waits for another look"


def test_nothing_is_released_while_the_run_works_or_after_it_was_rejected(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    rows, who = holds(run), manager(house)
    for state in (State.RUNNING, State.STORING, State.REJECTED, State.CANCELLED):
        with tenant(house.organisation):
            DeidentificationRun.objects.filter(pk=run.pk).update(state=state)
        with pytest.raises(WrongState):
            release(run, actor=who, rows=rows)
        with tenant(house.organisation), pytest.raises(WrongState):
            services.drop_images(actor=who, run=run, instances=[rows[0].pk], reason=REASON)
    assert len(holds(run)) == 2


# -- pages -----------------------------------------------------------------------------------------------------------------


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(house: House, name: str, run: DeidentificationRun, **arguments: Any) -> str:
    return reverse(f"deid:{name}", kwargs={"organisation": house.organisation.slug, "run": run.public_id, **arguments})


def picture(answer: Any) -> np.ndarray[Any, Any]:
    assert answer.status_code == 200, answer.status_code
    assert "no-store" in answer["Cache-Control"] or "no-cache" in answer["Cache-Control"]
    return np.asarray(Picture.open(io.BytesIO(answer.content)).convert("L"))


def test_the_page_shows_the_pictures_and_takes_a_signed_decision(house: House) -> None:
    run, who = work(ask(house, study_with_holds(house))), manager(house)
    client = signed_in(who)
    assert page(house, "run-held", run) in client.get(page(house, "run", run)).content.decode()
    rows = holds(run)
    text = client.get(page(house, "run-held", run)).content.decode()
    assert "Secondary image" in text and "Curie" not in text
    for row in rows:
        address = page(house, "run-picture", run, image=row.pk, side="before")
        assert address in text
        assert max(picture(client.get(address)).shape) == 1024
        assert client.get(page(house, "run-picture", run, image=row.pk, side="after")).status_code == 404
    form = {"instances": [row.pk for row in rows], "reason": REASON}
    forget_sign_in(client)
    asked = client.post(page(house, "run-release", run), form)
    assert len(holds(run)) == 2 and asked.status_code != 302, "proof of presence is asked first"
    client = signed_in(who)
    assert client.post(page(house, "run-release", run), {**form, "reason": ""}).status_code == 422
    assert client.post(page(house, "run-release", run), form).status_code == 302
    with tenant(house.organisation):
        run = runs.load(run.pk)
        assert Event.objects.filter(action="deidentification.looked", target_id=run.public_id).count() == 3
    assert work(run).state == State.COMPLETED
    assert "Decisions on held images" in client.get(page(house, "run-held", run)).content.decode()


def test_pages_and_pictures_are_for_nobody_else(house: House) -> None:
    run, other = work(ask(house, study_with_holds(house))), make_house()
    row = holds(run)[0]
    client = signed_in(other.educator)
    for name, arguments in (("run-held", {}), ("run-picture", {"image": row.pk, "side": "before"})):
        assert client.get(page(house, name, run, **arguments)).status_code == 404
        assert client.get(page(other, name, run, **arguments)).status_code == 404
    for name in ("run-release", "run-drop"):
        assert client.post(page(house, name, run), {"instances": [row.pk], "reason": REASON}).status_code == 404
    reader = signed_in(house.person(teaching="reader"))
    assert reader.get(page(house, "run-picture", run, image=row.pk, side="before")).status_code == 403
    assert signed_in(house.educator).get(page(house, "run-held", run)).status_code == 403
    cache.clear()


def test_the_comparison_shows_each_frame_of_each_image_before_and_after(house: House) -> None:
    frames = np.zeros((3, 16, 16), dtype=np.uint16)
    frames[1, :8] = 4000
    frames[2, :, :8] = 4000
    study = house.study(count=1, NumberOfFrames=3, PixelData=frames.tobytes(), WindowCenter="2000", WindowWidth="4000")
    run = work(ask(house, study))
    client = signed_in(house.educator)
    with tenant(house.organisation):
        row = DeidentifiedInstance.objects.get(run=run)
    text = client.get(page(house, "run-compare", run)).content.decode()
    assert "Frame 1 of 3" in text and 'type="range"' in text
    part = client.get(page(house, "run-compare", run), {"part": "pictures", "instance": row.pk, "frame": 3})
    assert "?frame=3" in part.content.decode() and "<html" not in part.content.decode()
    seen = []
    for number in (1, 2, 3):
        before, after = (
            picture(client.get(page(house, "run-picture", run, image=row.pk, side=side), {"frame": number}))
            for side in ("before", "after")
        )
        assert (before == after).all()
        seen.append(before)
    assert seen[1][:200].mean() > 200 > 50 > seen[1][-200:].mean()
    assert seen[2][:, :200].mean() > 200 > 50 > seen[2][:, -200:].mean()
    for wrong in ("4", "-1", "99999999999999999999"):
        address = page(house, "run-picture", run, image=row.pk, side="before")
        assert client.get(address, {"frame": wrong}).status_code in (200, 404)
    assert client.get(page(house, "run-picture", run, image=row.pk, side="sideways")).status_code == 404


def test_the_comparison_leads_through_all_images(house: House) -> None:
    run = work(ask(house, house.study(count=4)))
    client = signed_in(house.educator)
    with tenant(house.organisation):
        rows = list(DeidentifiedInstance.objects.filter(run=run))
    for at, row in enumerate(rows, start=1):
        text = client.get(page(house, "run-compare", run), {"at": at}, headers={"HX-Request": "true"}).content.decode()
        assert f"Image {at} of 4" in text
        assert page(house, "run-picture", run, image=row.pk, side="after") in text


def test_tasks_may_be_called_again_after_a_release(house: House) -> None:
    run = work(ask(house, study_with_holds(house)))
    run = release(run, actor=manager(house), rows=holds(run))
    for _unused in range(2):
        tasks.execute_run(organisation_id=run.organisation_id, run_id=run.pk, job_id=str(run.job_id))
    assert len(copies(house)) == 4


def test_text_outside_the_window_is_seen_when_all_values_are_shown(house: House) -> None:
    pixels = np.full((64, 64), 1000, dtype=np.uint16)
    pixels[16:48, 16:48] = 3000
    pixels[28:36, 24:40] = 3003
    study = house.study(
        count=1,
        ImageType=["DERIVED", "SECONDARY"],
        Rows=64,
        Columns=64,
        PixelData=pixels.tobytes(),
        WindowCenter="1000",
        WindowWidth="200",
    )
    run = work(ask(house, study))
    row, client = holds(run)[0], signed_in(manager(house))
    address = page(house, "run-picture", run, image=row.pk, side="before")
    windowed, whole = picture(client.get(address)), picture(client.get(address, {"range": "full"}))
    inside, around = (slice(490, 540), slice(450, 580)), (slice(490, 540), slice(300, 330))
    assert abs(int(windowed[inside].mean()) - int(windowed[around].mean())) < 8
    assert abs(int(whole[inside].mean()) - int(whole[around].mean())) > 80


def ask_for_two_people(house: House) -> None:
    with tenant(house.organisation):
        changes = {"require_second_person": True}
        services.change_domain(
            actor=house.person(teaching="manager"), domain=domain_of(house.teaching), changes=changes
        )


def told(house: House, person: User) -> list[tuple[str, str]]:
    with tenant(house.organisation):
        lines = notifications.of(user=person).filter(kind=notices.REVIEW_NEEDED)
        return [(notifications.sentence(line), line.url) for line in lines]


@pytest.mark.parametrize("two_people", [False, True])
def test_managers_are_told_once_a_run_that_held_images_need_review(house: House, two_people: bool) -> None:
    elsewhere = make_house()
    if two_people:
        ask_for_two_people(house)
    reviewers = [manager(house), manager(house)]
    others = [
        house.educator,
        house.person(clinical="reader"),
        house.person(teaching="manager"),
        house.person(clinical="reader", teaching="reader"),
        manager(elsewhere),
    ]
    run = work(ask(house, study_with_holds(house)))
    for person in reviewers:
        ((sentence, url),) = told(house, person)
        assert sentence == f"Held images of the copy {run.pseudonym.patient_id} into {house.teaching.name} need review"
        assert "Curie" not in sentence and "MC-1867-11" not in sentence
        client = Client()
        client.force_login(person)
        assert client.get(url).status_code == 200
    assert [told(house, person) for person in others] == [[]] * len(others)
    assert told(elsewhere, others[-1]) == []
    with tenant(house.organisation):
        notifications.mark_read(user=reviewers[1])
    rows = holds(run)
    run = work(release(run, actor=reviewers[0], rows=rows[:1]))
    assert len(told(house, reviewers[1])) == 1
    with tenant(house.organisation):
        assert notifications.unread_count(user=reviewers[1]) <= int(two_people), "it was not sent again"
        services.drop_images(actor=reviewers[0], run=run, instances=[rows[1].pk], reason=REASON)
    assert [told(house, person) for person in reviewers] == [[], []], "there is nothing left to review"


def test_nobody_is_asked_to_review_what_a_picture_does_not_show(house: House) -> None:
    who = manager(house)
    run = work(ask(house, study_with_holds(house, secondary=0, document=True)))
    assert run.held == 1
    assert told(house, who) == []


def test_a_rejected_copy_asks_for_no_review(house: House) -> None:
    who = manager(house)
    ask_for_two_people(house)
    run = work(ask(house, study_with_holds(house)))
    assert len(told(house, who)) == 1
    with tenant(house.organisation):
        services.reject_run(actor=who, run=run, note="not this one")
    assert told(house, who) == []
