"""The archive's pages: what each shows, to whom, with how many queries."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pydicom import dcmread

from access import services as access
from access.models import User
from archive import services, tasks
from archive.models import Archive, Instance, QuarantinedFile, Study
from audit.models import Event
from core.models import Job
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_file, make_series
from tests.archive.test_settle import settle_now

pytestmark = pytest.mark.django_db


@dataclass
class House:
    """An archive with a study and a refused file, its people, and a second tenant with the same UIDs."""

    archive: Archive
    study: Study
    manager: User
    contributor: User
    reader: User
    member: User
    stranger: User
    other: Archive

    def url(self, name: str, **kwargs: Any) -> str:
        return reverse(
            f"archive:{name}",
            kwargs={"organisation": self.archive.organisation.slug, "archive": self.archive.slug, **kwargs},
        )


@pytest.fixture
def house() -> House:
    ours, theirs = make_organisation(), make_organisation()
    people = {}
    manager = make_member(ours, roles=("administrator",))
    archive = make_archive(ours, actor=manager)
    for role in ("contributor", "reader"):
        people[role] = make_member(ours)
        access.grant_role(actor=None, container=archive, role=role, user=people[role])
    stranger = make_member(theirs, roles=("administrator",))
    other = make_archive(theirs, actor=stranger)
    files = make_series(count=3, PatientName="Müller^Jörg=李^小龍", StudyDescription="Knee left")
    deliver(archive, [*files, b"not an image"])
    deliver(other, files)
    with tenant(ours):
        study = Study.objects.get()
    return House(
        archive=archive,
        study=study,
        manager=manager,
        member=make_member(ours),
        stranger=stranger,
        other=other,
        **people,
    )


@pytest.fixture
def client() -> Client:
    return Client()


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pages(house: House) -> dict[str, str]:
    with tenant(house.archive.organisation):
        instance = Instance.objects.first()
        file = QuarantinedFile.objects.get()
        series = house.study.series.get()
        delivery = file.delivery_id
    study = house.study.public_id
    return {
        "study-list": house.url("study-list"),
        "study": house.url("study", study=study),
        "series": house.url("series", study=study, series=series.public_id),
        "instance": house.url("instance", study=study, instance=instance.pk),
        "instance-file": house.url("instance-file", study=study, instance=instance.pk),
        "upload": house.url("upload"),
        "delivery-list": house.url("delivery-list"),
        "delivery": house.url("delivery", delivery=delivery),
        "quarantine": house.url("quarantine"),
        "quarantine-file": house.url("quarantine-file", file=file.public_id),
        "settings": house.url("settings"),
    }


READ, SEND, MANAGE = {"manager", "contributor", "reader"}, {"manager", "contributor"}, {"manager"}
MAY_OPEN = {
    "study-list": READ,
    "study": READ,
    "series": READ,
    "instance": READ,
    "instance-file": SEND,
    "upload": SEND,
    "delivery-list": SEND,
    "delivery": SEND,
    "quarantine": SEND,
    "quarantine-file": SEND,
    "settings": MANAGE,
}


def test_each_page_opens_for_its_roles_only_and_strangers_find_nothing(house: House) -> None:
    for name, url in pages(house).items():
        for role in ("manager", "contributor", "reader", "member"):
            expected = 200 if role in MAY_OPEN[name] else 403
            response = as_(getattr(house, role)).get(url)
            assert response.status_code == expected, (name, role)
            if response.streaming:
                assert b"".join(response.streaming_content)
        assert as_(house.stranger).get(url).status_code == 404, name
        assert Client().get(url).status_code == 302, name


def test_another_tenants_study_is_not_found_under_our_address(house: House) -> None:
    with tenant(house.other.organisation):
        theirs = Study.objects.get()
    assert as_(house.manager).get(house.url("study", study=theirs.public_id)).status_code == 404


@pytest.mark.parametrize("words", ["muller", "JÖRG", "小龍", "knee left", "KNEE jorg"])
def test_a_study_is_found_by_any_part_of_what_is_known_of_it(house: House, words: str) -> None:
    response = as_(house.reader).get(house.url("study-list"), {"q": words})
    assert house.study.public_id in response.content.decode()


def test_search_by_every_kind_of_number(house: House) -> None:
    client = as_(house.reader)
    with tenant(house.archive.organisation):
        instance = Instance.objects.select_related("series").first()
        numbers = [
            house.study.study_instance_uid,
            house.study.study_instance_uid[:30],
            house.study.accession_number,
            house.study.patient.patient_id.lower(),
            instance.series.series_instance_uid,
            instance.sop_instance_uid,
        ]
    for number in numbers:
        assert house.study.public_id in client.get(house.url("study-list"), {"q": number}).content.decode(), number
    for nothing in ("zzzz", "%", "_", "1.2.3.4.5", "'; drop table"):
        assert house.study.public_id not in client.get(house.url("study-list"), {"q": nothing}).content.decode()


def test_facets_narrow_and_count_after_the_access_filter(house: House) -> None:
    deliver(
        house.archive,
        make_series(count=1, Modality="CT", BodyPartExamined="HEAD", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
    )
    client = as_(house.reader)
    page = client.get(house.url("study-list")).content.decode()
    assert "2 studies" in page
    assert "1 study" in client.get(house.url("study-list"), {"modality": "CT"}).content.decode()
    assert "1 study" in client.get(house.url("study-list"), {"body": "KNEE"}).content.decode()
    assert "2 studies" in client.get(house.url("study-list"), {"modality": ["CT", "MR"]}).content.decode()
    assert "Nothing matches" in client.get(house.url("study-list"), {"date_from": "2030-01-01"}).content.decode()


def test_the_study_list_asks_the_database_equally_often_however_long_it_is(house: House) -> None:
    client = as_(house.reader)
    client.get(house.url("study-list"))

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(house.url("study-list")).status_code == 200
        return len(queries)

    before = count()
    for _study in range(12):
        deliver(house.archive, make_series(count=1))
    assert count() == before
    assert before < 40


def test_csv_has_every_row_and_is_recorded(house: House) -> None:
    response = as_(house.reader).get(house.url("study-list"), {"format": "csv"})
    assert "Müller, Jörg (李 小龍)" in response.content.decode()
    with tenant(house.archive.organisation):
        assert Event.objects.filter(action="study.list_exported").count() == 1


def test_the_change_poll_tells_when_a_study_came(house: House) -> None:
    client = as_(house.reader)
    url = house.url("study-changes")
    mark = client.get(url).content.decode().split("since=")[1].split('"')[0]
    assert "data-list-changed" not in client.get(url, {"since": mark}).content.decode()
    deliver(house.archive, make_series(count=1))
    assert "data-list-changed" in client.get(url, {"since": mark}).content.decode()


def test_attributes_are_listed_and_searched(house: House) -> None:
    client = as_(house.reader)
    url = pages(house)["instance"]
    page = client.get(url).content.decode()
    assert "(0010,0010)" in page and "Müller^Jörg" in page
    found = client.get(url, {"q": "photometric"}, HTTP_HX_REQUEST="true").content.decode()
    assert "MONOCHROME2" in found and "(0010,0010)" not in found


def test_a_downloaded_file_is_the_stored_one_and_recorded(house: House) -> None:
    response = as_(house.contributor).get(pages(house)["instance-file"])
    content = b"".join(response.streaming_content)
    assert dcmread(io.BytesIO(content)).StudyInstanceUID == house.study.study_instance_uid
    with tenant(house.archive.organisation):
        assert Event.objects.filter(action="instance.downloaded", actor=house.contributor).exists()


def test_a_thumbnail_is_served_to_readers_and_cached(house: House) -> None:
    settle_now(house.archive)
    with tenant(house.archive.organisation):
        series = house.study.series.get()
    url = reverse(
        "archive:thumbnail", kwargs={"organisation": house.archive.organisation.slug, "series": series.public_id}
    )
    response = as_(house.reader).get(f"{url}?v=1")
    assert response["Content-Type"] == "image/webp" and "immutable" in response["Cache-Control"]
    assert as_(house.reader).get(url, headers={"If-None-Match": response["ETag"]}).status_code == 304
    assert as_(house.member).get(url).status_code == 403
    assert as_(house.stranger).get(url).status_code == 404


@pytest.fixture
def run_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run at once instead of in a worker."""
    from core.tasks import Task

    monkeypatch.setattr(Task, "enqueue", lambda self, *, delay_seconds=None, **arguments: self.function(**arguments))


