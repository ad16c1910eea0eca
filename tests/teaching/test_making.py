"""From a clinical study to a draft case, through a real de-identification run."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access.models import User
from access.services import grant_role
from archive.models import Study
from core.errors import Forbidden
from core.tenancy import tenant
from deid import services as deid
from deid.models import DeidentificationRun
from teaching import doorways, services
from teaching.models import Case
from teaching.services import preparation_finished
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_archive, make_file, make_series
from tests.teaching.factories import House, make_house

pytestmark = pytest.mark.django_db


def clinical_study(house: House, *, held: bool = False) -> Study:
    archive = make_archive(house.organisation)
    files = make_series(count=2, PatientName="Doe^Jane", PatientID="SECRET-ID-1")
    if held:
        import io

        import pydicom

        uid = str(pydicom.dcmread(io.BytesIO(files[0])).StudyInstanceUID)
        files.append(
            make_file(StudyInstanceUID=uid, PatientName="Doe^Jane", PatientID="SECRET-ID-1", BurnedInAnnotation="YES")
        )
    deliver(archive, files)
    with tenant(house.organisation):
        grant_role(actor=None, container=archive, role="reader", user=house.educator)
        grant_role(actor=None, container=house.archive, role="contributor", user=house.educator)
        return Study.objects.get(archive=archive)


def run_of(case: Case) -> DeidentificationRun:
    return DeidentificationRun.objects.get(pk=case.deid_run_key)


def finish(house: House, case: Case) -> None:
    with tenant(house.organisation):
        run = run_of(case)
        deid.execute_run(run_id=run.pk, job_id=str(run.job_id))
        case.refresh_from_db()


def manager_of(house: House, study: Study) -> User:
    """Who may decide on held images of the study."""
    person: User = make_member(house.organisation)
    with tenant(house.organisation):
        grant_role(actor=None, container=study.archive, role="reader", user=person)
        grant_role(actor=None, container=house.archive, role="manager", user=person)
    return person


def test_one_button_makes_a_draft_with_de_identified_images() -> None:
    house = make_house()
    study = clinical_study(house)
    with tenant(house.organisation):
        case = services.make_case_from_study(actor=house.educator, study=study, library=house.library, title="Knee")
        assert case.state == Case.State.PREPARING
    finish(house, case)
    with tenant(house.organisation):
        copy = case.case_studies.select_related("study__patient").get().study
        assert case.state == Case.State.DRAFT
        assert copy.archive_id == house.archive.pk
        assert copy.study_instance_uid != study.study_instance_uid
        assert "SECRET" not in copy.patient.patient_id
        assert case.modality == "MR"


def test_held_back_images_are_listed_with_their_reason_and_hold_publication_until_dealt_with() -> None:
    house = make_house()
    with tenant(house.organisation):
        case = services.make_case_from_study(
            actor=house.educator, study=clinical_study(house, held=True), library=house.library
        )
    finish(house, case)
    client = Client()
    client.force_login(house.educator)
    address = reverse("teaching:case-edit", kwargs={"organisation": house.organisation.slug, "case": case.public_id})
    page = client.get(address).content.decode()
    assert "Text burned into the image" in page
    assert "Look at held images" in page
    assert not case.held_back_resolved
    client.post(address + "act/resolve-held-back/")
    with tenant(house.organisation):
        case.refresh_from_db()
    assert case.held_back_resolved


@pytest.mark.parametrize("only_held", [False, True])
def test_a_draft_takes_in_held_images_that_a_manager_releases(only_held: bool) -> None:
    house = make_house()
    study = clinical_study(house, held=True)
    with tenant(house.organisation):
        if only_held:
            study.instances.exclude(pk=study.instances.latest("pk").pk).delete()
        case = services.make_case_from_study(actor=house.educator, study=study, library=house.library)
    finish(house, case)
    with tenant(house.organisation):
        assert case.case_studies.count() == (0 if only_held else 1)
        assert not case.held_back_resolved and bool(case.preparation_error) == only_held
        run = run_of(case)
        manager = make_member(house.organisation)
        grant_role(actor=None, container=study.archive, role="reader", user=manager)
        grant_role(actor=None, container=house.archive, role="manager", user=manager)
        held = [row.pk for row in run.instances.all() if row.is_open_hold]
        deid.release_images(actor=manager, run=run, instances=held, reason="only L and R in the image")
    for _again in range(2):
        finish(house, case)
    with tenant(house.organisation):
        copy = case.case_studies.get().study
        assert copy.instance_count == (1 if only_held else 3)
        assert case.state == Case.State.DRAFT
        assert case.held_back_resolved and not case.held_back and not case.preparation_error


def test_hearing_of_the_end_twice_attaches_once() -> None:
    house = make_house()
    with tenant(house.organisation):
        case = services.make_case_from_study(actor=house.educator, study=clinical_study(house), library=house.library)
    finish(house, case)
    with tenant(house.organisation):
        before = case.revision
        assert preparation_finished(run_key=case.deid_run_key, studies=[], held_back=[]) == []
        case.refresh_from_db()
        assert (case.revision, case.case_studies.count()) == (before, 1)


def test_a_run_that_ends_without_images_says_so_on_the_case() -> None:
    house = make_house()
    with tenant(house.organisation):
        case = services.make_case_from_study(actor=house.educator, study=clinical_study(house), library=house.library)
        deid.cancel_run(actor=house.educator, run=run_of(case))
        case.refresh_from_db()
    assert case.state == Case.State.PREPARING
    assert "cancelled" in case.preparation_error
    client = Client()
    client.force_login(house.educator)
    address = reverse("teaching:case-edit", kwargs={"organisation": house.organisation.slug, "case": case.public_id})
    assert "cancelled" in client.get(address).content.decode()


def test_the_button_is_shown_to_writers_on_clinical_studies_only(rf: Any) -> None:
    house = make_house()
    study = clinical_study(house)
    request = rf.get("/")
    request.organisation = house.organisation
    with tenant(house.organisation):
        ours = Study.objects.select_related("archive").get(pk=study.pk)
        assert doorways.make_case_action(user=house.educator, study=ours, request=request) is not None
        assert doorways.make_case_action(user=house.member, study=ours, request=request) is None
        with pytest.raises(Forbidden):
            services.make_case_from_study(actor=house.member, study=ours, library=house.library)


def test_the_dialog_starts_the_run_and_leads_to_the_case() -> None:
    house = make_house()
    study = clinical_study(house)
    client = Client()
    client.force_login(house.educator)
    address = reverse("teaching:case-make", kwargs={"organisation": house.organisation.slug, "study": study.public_id})
    assert "De-identify" in client.get(address, headers={"HX-Request": "true"}).content.decode()
    made = client.post(address, {"library": house.library.slug, "title": ""}, headers={"HX-Request": "true"})
    with tenant(house.organisation):
        case = Case.objects.get()
    assert case.public_id in made["HX-Redirect"]
    page = client.get(made["HX-Redirect"]).content.decode()
    assert "every 2s" in page
    finish(house, case)
    done = client.get(made["HX-Redirect"] + "preparing/")
    assert done["HX-Redirect"] == made["HX-Redirect"]


@pytest.mark.parametrize("asks_second", [False, True])
def test_a_decision_on_the_run_settles_the_checklist_and_taking_it_back_opens_it_again(asks_second: bool) -> None:
    house = make_house()
    study = clinical_study(house, held=True)
    with tenant(house.organisation):
        case = services.make_case_from_study(actor=house.educator, study=study, library=house.library)
    finish(house, case)
    manager = manager_of(house, study)
    client = Client()
    client.force_login(house.educator)
    address = reverse("teaching:case-edit", kwargs={"organisation": house.organisation.slug, "case": case.public_id})

    def said() -> tuple[bool, bool, bool]:
        """Whether the page asks to go on without them; whether it calls them decided; whether the checklist is open."""
        with tenant(house.organisation):
            case.refresh_from_db()
        page = client.get(address + "publishing/").content.decode()
        return "Go on without them" in page, "All of them are decided on" in page, not case.held_back_resolved

    assert said() == (True, False, True)
    with tenant(house.organisation):
        run = run_of(case)
        before = case.revision
        held = [row.pk for row in run.instances.all() if row.is_open_hold]
        deid.drop_images(actor=manager, run=run, instances=held, reason="a name in the corner")
    assert said() == (False, True, False)
    assert case.revision == before, "the text is the one that was reviewed"
    with tenant(house.organisation):
        deid.take_back(actor=manager, run=run, instances=held)
    assert said() == (True, False, True)
    if asks_second:
        client.post(address + "act/resolve-held-back/")
        assert said() == (False, False, False)


def test_what_an_editor_said_of_held_images_holds_until_others_join_them() -> None:
    house = make_house()
    study = clinical_study(house, held=True)
    with tenant(house.organisation):
        case = services.make_case_from_study(actor=house.educator, study=study, library=house.library)
    finish(house, case)
    manager = manager_of(house, study)
    with tenant(house.organisation):
        services.resolve_held_back(actor=house.educator, case=case)
        run = run_of(case)
        held = [row.pk for row in run.instances.all() if row.is_open_hold]
        deid.release_images(actor=manager, run=run, instances=held, reason="only L and R in the image")
    finish(house, case)
    with tenant(house.organisation):
        assert case.held_back == [] and case.held_back_resolved
        assert case.case_studies.get().study.instance_count == 3
