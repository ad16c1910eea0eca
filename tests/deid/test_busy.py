"""Busy decoders, and decoders that give up, say nothing of an image: it is tried again, or a person decides."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from archive import decoding, hooks
from archive.decoding import frames as decoding_frames
from archive.decoding import pool as pools
from archive.decoding.budget import Budget
from archive.domain import screening as answers
from archive.errors import DecodersBusy
from archive.models import Instance, QuarantinedFile, Study
from archive.spool import SpoolWriter
from core.tenancy import tenant
from deid.domain import arrival_file
from deid.domain.findings import RELEASABLE, Reason, Verdict
from deid.models import DeidentificationRun
from deid.reasons import EXPLANATIONS
from dimse.domain.command import AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, OUT_OF_RESOURCES, Command
from dimse.storage import Reception
from tests.archive.factories import deliver
from tests.archive.test_intake import CLEAN
from tests.archive.test_intake import make_house as make_gated
from tests.deid.builders import process
from tests.deid.conftest import House
from tests.deid.test_pixel_holds import CODERS, coded, even, grey
from tests.deid.test_releases import holds, manager, release
from tests.deid.test_runs import ask, work
from tests.dicomweb.factories import Door, make_token
from tests.dicomweb.test_storing import multipart, post

State = DeidentificationRun.State


@pytest.fixture
def one_decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[pools.Pool]:
    pool = pools.Pool(size=1, wait_seconds=0.1)
    monkeypatch.setattr(decoding_frames, "pool", lambda: pool)
    yield pool
    pool.close()


def compressed(**elements: Any) -> bytes:
    syntax, encode = CODERS["JPEG-LS"]
    return coded([even(bytes(encode(grey())))], syntax=syntax, **elements)


def giving_up(patch: pytest.MonkeyPatch) -> None:
    """No memory for any image, however long one waits."""
    patch.setattr(pools, "_budgets", [Budget(total=16, wait_seconds=0.1)])


def test_a_check_that_found_no_decoder_is_made_again(one_decoder: pools.Pool, tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(compressed(**CLEAN))
    with one_decoder._slot():
        with pytest.raises(decoding.Busy), file.open("rb") as stream:
            arrival_file.examine(stream)
        with pytest.raises(DecodersBusy):
            hooks.screen(path=file)
    finding = hooks.screen(path=file)
    assert finding is None or finding.code != answers.NOT_SCREENED


@pytest.mark.django_db
def test_what_arrives_while_decoders_are_busy_stays_in_the_spool_and_goes_in_later(one_decoder: pools.Pool) -> None:
    mine, theirs = make_gated(), make_gated()
    with one_decoder._slot():
        with pytest.raises(DecodersBusy) as caught:
            deliver(mine.archive, [compressed(**CLEAN)], actor=mine.sender)
        assert caught.value.status_code == 503
        assert caught.value.retry_after_seconds > 0
    for house in (mine, theirs):
        with tenant(house.organisation):
            assert not QuarantinedFile.objects.filter(archive=house.archive).exists()
            assert not Instance.objects.filter(archive=house.archive).exists()
    _delivery, outcomes = deliver(mine.archive, [compressed(**CLEAN)], actor=mine.sender)
    assert [outcome.code for outcome in outcomes if outcome.code == answers.NOT_SCREENED] == []


@pytest.mark.django_db
def test_stow_with_busy_decoders_says_when_to_come_again(one_decoder: pools.Pool) -> None:
    house = make_gated()
    door = Door(house.archive, token=make_token(house.sender))
    with one_decoder._slot():
        answer = post(door, multipart(compressed(**CLEAN)))
    assert (answer.status_code, answer.json()["code"]) == (503, "decoders-busy")
    assert int(answer["Retry-After"]) > 0
    with tenant(house.organisation):
        assert not QuarantinedFile.objects.filter(archive=house.archive).exists()


@pytest.mark.django_db
def test_a_store_scp_with_busy_decoders_is_out_of_resources(one_decoder: pools.Pool) -> None:
    content = compressed(**CLEAN)
    dataset = dcmread(io.BytesIO(content), stop_before_pixels=True)
    command = Command(
        values={
            AFFECTED_SOP_CLASS_UID: dataset.SOPClassUID.encode(),
            AFFECTED_SOP_INSTANCE_UID: dataset.SOPInstanceUID.encode(),
        }
    )
    arriving = Reception(
        command=command,
        transfer_syntax=str(dataset.file_meta.TransferSyntaxUID),
        most_bytes=1 << 20,
        is_screened=True,
    )
    with SpoolWriter(uuid.uuid4()).open() as writer, one_decoder._slot():
        start = content.index(b"DICM") + 4
        length = 12 + int(dataset.file_meta.FileMetaInformationGroupLength)
        arriving.attach(writer=writer, head=content[: start + length])
        arriving.write(memoryview(content[start + length :]))
        arriving.finish()
    assert arriving.status == OUT_OF_RESOURCES
    assert not arriving.is_spooled


@pytest.mark.parametrize(
    ("released", "verdict"), [((), Verdict.HELD_BACK), ((Reason.NOT_CHECKED,), Verdict.PASS_WITH_WARNING)]
)
def test_an_image_that_the_decoder_gave_up_on_is_not_called_damaged(
    released: tuple[Reason, ...], verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    giving_up(monkeypatch)
    outcome, _content = process(compressed(), released=frozenset(released))
    assert (outcome.verdict, outcome.reasons) == (verdict, (Reason.NOT_CHECKED,))


def test_a_person_may_release_what_was_not_checked() -> None:
    assert Reason.NOT_CHECKED in RELEASABLE
    assert Reason.DAMAGED_PIXELS not in RELEASABLE
    assert "damaged" not in str(EXPLANATIONS[Reason.NOT_CHECKED].title).lower()


@pytest.mark.django_db
@pytest.mark.parametrize("is_busy", [True, False])
def test_busy_decoders_do_not_end_a_run(is_busy: bool, house: House, one_decoder: pools.Pool) -> None:
    study = coded_study(house)
    run = ask(house, study)
    taken: AbstractContextManager[Any] = one_decoder._slot() if is_busy else nullcontext()
    with taken, pytest.raises(DecodersBusy) if is_busy else nullcontext():
        work(run)
    with tenant(house.organisation):
        state = DeidentificationRun.objects.get(pk=run.pk).state
    assert state == (State.RUNNING if is_busy else State.COMPLETED)
    run = work(run)
    assert (run.state, run.stored, run.held) == (State.COMPLETED, 1, 0)


@pytest.mark.django_db
def test_what_the_decoder_gave_up_on_is_checked_again_when_the_run_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(house, coded_study(house, count=2))
    with monkeypatch.context() as patch:
        giving_up(patch)
        run = work(run)
    first, second = holds(run)
    assert first.reasons == second.reasons == [Reason.NOT_CHECKED.value]
    # One image is decided on; the other is not, and goes all the same.
    run = work(release(run, actor=manager(house), rows=[first]))
    assert (run.state, run.stored, run.held) == (State.COMPLETED, 2, 0)
    with tenant(house.organisation):
        second.refresh_from_db()
    assert (second.decision, second.reasons) == ("", [])


def coded_study(house: House, *, count: int = 1) -> Study:
    study, series = generate_uid(), generate_uid()
    files = [
        compressed(PatientID="P-77", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=generate_uid())
        for _one in range(count)
    ]
    _delivery, outcomes = deliver(house.clinical, files)
    with tenant(house.organisation):
        found: Study = Study.objects.select_related("archive", "patient").get(
            archive=house.clinical, study_instance_uid=outcomes[0].study_instance_uid
        )
    return found