def test_an_export_is_a_zip_with_a_directory_for_its_owner_only(house: House, run_tasks: None) -> None:
    client = as_(house.contributor)
    client.post(house.url("studies-export"), {"selected": house.study.public_id})
    with tenant(house.archive.organisation):
        job = Job.objects.get(kind="archive.export")
        assert job.state == Job.State.SUCCEEDED, job.error
    response = client.get(job.result_url)
    packed = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    names = packed.namelist()
    assert "DICOMDIR" in names and len(names) == 4
    directory = dcmread(io.BytesIO(packed.read("DICOMDIR")))
    listed = [
        "/".join(record.ReferencedFileID)
        for record in directory.DirectoryRecordSequence
        if "ReferencedFileID" in record
    ]
    assert sorted(listed) == sorted(name for name in names if name != "DICOMDIR")
    for name in listed:
        assert dcmread(io.BytesIO(packed.read(name))).PixelData
    assert as_(house.manager).get(job.result_url).status_code == 404
    assert as_(house.reader).post(house.url("studies-export"), {"selected": house.study.public_id}).status_code == 403


def test_deleting_asks_for_the_number_and_then_leaves_nothing(house: House, run_tasks: None) -> None:
    client = as_(house.manager)
    with tenant(house.archive.organisation):
        keys = list(Instance.objects.values_list("storage_key", flat=True))
    question = client.post(house.url("studies-delete"), {"selected": house.study.public_id})
    assert "3" in question.content.decode()
    wrong = client.post(house.url("studies-delete"), {"selected": house.study.public_id, "confirm_name": "2"})
    assert wrong.status_code == 409
    client.post(house.url("studies-delete"), {"selected": house.study.public_id, "confirm_name": "3"})
    from archive.storage import storage

    with tenant(house.archive.organisation):
        assert Study.objects.count() == Instance.objects.count() == 0
        assert Event.objects.filter(action="study.deleted").count() == 1
    assert not any(storage().exists(key) for key in keys)
    with tenant(house.other.organisation):
        assert Instance.objects.count() == 3
    assert as_(house.contributor).post(house.url("studies-delete"), {"selected": "x"}).status_code == 403


