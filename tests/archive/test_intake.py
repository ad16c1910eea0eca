"""What an archive for de-identified images takes, by every door."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from access.models import Organisation, User
from access.services import grant_role
from archive import hooks
from archive.errors import NeedsReason, NotASource, StillQuarantined
from archive.intake.sources import add_source, remove_source
from archive.models import Archive, Delivery, Instance, IntakeSource, QuarantinedFile
from archive.services import open_delivery
from archive.services import quarantine as quarantine_service
from audit.models import Event
from core.errors import Conflict, Forbidden, Invalid
from core.models import Notification
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_file

pytestmark = pytest.mark.django_db

PURPOSES = [Archive.Purpose.TEACHING, Archive.Purpose.TRIAL]
#: A header that names nobody and says so.
CLEAN: dict[str, Any] = {
    "PatientIdentityRemoved": "YES",
    "PatientName": "S-01-001",
    "PatientID": "S-01-001",
    "PatientBirthDate": "",
    "AccessionNumber": "",
    "StudyID": "",
}


@dataclass
class House:
    organisation: Organisation
    archive: Archive
    manager: User
    sender: User
    stranger: User


def make_house(purpose: str = Archive.Purpose.TRIAL) -> House:
    organisation = make_organisation()
    house = House(
        organisation, make_archive(organisation, purpose=purpose), *(make_member(organisation) for _one in range(3))
    )
    grant_role(actor=None, container=house.archive, role="manager", user=house.manager)
    grant_role(actor=None, container=house.archive, role="contributor", user=house.sender)
    grant_role(actor=None, container=house.archive, role="contributor", user=house.stranger)
    add_source(actor=house.manager, archive=house.archive, kind="person", user=house.sender)
    return house


@pytest.fixture(params=PURPOSES)
def house(request: Any) -> House:
    return make_house(request.param)


def stored(archive: Archive) -> list[str]:
    with tenant(archive.organisation):
        return list(Instance.objects.filter(archive=archive).values_list("sop_instance_uid", flat=True))


def held(archive: Archive) -> list[QuarantinedFile]:
    with tenant(archive.organisation):
        return list(QuarantinedFile.objects.filter(archive=archive).select_related("archive__organisation", "delivery"))


def test_a_sender_that_the_policy_does_not_name_gets_nothing_in(house: House) -> None:
    for sender in (
        {"source": "upload", "actor": house.stranger},
        {"source": "stow", "actor": house.stranger},
        {"source": "upload", "actor": house.manager},
        {"source": "import"},
        {"source": "upload"},
        {"source": "dimse", "calling_ae_title": "CT1", "address": "127.0.0.1"},
    ):
        with pytest.raises(NotASource):
            open_delivery(archive=house.archive, **sender)
    with tenant(house.organisation):
        assert not Delivery.objects.filter(archive=house.archive).exists()


def test_a_clinical_archive_takes_what_it_took(house: House) -> None:
    clinical = make_archive(house.organisation)
    _delivery, outcomes = deliver(clinical, [make_file()])
    assert [outcome.status for outcome in outcomes] == ["stored"]
    with pytest.raises(Conflict):
        add_source(actor=None, archive=clinical, kind="import")


def test_a_named_source_gets_in_what_names_nobody(house: House) -> None:
    delivery, outcomes = deliver(house.archive, [make_file(**CLEAN)], actor=house.sender)
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [("stored", "")]
    assert delivery.admission == Delivery.Admission.SCREENED
    with tenant(house.organisation):
        assert delivery.intake_source == IntakeSource.objects.get(archive=house.archive)


IDENTITY: list[tuple[str, dict[str, Any]]] = [
    ("PatientName", {"PatientName": "Schmidt^Anna"}),
    ("PatientName", {"PatientName": "SCHMIDT"}),
    ("PatientName", {"PatientName": "Schmidt 77"}),
    ("PatientID", {"PatientID": "Schmidt^Anna"}),
    ("PatientBirthDate", {"PatientBirthDate": "19700417"}),
    ("ReferringPhysicianName", {"ReferringPhysicianName": "Okafor^Ngozi"}),
    ("OperatorsName", {"OperatorsName": "ab^cd"}),
    ("OtherPatientIDs", {"OtherPatientIDs": ["77120041"]}),
    ("AccessionNumber", {"AccessionNumber": "A2024-00312"}),
    ("InstitutionName", {"InstitutionName": "St. Mary's Hospital"}),
    ("PatientAddress", {"PatientAddress": "12 High Street"}),
    ("PatientTelephoneNumbers", {"PatientTelephoneNumbers": "+49 30 1234567"}),
    ("PatientComments", {"PatientComments": "Son of Otto Schmidt"}),
    ("StudyDescription", {"StudyDescription": "Knee left Schmidt"}),
    ("SeriesDescription", {"SeriesDescription": "PD TSE 17.04.1970"}),
    ("SeriesDescription", {"SeriesDescription": "sag 77120041"}),
    ("ImageComments", {"ImageComments": "call a.schmidt@example.org"}),
    ("ClinicalTrialSubjectID", {"ClinicalTrialSubjectID": "Schmidt^Anna"}),
]


@pytest.mark.parametrize(("place", "elements"), IDENTITY)
def test_what_names_a_patient_is_held_with_the_place_and_without_the_value(
    place: str, elements: dict[str, Any]
) -> None:
    house = make_house()
    file = make_file(**{**CLEAN, **elements})
    _delivery, outcomes = deliver(house.archive, [file], actor=house.sender)
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [("refused", "identity-found")]
    assert place in outcomes[0].reason
    assert outcomes[0].dicom_status == 0x0124
    assert outcomes[0].sop_instance_uid
    assert stored(house.archive) == []
    (kept,) = held(house.archive)
    for value in elements.values():
        for word in str(value).replace("[", "").split("^"):
            assert word.strip("'[]") not in kept.reason
    assert kept.size_bytes == len(file)


def test_private_text_is_held() -> None:
    from pydicom.dataset import Dataset

    from tests.archive.factories import make_dataset, to_bytes

    house = make_house()
    private = make_dataset(**CLEAN)
    block = private.private_block(0x0019, "ACME 1.0", create=True)
    block.add_new(0x10, "LO", "Anna Schmidt")
    nested = make_dataset(**CLEAN)
    item = Dataset()
    item.PatientName = "Schmidt^Anna"
    nested.ReferencedPatientSequence = [item]
    _delivery, outcomes = deliver(house.archive, [to_bytes(private), to_bytes(nested)], actor=house.sender)
    assert [outcome.code for outcome in outcomes] == ["identity-found"] * 2
    assert stored(house.archive) == []


def test_a_file_that_does_not_say_that_identity_was_removed_is_held() -> None:
    house = make_house()
    _delivery, outcomes = deliver(
        house.archive, [make_file(**{**CLEAN, "PatientIdentityRemoved": None})], actor=house.sender
    )
    assert [outcome.code for outcome in outcomes] == ["identity-not-removed"]


def test_pixels_that_nobody_can_look_at_are_held() -> None:
    house = make_house()
    files = [make_file(**{**CLEAN, "BurnedInAnnotation": "YES"}), make_file(**{**CLEAN, "Modality": "US"})]
    _delivery, outcomes = deliver(house.archive, files, actor=house.sender)
    assert [outcome.code for outcome in outcomes] == ["held-by-screening"] * 2


def test_without_a_screener_and_with_one_that_fails_nothing_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house()

    def fails(*, path: Path) -> None:
        raise RuntimeError(path)

    for screener in ([], [fails]):
        monkeypatch.setattr(hooks, "_screener", screener)
        _delivery, outcomes = deliver(house.archive, [make_file(**CLEAN)], actor=house.sender)
        assert [outcome.code for outcome in outcomes] == ["not-screened"]
    assert stored(house.archive) == []


def test_a_delivery_that_claims_to_be_of_a_run_gets_nothing_in() -> None:
    house = make_house()
    for content in (make_file(**CLEAN), make_file()):
        _delivery, outcomes = deliver(house.archive, [content], source="deid", actor=house.sender)
        assert [outcome.code for outcome in outcomes] == ["not-of-a-run"]
    assert stored(house.archive) == []


def test_a_source_that_was_taken_out_sends_no_more() -> None:
    house = make_house()
    with tenant(house.organisation):
        source = IntakeSource.objects.select_related("archive__organisation").get(archive=house.archive)
    with pytest.raises(Forbidden):
        remove_source(actor=house.sender, source=source)
    remove_source(actor=house.manager, source=source)
    with pytest.raises(NotASource):
        open_delivery(archive=house.archive, source="upload", actor=house.sender)
    with pytest.raises(Conflict):
        remove_source(actor=house.manager, source=source)
    with tenant(house.organisation):
        actions = sorted(Event.objects.filter(action__startswith="archive.source_").values_list("action", flat=True))
    assert actions == ["archive.source_added", "archive.source_removed"]


def test_a_calling_ae_title_counts_only_from_its_addresses() -> None:
    house, other = make_house(), make_house()
    add_source(actor=house.manager, archive=house.archive, kind="ae", calling_ae_title="CT1", network="10.1.0.0/16")

    def begin(archive: Archive, title: str, address: str | None) -> Delivery:
        return open_delivery(archive=archive, source="dimse", calling_ae_title=title, address=address)

    assert begin(house.archive, "CT1", "10.1.2.3").admission == Delivery.Admission.SCREENED
    assert begin(house.archive, "CT1", "::ffff:10.1.2.3").admission == Delivery.Admission.SCREENED
    for archive, title, address in (
        (house.archive, "CT1", "10.2.0.1"),
        (house.archive, "ct1", "10.1.2.3"),
        (house.archive, "CT1", None),
        (house.archive, "", "10.1.2.3"),
        (other.archive, "CT1", "10.1.2.3"),
    ):
        with pytest.raises(NotASource):
            begin(archive, title, address)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "ae", "calling_ae_title": "CT1"},
        {"kind": "ae", "calling_ae_title": "a\\b", "network": "10.0.0.0/8"},
        {"kind": "ae", "network": "10.0.0.0/8"},
        {"kind": "ae", "calling_ae_title": "CT1", "network": "10.0.0"},
        {"kind": "person"},
        {"kind": "role"},
        {"kind": "everybody"},
    ],
)
def test_a_source_that_is_no_source_is_refused(fields: dict[str, Any]) -> None:
    house = make_house()
    with pytest.raises(Invalid):
        add_source(actor=house.manager, archive=house.archive, **fields)


def test_a_role_is_a_source_while_it_is_held() -> None:
    from access.services import revoke_role
    from access.services.roles import role_group

    house = make_house()
    with tenant(house.organisation):
        role = role_group(container=house.archive, role="contributor")
    add_source(actor=house.manager, archive=house.archive, kind="role", role=role)
    assert open_delivery(archive=house.archive, source="stow", actor=house.stranger)
    revoke_role(actor=None, container=house.archive, role="contributor", user=house.stranger)
    grant_role(actor=None, container=house.archive, role="manager", user=house.stranger)
    with pytest.raises(NotASource):
        open_delivery(archive=house.archive, source="stow", actor=house.stranger)


def test_held_files_are_told_to_the_managers_of_this_archive_alone() -> None:
    house, other = make_house(), make_house()
    deliver(house.archive, [make_file(PatientName="Schmidt^Anna"), make_file(**CLEAN)], actor=house.sender)
    with tenant(house.organisation):
        (line,) = Notification.objects.filter(kind="archive.files_held")
        assert (line.person, line.detail["count"]) == (house.manager, 1)
        assert "Schmidt" not in str(line.detail)
    with tenant(other.organisation):
        assert not Notification.objects.filter(kind="archive.files_held").exists()


def test_only_a_manager_who_says_why_releases_a_held_file_and_it_is_not_called_de_identified() -> None:
    house = make_house()
    deliver(house.archive, [make_file(**{**CLEAN, "StudyDescription": "Knee Osgood"})], actor=house.sender)
    (file,) = held(house.archive)
    with pytest.raises(Forbidden):
        quarantine_service.release(actor=house.sender, file=file, reason="My own")
    for reason in ("", "  "):
        with pytest.raises(NeedsReason):
            quarantine_service.release(actor=house.manager, file=file, reason=reason)
    assert stored(house.archive) == []
    quarantine_service.release(actor=house.manager, file=file, reason="Osgood-Schlatter is a disease")
    assert len(stored(house.archive)) == 1
    with tenant(house.organisation):
        file.refresh_from_db()
        image = Instance.objects.select_related("delivery", "study").get(archive=house.archive)
        assert image.delivery.admission == Delivery.Admission.RELEASED
        assert hooks.clearance_of([image.study]) == {image.study_id: hooks.Clearance.SCREENED}
        event = Event.objects.get(action="quarantine.finding_overruled")
    assert file.decision_note == event.detail["reason"] == "Osgood-Schlatter is a disease"


def test_another_refusal_is_screened_when_it_is_tried_again() -> None:
    house = make_house()
    with tenant(house.organisation):
        file = _kept(house, make_file(PatientName="Schmidt^Anna"))
    with pytest.raises(StillQuarantined):
        quarantine_service.release(actor=house.sender, file=file)
    (file,) = held(house.archive)
    assert file.code == "identity-found"


def _kept(house: House, content: bytes) -> QuarantinedFile:
    """A file that was refused for another reason than screening."""
    deliver(house.archive, [content], actor=house.sender)
    (file,) = held(house.archive)
    file.code, file.reason = "other-content", "Other content"
    file.save(update_fields=["code", "reason"])
    return file


def test_bulk_import_on_the_server_is_a_source_only_when_it_is_named(tmp_path: Path) -> None:
    house = make_house()
    (tmp_path / "clear.dcm").write_bytes(make_file())
    (tmp_path / "clean.dcm").write_bytes(make_file(**CLEAN))
    where = f"{house.organisation.slug}/{house.archive.slug}"
    with pytest.raises(CommandError, match="de-identified images"):
        call_command("import_dicom", str(tmp_path), archive=where)
    add_source(actor=house.manager, archive=house.archive, kind="import")
    with pytest.raises(SystemExit):
        call_command("import_dicom", str(tmp_path), archive=where)
    assert len(stored(house.archive)) == 1
    assert [file.code for file in held(house.archive)] == ["identity-found"]


def test_an_upload_answers_for_each_file(client: Client) -> None:
    house = make_house()
    client.force_login(house.sender)
    base = f"/api/v1/o/{house.organisation.slug}/archives/{house.archive.slug}/uploads/"
    upload = client.post(base).json()["id"]
    body = b""
    for key, content in (("a", make_file()), ("b", make_file(**CLEAN))):
        body += b'{"id": "%s", "name": "%s.dcm", "size": %d}\n' % (key.encode(), key.encode(), len(content)) + content
    answer = client.post(f"{base}{upload}/files/", data=body, content_type="application/octet-stream").json()
    assert [(one["id"], one["status"], one["code"]) for one in answer] == [
        ("a", "refused", "identity-found"),
        ("b", "stored", ""),
    ]
    client.force_login(house.stranger)
    refused = client.post(base)
    assert refused.status_code == 403
    assert "de-identified images" in refused.content.decode()


def test_a_manager_adds_and_removes_sources_on_the_page_and_strangers_do_not(client: Client) -> None:
    house, other = make_house(), make_house()
    base = f"/o/{house.organisation.slug}/archive/{house.archive.slug}/sources/"
    client.force_login(house.manager)
    assert (
        house.sender.username in client.get(base).content.decode()
        or str(house.sender) in client.get(base).content.decode()
    )
    form = {"kind": "ae", "calling_ae_title": "CT9", "network": ""}
    refused = client.post(base + "add/", form)
    assert refused.status_code == 422
    assert "Enter the addresses" in refused.content.decode()
    assert client.post(base + "add/", form | {"network": "10.9.0.0/16"}).status_code == 302
    assert "CT9 (10.9.0.0/16)" in client.get(base).content.decode()
    with tenant(house.organisation):
        row = IntakeSource.objects.get(calling_ae_title="CT9")
    assert client.post(f"{base}{row.public_id}/remove/").status_code == 302
    with tenant(house.organisation):
        assert IntakeSource.objects.get(calling_ae_title="CT9").ended_at is not None
    assert "CT9 (10.9.0.0/16)" not in client.get(base).content.decode()
    assert client.post(f"{base}{row.public_id}/remove/").status_code == 404
    client.force_login(house.sender)
    assert client.get(base).status_code == 403
    client.force_login(other.manager)
    assert client.get(base).status_code == 404
    clinical = make_archive(house.organisation)
    grant_role(actor=None, container=clinical, role="manager", user=house.manager)
    client.force_login(house.manager)
    assert client.get(f"/o/{house.organisation.slug}/archive/{clinical.slug}/sources/").status_code == 404


def test_the_page_releases_a_held_file_only_with_a_reason_by_who_looked(client: Client) -> None:
    house = make_house()
    deliver(house.archive, [make_file(**{**CLEAN, "StudyDescription": "Knee Osgood"})], actor=house.sender)
    (file,) = held(house.archive)
    release = f"/o/{house.organisation.slug}/archive/{house.archive.slug}/quarantine/release/"
    form = {"selected": file.public_id}
    client.force_login(house.sender)
    assert client.post(release, form | {"reason": "Mine", "looked": "1"}).status_code == 403
    client.force_login(house.manager)
    asked = client.post(release, form)
    assert asked.status_code == 200
    assert "StudyDescription" in asked.content.decode()
    assert client.post(release, form | {"reason": "", "looked": "1"}).status_code == 422
    assert client.post(release, form | {"reason": "A disease"}).status_code == 422
    assert stored(house.archive) == []
    assert client.post(release, form | {"reason": "A disease", "looked": "1"}).status_code == 302
    assert len(stored(house.archive)) == 1


def test_the_page_of_a_study_says_how_it_came_in(client: Client) -> None:
    house = make_house()
    deliver(house.archive, [make_file(**CLEAN)], actor=house.sender)
    with tenant(house.organisation):
        study = Instance.objects.select_related("study").get(archive=house.archive).study
    client.force_login(house.manager)
    page = f"/o/{house.organisation.slug}/archive/{house.archive.slug}/studies/{study.public_id}/"
    assert "Screened on arrival" in client.get(page).content.decode()
    with tenant(house.organisation):
        Delivery.objects.filter(archive=house.archive).update(admission="")
    assert "Not shown to be de-identified" in client.get(page).content.decode()
