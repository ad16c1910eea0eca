"""A release from quarantine and its event are one act; what the gate says of files and sources is whole."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from access.models import RoleGrant
from access.services import grant_role
from access.services.roles import role_group
from archive import hooks
from archive.domain.screening import LONGEST_COMMENT, Finding, as_comment
from archive.errors import DeliveryClosed, NotASource, StillQuarantined
from archive.intake import policy, sources
from archive.models import IntakeSource, QuarantinedFile
from archive.services import imports, open_delivery, receive
from archive.services import quarantine as quarantine_service
from archive.services.uploads import take_files, take_piece
from audit.models import Event
from core.errors import Invalid
from core.tenancy import tenant
from deid import arrivals
from deid.domain import arrival
from tests.archive.factories import deliver, make_file
from tests.archive.test_intake import CLEAN, House, held, make_house, stored

pytestmark = pytest.mark.django_db

HELD = {**CLEAN, "StudyDescription": "Knee Osgood"}


def _held_file() -> tuple[House, QuarantinedFile]:
    house = make_house()
    deliver(house.archive, [make_file(**HELD)], actor=house.sender)
    (file,) = held(house.archive)
    return house, file


def _events(house: House) -> list[tuple[str, str]]:
    with tenant(house.organisation):
        rows = Event.objects.filter(action__startswith="quarantine.").order_by("pk")
        return list(rows.values_list("action", "outcome"))


def test_an_image_does_not_go_in_when_its_release_cannot_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    house, file = _held_file()
    record = quarantine_service.audit.record

    def full(*, action: str, **more: Any) -> Any:
        if action.startswith("quarantine."):
            raise RuntimeError
        return record(action=action, **more)

    monkeypatch.setattr(quarantine_service.audit, "record", full)
    with pytest.raises(RuntimeError):
        quarantine_service.release(actor=house.manager, file=file, reason="A disease")
    assert stored(house.archive) == []
    assert [one.state for one in held(house.archive)] == [QuarantinedFile.State.KEPT]


@pytest.mark.parametrize("is_held", [True, False])
def test_a_release_is_in_the_trail_before_the_image_is_in_the_archive(
    monkeypatch: pytest.MonkeyPatch, is_held: bool
) -> None:
    house, file = _held_file()
    if not is_held:
        with tenant(house.organisation):
            file.code = "other-content"
            file.save(update_fields=["code"])
    index, known = quarantine_service.index_delivery, []

    def watched(**arguments: Any) -> Any:
        known.append(_events(house))
        return index(**arguments)

    monkeypatch.setattr(quarantine_service, "index_delivery", watched)
    action = "quarantine.finding_overruled" if is_held else "quarantine.released"
    if is_held:
        quarantine_service.release(actor=house.manager, file=file, reason="A disease")
        assert _events(house) == [(action, "success")]
    else:
        with pytest.raises(StillQuarantined):
            quarantine_service.release(actor=house.manager, file=file)
        assert _events(house) == [(action, "success"), (action, "failed")]
    assert known[0] == [(action, "success")]


def test_a_role_that_has_ended_or_run_out_is_no_source() -> None:
    house = make_house()
    with tenant(house.organisation):
        role = role_group(container=house.archive, role="contributor")
    sources.add_source(actor=house.manager, archive=house.archive, kind="role", role=role)
    # May add images for another reason all the time: only the source is at stake.
    grant_role(actor=None, container=house.archive, role="manager", user=house.stranger)
    with tenant(house.organisation):
        grants = RoleGrant.objects.filter(user=house.stranger, container_role=role)
        grants.update(expires_at=timezone.now() + timedelta(hours=1))
        assert open_delivery(archive=house.archive, source="stow", actor=house.stranger)
        for change in ({"expires_at": timezone.now() - timedelta(seconds=1)}, {"ended_at": timezone.now()}):
            grants.update(**{"expires_at": None, "ended_at": None, **change})
            assert not policy.is_source(archive=house.archive, user=house.stranger)
            with pytest.raises(NotASource):
                open_delivery(archive=house.archive, source="stow", actor=house.stranger)


@pytest.mark.parametrize("end", ["source", "expiry", "role"])
def test_an_open_upload_takes_nothing_more_when_its_source_or_role_ends(end: str) -> None:
    house = make_house()
    with tenant(house.organisation):
        role = role_group(container=house.archive, role="contributor")
        source = sources.add_source(actor=house.manager, archive=house.archive, kind="role", role=role)
        grant_role(actor=None, container=house.archive, role="manager", user=house.stranger)
        delivery = open_delivery(archive=house.archive, source="upload", actor=house.stranger)
        others = open_delivery(archive=house.archive, source="upload", actor=house.sender)
        first, second = make_file(**CLEAN), make_file(**CLEAN)
        (taken,) = take_files(delivery=delivery, files=[("a", "a.dcm", [first])], actor=house.stranger)
        assert taken.outcome is not None
        assert taken.outcome.is_success
        grants = RoleGrant.objects.filter(user=house.stranger, container_role=role)
        if end == "source":
            sources.remove_source(actor=house.manager, source=source)
        elif end == "expiry":
            grants.update(expires_at=timezone.now() - timedelta(seconds=1))
        else:
            grants.update(ended_at=timezone.now())
        refusal = DeliveryClosed if end == "source" else NotASource
        with pytest.raises(refusal):
            take_files(delivery=delivery, files=[("b", "b.dcm", [second])], actor=house.stranger)
        with pytest.raises(refusal):
            take_piece(
                delivery=delivery,
                upload_id="b",
                offset=0,
                total=9,
                name="b",
                chunks=BytesIO(b"x"),
                actor=house.stranger,
            )
        with pytest.raises(refusal):
            receive(delivery=delivery, chunks=[second])
        assert take_files(delivery=others, files=[("b", "b.dcm", [second])], actor=house.sender)
    assert len(stored(house.archive)) == 2


def test_a_bulk_import_stops_when_it_is_no_source_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house()
    source = sources.add_source(actor=house.manager, archive=house.archive, kind="import")
    monkeypatch.setattr(imports, "BATCH_FILES", 1)
    for number in range(3):
        (tmp_path / f"{number}.dcm").write_bytes(make_file(**CLEAN))
    reports: list[Any] = []

    def report(outcomes: list[Any]) -> None:
        reports.extend(outcomes)
        if len(reports) == 1:
            sources.remove_source(actor=house.manager, source=source)

    with tenant(house.organisation), pytest.raises(NotASource):
        imports.import_paths(
            archive=house.archive, paths=[tmp_path], report=report, watch=lambda _progress: None, again=False
        )
    assert len(stored(house.archive)) == 1


def test_a_source_that_two_name_at_the_same_moment_is_given_to_both(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house()
    named = {"kind": "ae", "calling_ae_title": "CT1", "network": "10.0.0.7"}
    first = sources.add_source(actor=house.manager, archive=house.archive, **named)
    look, looks = sources._same_as, []

    def late(row: IntakeSource) -> IntakeSource | None:
        looks.append(row)
        return look(row) if len(looks) > 1 else None

    monkeypatch.setattr(sources, "_same_as", late)
    assert sources.add_source(actor=house.manager, archive=house.archive, **named) == first
    with tenant(house.organisation):
        assert IntakeSource.objects.filter(archive=house.archive, kind="ae").count() == 1
        assert Event.objects.filter(action="archive.source_added", detail__kind="ae").count() == 1


def test_a_range_is_written_in_one_way_and_nonsense_is_said_at_its_field() -> None:
    house = make_house()
    for words in ("10.1.2.9/24", " 10.1.2.0/24 "):
        row = sources.add_source(
            actor=house.manager, archive=house.archive, kind="ae", calling_ae_title="CT1", network=words
        )
        assert row.network == "10.1.2.0/24"
    with pytest.raises(Invalid) as wrong:
        sources.add_source(
            actor=house.manager, archive=house.archive, kind="ae", calling_ae_title="CT1", network="10.1"
        )
    assert set(wrong.value.fields) == {"network"}


@pytest.mark.parametrize("places", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("place", ["PatientName", "RequestAttributesSequence[1].ScheduledProcedureStepDescription"])
def test_an_error_comment_names_whole_places_and_counts_the_others(place: str, places: int) -> None:
    found = arrivals._finding([arrival.Found(arrival.IDENTITY, tuple(f"{place}{n}" for n in range(places)))])
    assert 0 < len(found.comment) <= LONGEST_COMMENT
    assert set(found.comment.removeprefix("Identity found: ").split(" and ")[0].split(", ")) <= {
        *(f"{place}{n}" for n in range(places)),
        f"Identity found in {places} places",
        "Identity found in one place",
    }


def test_a_finding_with_a_longer_comment_is_a_mistake() -> None:
    assert as_comment("word " * 30) == "word " * 11 + "word..."
    assert as_comment("x" * 80) == "x" * 61 + "..."
    with pytest.raises(ValueError, match="64"):
        Finding(code="x", reason="x", comment="x" * 65)


def test_reasons_of_the_gate_go_through_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_", str.upper)
    monkeypatch.setattr(policy, "_", str.upper)
    monkeypatch.setattr(hooks, "_", str.upper)
    house = make_house()
    _delivery, outcomes = deliver(house.archive, [make_file(**CLEAN)], source="deid", actor=house.sender)
    undeclared = arrivals._finding([arrival.Found(arrival.UNDECLARED)])
    for reason in (outcomes[0].reason, hooks.unchecked().reason, undeclared.reason):
        assert reason == reason.upper()