def test_foreign_keys_in_a_bulk_act_are_not_found(house: House) -> None:
    with tenant(house.other.organisation):
        theirs = Study.objects.get().public_id
    assert as_(house.manager).post(house.url("studies-export"), {"selected": theirs}).status_code == 404
    nothing = as_(house.manager).post(house.url("studies-export"), {})
    assert (nothing.status_code, nothing["Location"]) == (302, house.url("study-list"))
    with tenant(house.archive.organisation):
        assert not Job.objects.filter(kind="archive.export").exists()


def test_a_quarantined_file_is_stored_once_its_reason_is_gone(house: House) -> None:
    file = make_file()
    original = dcmread(io.BytesIO(file))
    changed = dcmread(io.BytesIO(file))
    changed.PixelData = bytes(512)
    buffer = io.BytesIO()
    changed.save_as(buffer, enforce_file_format=True)
    deliver(house.archive, [file])
    deliver(house.archive, [buffer.getvalue()])
    with tenant(house.archive.organisation):
        kept = QuarantinedFile.objects.get(code="other-content")
        study = Study.objects.get(study_instance_uid=original.StudyInstanceUID)
    client = as_(house.manager)
    client.post(house.url("quarantine-release"), {"selected": kept.public_id})
    with tenant(house.archive.organisation):
        kept.refresh_from_db()
        assert kept.state == QuarantinedFile.State.KEPT
        assert QuarantinedFile.objects.filter(code="other-content").count() == 1
    services.delete_study(actor=house.manager, study=study)
    client.post(house.url("quarantine-release"), {"selected": kept.public_id})
    with tenant(house.archive.organisation):
        kept.refresh_from_db()
        assert kept.state == QuarantinedFile.State.RELEASED
        assert Instance.objects.filter(sop_instance_uid=original.SOPInstanceUID).count() == 1
        told = Event.objects.filter(action="quarantine.released").order_by("pk")
        # Each try is written down before it is made, and once more when it does not succeed.
        assert list(told.values_list("outcome", flat=True)) == ["success", "failed", "success"]


