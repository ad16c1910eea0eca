"""A study on its way into a teaching archive: services, jobs, permissions, repetition."""

from __future__ import annotations

from typing import Any

import pydicom
import pytest

from archive.models import Archive, Instance, QuarantinedFile, Series, Study
from archive.storage import storage
from audit.models import Event
from core.errors import Conflict, Forbidden, NotFound
from core.jobs import JobCancelled
from core.models import Job
from core.tenancy import tenant
from deid import hooks, queries, services, tasks
from deid.domain import pipeline
from deid.errors import (
    ApprovedContentChanged,
    EmptyStudy,
    KeyChanged,
    OptionNotOffered,
    OtherOptions,
    SameArchive,
    SameReader,
    TargetNotDeidentified,
    WrongState,
)
from deid.models import DeidentificationRun, DeidentifiedInstance, Pseudonym
from deid.services import execution, receipts, runs
from deid.services.domains import domain_of
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_file
from tests.deid.conftest import House, make_house

State = DeidentificationRun.State
pytestmark = pytest.mark.django_db


def ask(house: House, study: Study, **changes: Any) -> DeidentificationRun:
    with tenant(house.organisation):
        return services.deidentify_study(
            **{"actor": house.educator, "study": study, "target_archive": house.teaching, **changes}
        )


def work(run: DeidentificationRun) -> DeidentificationRun:
    tasks.execute_run(organisation_id=run.organisation_id, run_id=run.pk, job_id=str(run.job_id))
    with tenant(run.organisation):
        return runs.load(run.pk)


def copies(house: House) -> list[pydicom.Dataset]:
    with tenant(house.organisation):
        keys = list(
            Instance.objects.filter(archive=house.teaching).order_by("pk").values_list("storage_key", flat=True)
        )
    return [pydicom.dcmread(storage().path(key)) for key in keys]


def test_a_study_is_copied_without_its_patient(house: House) -> None:
    study = house.study(count=3, PatientName="Lovelace^Ada", PatientID="MRN-99812")
    run = work(ask(house, study))
    assert (run.state, run.stored, run.held, run.total) == (State.COMPLETED, 3, 0, 3)
    found = copies(house)
    assert len(found) == 3
    for dataset in found:
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.StudyInstanceUID == run.target_study_instance_uid != study.study_instance_uid
        assert dataset.PatientID == run.pseudonym.patient_id
        assert "lovelace" not in str(dataset).lower() and "MRN-99812" not in str(dataset)
    with tenant(house.organisation):
        target = queries.target_study(run)
        assert target is not None and target.instance_count == 3
        assert queries.run_of_study(target) == run
        assert run.job is not None and run.job.state == Job.State.SUCCEEDED
        assert run.job.result == {"run": run.public_id, "stored": 3, "held": 0}


def test_pixels_pass_untouched(house: House) -> None:
    study = house.study(count=1)
    with tenant(house.organisation):
        key = Instance.objects.get(study=study).storage_key
    work(ask(house, study))
    assert copies(house)[0].PixelData == pydicom.dcmread(storage().path(key)).PixelData


def test_working_twice_stores_nothing_twice(house: House) -> None:
    run = ask(house, house.study(count=2))
    work(run)
    work(run)
    assert run.source_study is not None
    again = work(ask(house, run.source_study))
    assert again.pk != run.pk
    assert (again.state, again.stored) == (State.COMPLETED, 2)
    assert len(copies(house)) == 2
    with tenant(house.organisation):
        assert not QuarantinedFile.objects.filter(archive=house.teaching).exists()
        assert Event.objects.filter(action="deidentification.completed", target_id=run.public_id).count() == 1


def test_a_double_click_gives_one_run(house: House) -> None:
    study = house.study(count=1)
    assert ask(house, study).pk == ask(house, study).pk


