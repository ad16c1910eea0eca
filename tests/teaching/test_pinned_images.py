"""A published version shows the images that were there when it was published, and goes on showing just those."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from access.grant_policy import change_policy
from access.sharing import services as sharing
from archive.models import Instance, Series, Study
from core import notifications
from core.tenancy import tenant
from practice import services as practice
from teaching import pinned, services
from teaching.errors import WrongState
from teaching.models import Case, CaseVersion, VersionSeries, VersionStudy
from tests.archive.factories import deliver, make_series
from tests.dicomweb.factories import Door, settle
from tests.teaching.factories import House, make_case, make_house, make_study, publish

pytestmark = pytest.mark.django_db


def arrive(house: House, study: Study, *, count: int = 1, into: Series | None = None, **elements: Any) -> None:
    """More images of a study: in a series of their own, or in one that is there."""
    with tenant(house.organisation):
        series = {"SeriesInstanceUID": into.series_instance_uid} if into is not None else {"SeriesNumber": 0}
        same = {"StudyInstanceUID": study.study_instance_uid, "PatientID": study.patient.patient_id, **series}
    _delivery, outcomes = deliver(house.archive, make_series(count=count, **same, **elements))
    assert {outcome.status for outcome in outcomes} <= {"stored", "replaced"}
    settle(house.archive)


@pytest.fixture
def late() -> tuple[House, Study, CaseVersion]:
    """A published case of three images; then a series and two images more of the old series come. Another house beside."""
    publish(make_house())
    house = make_house()
    study = make_study(house.archive)
    version = publish(house, make_case(house, study=study))
    with tenant(house.organisation):
        first = Series.objects.get(study=study)
    arrive(house, study, count=2)
    arrive(house, study, count=2, into=first)
    return house, study, version


def test_what_arrives_after_publishing_does_not_enter_the_case(late: tuple[House, Study, CaseVersion]) -> None:
    house, study, version = late
    door = Door(house.archive, user=house.learner)
    assert len(door.json("/instances")) == 3
    assert [row["00201208"]["Value"] for row in door.json("/studies")] == [[3]]
    assert [row["00201209"]["Value"] for row in door.json("/series")] == [[3]]
    root = f"/studies/{study.study_instance_uid}"
    assert len(door.json(f"{root}/metadata")) == 3
    with tenant(house.organisation):
        shown = set(pinned.images_shown(version).values_list("sop_instance_uid", flat=True))
        attempt = practice.start_attempt(user=house.learner, version=version)
        images = list(Instance.objects.filter(study=study).select_related("series"))
    for image in images:
        place = f"{root}/series/{image.series.series_instance_uid}/instances/{image.sop_instance_uid}"
        expected = 200 if image.sop_instance_uid in shown else 404
        for rest in ("/frames/1", "/rendered", "/metadata", "/thumbnail"):
            assert door.get(place + rest).status_code == expected, (rest, expected)
    # Asked again, now that the door remembers what is seen of the series.
    assert sorted(door.get(f"{root}/instances").json(), key=str) == sorted(
        door.get(f"{root}/instances").json(), key=str
    )
    client = Client()
    client.force_login(house.learner)
    place = reverse("practice:attempt", kwargs={"organisation": house.organisation.slug, "attempt": attempt.public_id})
    (entry,) = client.get(place + "?format=json").json()["studies"]
    assert [(one["instances"], one["frames"]) for one in entry["series"]] == [(3, 3)]


def test_an_image_that_is_replaced_leaves_the_case(late: tuple[House, Study, CaseVersion]) -> None:
    house, study, version = late
    with tenant(house.organisation):
        image = pinned.images_shown(version).select_related("series").earliest("instance_number")
        type(house.archive).objects.filter(pk=house.archive.pk).update(overwrite="always")
        house.archive.refresh_from_db()
    arrive(house, study, into=image.series, SOPInstanceUID=image.sop_instance_uid, SliceLocation=1)
    with tenant(house.organisation):
        assert image.pk not in pinned.images_shown(version).values_list("pk", flat=True)
        assert pinned.new_images(version.case).filter(pk=image.pk).exists()
    assert len(Door(house.archive, user=house.learner).json("/instances")) == 2


def test_a_guest_of_a_shared_case_sees_the_pinned_images(late: tuple[House, Study, CaseVersion]) -> None:
    house, study, version = late
    slug = house.organisation.slug
    with tenant(house.organisation):
        change_policy(actor=None, organisation=house.organisation, changes={"sharing": "links"})
        share, _code = sharing.create_share(
            actor=house.educator, kind="case", thing=version.case.public_id, audience="link",
            recipient_name="Guest", purpose="Teaching",
        )  # fmt: skip
        from access.sharing import registry

        found = registry.find("case")
        assert found is not None
        reached = Instance.objects.filter(found.reach(share, Instance, "archive.view_archive"))
        assert set(reached) == set(pinned.images_shown(version))
        series = Series.objects.filter(found.reach(share, Series, "archive.view_archive"))
        hidden = Series.objects.filter(study=study).exclude(pk__in=series.values("pk")).get()
        assert series.count() == 1
        address = {"organisation": slug, "archive": house.archive.slug, "study": study.study_instance_uid}
        assert found.covers(share, address)
        assert found.covers(share, {**address, "series": series.get().series_instance_uid})
        assert not found.covers(share, {**address, "series": hidden.series_instance_uid})


def test_the_editor_says_how_many_images_came_and_adds_them_in_a_new_version(
    late: tuple[House, Study, CaseVersion],
) -> None:
    house, study, version = late
    client = Client()
    client.force_login(house.educator)
    kwargs = {"organisation": house.organisation.slug, "case": version.case.public_id}
    page = client.get(reverse("teaching:case-publishing", kwargs=kwargs)).content.decode()
    assert "4 new images arrived" in page
    with tenant(house.organisation):
        case = Case.objects.get(pk=version.case_id)
        # An edit of the text publishes the same images again.
        services.save_case(actor=house.educator, case=case, changes={"abstract": "Better words."})
        second = services.publish_case(actor=house.educator, case=case)
        assert set(pinned.images_shown(second)) == set(pinned.images_shown(version))
    added = client.post(
        reverse("teaching:case-act", kwargs={**kwargs, "action": "add-images"}), headers={"HX-Request": "true"}
    )
    assert "4 added images come with the next version" in added.content.decode()
    # What comes after the editor looked is not among them.
    arrive(house, study, count=1, SeriesInstanceUID="1.2.3.77")
    with tenant(house.organisation):
        case.refresh_from_db()
        third = services.publish_case(actor=house.educator, case=case)
        assert (pinned.images_shown(third).count(), pinned.new_images(case).count()) == (7, 1)
        assert pinned.images_shown(version).count() == 3
        assert case.added_images == []
    assert len(Door(house.archive, user=house.learner).json("/instances")) == 7


def test_there_is_nothing_to_add_to_a_case_that_nothing_came_to() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation), pytest.raises(WrongState):
        services.add_new_images(actor=house.educator, case=version.case)


def test_a_report_that_calls_itself_an_image_is_not_shown() -> None:
    house = make_house()
    study = make_study(house.archive)
    arrive(house, study, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="MR")
    with tenant(house.organisation):
        case = make_case(house, study=study)
        assert pinned.images_to_publish(case).count() == 3


def test_the_database_refuses_to_change_what_a_version_shows() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        row = VersionSeries.objects.get(version=version)
        for change in (lambda: VersionSeries.objects.filter(pk=row.pk).update(images=[]), row.delete):
            with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
                change()


def test_versions_published_before_keep_what_they_show() -> None:
    house = make_house()
    study = make_study(house.archive)
    version = publish(house, make_case(house, study=study))
    migration = importlib.import_module("teaching.migrations.0005_pin_published_images")
    with tenant(house.organisation):
        old = CaseVersion.objects.create(
            organisation_id=version.organisation_id, case=version.case, number=7, content=version.content,
            digest=version.digest, published_by=house.educator, published_at=version.published_at,
        )  # fmt: skip
        VersionStudy.objects.create(organisation_id=version.organisation_id, version=old, study=study)
    with connection.schema_editor() as editor:
        migration.pin(None, editor)
    with tenant(house.organisation):
        assert set(pinned.images_shown(old)) == set(pinned.images_shown(version))
        assert VersionSeries.objects.filter(version=version).count() == 1


def test_new_images_are_told_everywhere_and_nothing_calls_the_case_whole(
    late: tuple[House, Study, CaseVersion],
) -> None:
    house, _study, version = late
    publish(other := make_house())
    slug = house.organisation.slug
    client = Client()
    client.force_login(house.educator)
    case = version.case

    def pages() -> dict[str, str]:
        places = {
            "editor": reverse("teaching:case-edit", kwargs={"organisation": slug, "case": case.public_id}),
            "list": reverse("teaching:home", kwargs={"organisation": slug}),
            "home": reverse("core:home", kwargs={"organisation": slug}),
        }
        return {name: client.get(place).content.decode() for name, place in places.items()}

    found = pages()
    assert "Learners see exactly this" not in found["editor"]
    assert "Learners see version 1, without the new images." in found["editor"]
    assert "4 new images arrived" in found["editor"] and "next version" in found["editor"]
    assert "new revision" not in found["editor"]
    assert "new images</" in found["list"].replace("\n", "")
    assert "new images arrived" in found["home"]
    with tenant(house.organisation):
        lines = [notifications.sentence(line) for line in notifications.of(user=house.educator)]
        assert lines == [f"New images arrived for the published case “{case.title}”. Learners do not see them."]
        assert not notifications.of(user=house.learner).filter(kind="teaching.new_images").exists()
    with tenant(other.organisation):
        assert not notifications.of(user=other.educator).filter(kind="teaching.new_images").exists()
    with tenant(house.organisation):
        services.add_new_images(actor=house.educator, case=case)
        assert not notifications.of(user=house.educator).exists(), "it was seen to"
        services.publish_case(actor=house.educator, case=case)
    found = pages()
    assert "Learners see exactly this" in found["editor"]
    assert "new images" not in found["list"] and "new images arrived" not in found["home"]