def test_discarding_needs_the_number_and_the_right(house: House) -> None:
    with tenant(house.archive.organisation):
        file = QuarantinedFile.objects.get()
    url = house.url("quarantine-discard")
    assert as_(house.contributor).post(url, {"selected": file.public_id, "confirm_name": "1"}).status_code == 403
    client = as_(house.manager)
    assert client.post(url, {"selected": file.public_id}).status_code == 200
    assert client.post(url, {"selected": file.public_id, "confirm_name": "1"}).status_code == 302
    with tenant(house.archive.organisation):
        file.refresh_from_db()
    assert file.state == QuarantinedFile.State.DISCARDED


def test_an_administrator_makes_an_archive_and_changes_it(house: House) -> None:
    client = as_(house.manager)
    slug = house.archive.organisation.slug
    form = {
        "name": "Trial", "slug": "trial-lung", "purpose": "trial", "ae_title": "TRIAL_LUNG", "overwrite": "never",
        "settle_seconds": "5", "is_open_to_dimse": "on", "calling_ae_titles": "CT1\nCT2\nMR1",
    }  # fmt: skip
    url = reverse("archive:archive-create", kwargs={"organisation": slug})
    assert client.post(url, form).status_code == 302
    assert client.post(url, form).status_code == 422
    assert as_(house.contributor).get(url).status_code == 403
    with tenant(house.archive.organisation):
        archive = Archive.objects.get(slug="trial-lung")
    assert archive.calling_ae_titles == ["CT1", "CT2", "MR1"]
    settings_url = reverse("archive:settings", kwargs={"organisation": slug, "archive": "trial-lung"})
    assert client.post(settings_url, form | {"name": "Lung trial", "calling_ae_titles": ""}).status_code == 302
    with tenant(house.archive.organisation):
        archive.refresh_from_db()
        assert (archive.name, archive.calling_ae_titles) == ("Lung trial", [])
        assert Event.objects.filter(action="archive.changed").count() == 1
    taken = form | {"slug": "x", "ae_title": house.other.ae_title}
    assert "ae_title" in client.post(url, taken).content.decode()


def test_search_everything_finds_studies_of_readable_archives_only(house: House) -> None:
    url = reverse("core:palette", kwargs={"organisation": house.archive.organisation.slug})
    assert "Müller" in as_(house.reader).get(url, {"q": "muller"}).content.decode()
    assert "Müller" not in as_(house.member).get(url, {"q": "muller"}).content.decode()


def test_tasks_called_twice_change_nothing(house: House) -> None:
    settle_now(house.archive)
    for _twice in range(2):
        tasks.settle_due_studies()
        tasks.sweep_spool()
        tasks.settle_study(organisation_id=house.archive.organisation_id, study_id=house.study.pk)
    with tenant(house.archive.organisation):
        assert Study.objects.get().instance_count == 3