def test_a_worker_killed_in_the_middle_is_taken_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ask(house, house.study(count=4))
    process, calls = pipeline.process, []

    def dies_at_the_third(**arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return process(**arguments)

    monkeypatch.setattr(pipeline, "process", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        work(run)
    with tenant(house.organisation):
        assert runs.load(run.pk).state == State.RUNNING
        assert DeidentifiedInstance.objects.filter(run=run).count() == 2
    run = work(run)
    assert (run.state, run.stored) == (State.COMPLETED, 4)
    assert len(calls) == 3 + 2, "what was done is not done again"
    assert len(copies(house)) == 4


def test_studies_of_one_patient_share_pseudonym_shift_and_frame_of_reference(house: House) -> None:
    same = {"PatientID": "ONE", "FrameOfReferenceUID": "1.2.3.4.5.6"}
    first = work(ask(house, house.study(count=1, StudyDate="20240110", **same)))
    second = work(ask(house, house.study(count=1, StudyDate="20240210", **same)))
    other = work(ask(house, house.study(count=1, PatientID="TWO")))
    assert first.pseudonym_id == second.pseudonym_id != other.pseudonym_id
    a, b, _c = copies(house)
    assert a.FrameOfReferenceUID == b.FrameOfReferenceUID != "1.2.3.4.5.6"
    assert (pydicom.valuerep.DA(b.StudyDate) - pydicom.valuerep.DA(a.StudyDate)).days == 31


def test_two_studies_without_patient_id_are_two_patients(house: House) -> None:
    first = work(ask(house, house.study(count=1, PatientID=None)))
    second = work(ask(house, house.study(count=1, PatientID=None)))
    assert first.pseudonym_id != second.pseudonym_id


def test_what_may_show_the_patient_is_held_back_with_its_reason(house: House) -> None:
    study = house.study(count=2)
    deliver(
        house.clinical,
        [
            make_file(
                StudyInstanceUID=study.study_instance_uid, PatientID=study.patient.patient_id, BurnedInAnnotation="YES"
            )
        ],
    )
    run = work(ask(house, study))
    assert (run.state, run.stored, run.held) == (State.PARTIALLY_HELD, 2, 1)
    with tenant(house.organisation):
        (group,) = queries.held_back(run)
        assert (group.reason, group.count) == ("burned-in-annotation", 1)
        assert str(group.explanation.sentence) and str(group.explanation.remedy)
        event = Event.objects.get(action="deidentification.held_back", target_id=run.public_id)
        assert event.detail["by_reason"] == {"burned-in-annotation": 1}


def test_a_study_of_ultrasound_only_is_held_back_whole(house: House) -> None:
    run = work(ask(house, house.study(count=2, Modality="US")))
    assert (run.state, run.stored, run.held) == (State.HELD, 0, 2)
    assert copies(house) == []


def test_a_copy_with_other_options_is_refused_while_the_first_is_there(house: House) -> None:
    study = house.study(count=1, PatientSex="F")
    work(ask(house, study))
    with pytest.raises(OtherOptions):
        ask(house, study, options=["retain_patient_characteristics"])
    with tenant(house.organisation):
        Instance.objects.filter(archive=house.teaching).delete()
        Series.objects.filter(archive=house.teaching).delete()
        Study.objects.filter(archive=house.teaching).delete()
    run = work(ask(house, study, options=["retain_patient_characteristics"]))
    assert run.state == State.COMPLETED
    assert copies(house)[0].PatientSex == "F"


def test_what_the_target_refuses_is_held_back_with_that_reason(house: House) -> None:
    study = house.study(count=2)
    run = ask(house, study)
    with tenant(house.organisation):
        settings = runs.settings_of(runs.load(run.pk))
        first = Instance.objects.filter(study=study).order_by("pk").first()
        uid = settings.uids.new_uid(first.sop_instance_uid)
    deliver(house.teaching, [make_file(SOPInstanceUID=uid)])
    run = work(run)
    assert (run.state, run.stored, run.held) == (State.PARTIALLY_HELD, 1, 1)
    with tenant(house.organisation):
        (group,) = queries.held_back(run)
        assert group.reason == "not-stored"


def test_the_receipt_proves_every_output_and_names_nobody(house: House) -> None:
    study = house.study(count=2, PatientName="Noether^Emmy", PatientID="EN-1882-03")
    run = work(ask(house, study))
    receipt = run.receipt
    assert receipt["sha256"] == receipts.digest_of(receipt)
    assert receipt["profile"]["edition"] == "2026d" and len(receipt["profile"]["table_sha256"]) == 64
    with tenant(house.organisation):
        stored = {i.sop_instance_uid: bytes(i.digest).hex() for i in Instance.objects.filter(archive=house.teaching)}
    assert {o["sop_instance_uid"]: o["sha256"] for o in receipt["outputs"]} == stored
    text = str(receipt).lower()
    assert "noether" not in text and "en-1882" not in text and study.study_instance_uid not in text
    assert sum(receipt["counts"]["actions"].values()) > 20 and receipt["counts"]["stored"] == 2


def test_neither_events_nor_rows_hold_the_patient(house: House) -> None:
    run = work(ask(house, house.study(count=1, PatientName="Germain^Sophie", PatientID="SG177604")))
    with tenant(house.organisation):
        text = " ".join(
            str(row)
            for model in (Event, DeidentificationRun, DeidentifiedInstance, Pseudonym)
            for row in model.objects.filter(organisation=house.organisation).values()
            if model is not Event or row["action"].startswith(("deid", "pseudonym"))
        ).lower()
    assert run.state == State.COMPLETED
    assert "germain" not in text and "sg177604" not in text


def test_listeners_hear_of_the_end_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[int, str]] = []
    monkeypatch.setattr(hooks, "_run_completed", [lambda *, run: heard.append((run.pk, run.state))])
    run = ask(house, house.study(count=1))
    work(run)
    work(run)
    assert heard == [(run.pk, State.COMPLETED)]


class TestWhoMay:
    def test_a_reader_of_the_target_may_not_add(self, house: House) -> None:
        person = house.person(clinical="contributor", teaching="reader")
        with pytest.raises(Forbidden):
            ask(house, house.study(count=1), actor=person)

    def test_who_does_not_see_the_source_may_not_copy(self, house: House) -> None:
        with pytest.raises(Forbidden):
            ask(house, house.study(count=1), actor=house.person(teaching="contributor"))

    def test_a_stranger_finds_nothing(self, house: House) -> None:
        other = make_house()
        study = house.study(count=1)
        with pytest.raises(NotFound):
            ask(house, study, actor=other.educator)
        with pytest.raises(NotFound):
            ask(house, study, target_archive=other.teaching)

    def test_runs_of_another_organisation_are_not_listed(self, house: House) -> None:
        other = make_house()
        run = ask(house, house.study(count=1))
        with tenant(other.organisation):
            assert not queries.runs_for(user=other.educator, organisation=other.organisation).exists()
            with pytest.raises(NotFound):
                queries.run_for(user=other.educator, organisation=other.organisation, public_id=run.public_id)
        with tenant(house.organisation):
            assert queries.runs_for(user=house.educator, organisation=house.organisation).get() == run
            assert not queries.runs_for(user=other.educator, organisation=house.organisation).exists()

    def test_values_before_are_shown_to_readers_of_the_source_only(self, house: House) -> None:
        run = work(ask(house, house.study(count=1, PatientName="Hopper^Grace")))
        trainee = house.person(teaching="reader")
        with tenant(house.organisation):
            row = DeidentifiedInstance.objects.get(run=run)
            _row, changes = queries.comparison(user=house.educator, run=run, instance_id=row.pk)
            name = next(change for change in changes if change.keyword == "PatientName")
            assert (name.before, name.after) == ("Hopper^Grace", run.pseudonym.patient_name)
            with pytest.raises(Forbidden):
                queries.comparison(user=trainee, run=run, instance_id=row.pk)


class TestRefusals:
    def test_the_same_archive(self, house: House) -> None:
        with pytest.raises(SameArchive):
            ask(house, house.study(count=1), target_archive=house.clinical)

    def test_a_clinical_target(self, house: House) -> None:
        with tenant(house.organisation):
            Archive.objects.filter(pk=house.teaching.pk).update(purpose=Archive.Purpose.CLINICAL)
            house.teaching.refresh_from_db()
        with pytest.raises(TargetNotDeidentified):
            ask(house, house.study(count=1))

    @pytest.mark.parametrize("option", ["retain_uids", "retain_longitudinal_full_dates", "clean_graphics", "nonsense"])
    def test_options_that_are_not_offered(self, house: House, option: str) -> None:
        with pytest.raises(OptionNotOffered):
            ask(house, house.study(count=1), options=[option])

    def test_a_study_without_images(self, house: House) -> None:
        study = house.study(count=1)
        with tenant(house.organisation):
            Instance.objects.filter(study=study).delete()
        with pytest.raises(EmptyStudy):
            ask(house, study)

    def test_a_changed_key_stops_everything(self, house: House, settings: Any) -> None:
        run = ask(house, house.study(count=1))
        settings.SECRET_KEY = "another secret than the one the domain was made with, long enough to be one"
        with pytest.raises(KeyChanged):
            ask(house, house.study(count=1))
        run = work(run)
        assert run.state == State.FAILED and "key" in run.error
        assert copies(house) == []

    def test_a_replaced_key_still_serves_while_it_is_known(self, house: House, settings: Any) -> None:
        study = house.study(count=1)
        before = work(ask(house, study))
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another secret than the one the domain was made with, long enough to be one"
        after = work(ask(house, house.study(count=1, PatientID=study.patient.patient_id)))
        assert (after.state, after.pseudonym_id) == (State.COMPLETED, before.pseudonym_id)

    def test_the_key_is_not_in_the_database(self, house: House) -> None:
        with tenant(house.organisation):
            domain = domain_of(house.teaching)
            key = services.domains.key_of(domain)
            assert key not in (bytes(domain.key_salt), bytes(domain.key_check))


class TestCancelAndRetry:
    def test_cancelled_before_it_began(self, house: House) -> None:
        run = ask(house, house.study(count=1))
        with tenant(house.organisation):
            run = services.cancel_run(actor=house.educator, run=run)
        assert run.state == State.CANCELLED
        assert work(run).state == State.CANCELLED
        assert copies(house) == []

    def test_cancelled_in_the_middle_and_started_again(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        run = ask(house, house.study(count=3))
        real, calls = execution._one, []

        def cancels_after_one(**arguments: Any) -> None:
            real(**arguments)
            calls.append(1)
            if len(calls) == 1:
                services.cancel_run(actor=house.educator, run=runs.load(run.pk))
                raise JobCancelled

        monkeypatch.setattr(execution, "_one", cancels_after_one)
        run = work(run)
        assert run.state == State.CANCELLED
        monkeypatch.setattr(execution, "_one", real)
        with tenant(house.organisation):
            run = services.retry_run(actor=house.educator, run=run)
        run = work(run)
        assert (run.state, run.stored) == (State.COMPLETED, 3)
        assert len(copies(house)) == 3

    def test_a_finished_run_cannot_be_cancelled_or_repeated(self, house: House) -> None:
        run = work(ask(house, house.study(count=1)))
        with tenant(house.organisation):
            with pytest.raises(WrongState):
                services.cancel_run(actor=house.educator, run=run)
            with pytest.raises(WrongState):
                services.retry_run(actor=house.educator, run=run)

    def test_a_crash_ends_the_run_as_failed(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        run = ask(house, house.study(count=1))
        monkeypatch.setattr(pipeline, "process", lambda **_arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            work(run)
        with tenant(house.organisation):
            run = runs.load(run.pk)
        assert run.state == State.FAILED and run.job is not None and run.job.state == Job.State.FAILED


class TestSecondPerson:
    @pytest.fixture
    def waiting(self, house: House) -> DeidentificationRun:
        with tenant(house.organisation):
            domain = domain_of(house.teaching)
            manager = house.person(teaching="manager")
            services.change_domain(actor=manager, domain=domain, changes={"require_second_person": True})
        return work(ask(house, house.study(count=2)))

    def test_nothing_is_stored_before_approval(self, house: House, waiting: DeidentificationRun) -> None:
        assert waiting.state == State.AWAITING_APPROVAL
        assert copies(house) == []
        assert waiting.job is not None and waiting.job.state == Job.State.SUCCEEDED

    def test_whoever_asked_cannot_approve(self, house: House, waiting: DeidentificationRun) -> None:
        with tenant(house.organisation), pytest.raises(SameReader):
            services.approve_run(actor=house.educator, run=waiting, seen=services.proposal(waiting))

    def test_a_colleague_approves_and_it_is_stored(self, house: House, waiting: DeidentificationRun) -> None:
        colleague = house.person(clinical="reader", teaching="contributor")
        with tenant(house.organisation):
            run = services.approve_run(actor=colleague, run=waiting, seen=services.proposal(waiting))
            with pytest.raises(Conflict):
                services.approve_run(actor=colleague, run=waiting, seen=services.proposal(waiting))
        run = work(run)
        assert (run.state, run.stored, run.decided_by) == (State.COMPLETED, 2, colleague)
        assert run.receipt["approved_by"] == colleague.username
        assert len(copies(house)) == 2

    def test_rejected_stores_nothing(self, house: House, waiting: DeidentificationRun) -> None:
        colleague = house.person(clinical="reader", teaching="contributor")
        with tenant(house.organisation):
            run = services.reject_run(actor=colleague, run=waiting, note="Wrong patient group")
        assert run.state == State.REJECTED
        assert work(run).state == State.REJECTED
        assert copies(house) == []

    def test_only_what_was_approved_is_stored(
        self, house: House, waiting: DeidentificationRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        colleague = house.person(clinical="reader", teaching="contributor")
        with tenant(house.organisation):
            run = services.approve_run(actor=colleague, run=waiting, seen=services.proposal(waiting))
            DeidentifiedInstance.objects.filter(run=run).update(target_digest=bytes(32))
        run = work(run)
        assert run.state == State.FAILED
        assert str(ApprovedContentChanged.default_message) == run.error
        assert copies(house) == []

    def test_a_member_without_roles_cannot_decide(self, house: House, waiting: DeidentificationRun) -> None:
        with tenant(house.organisation), pytest.raises(Forbidden):
            services.approve_run(actor=make_member(house.organisation), run=waiting, seen=services.proposal(waiting))
