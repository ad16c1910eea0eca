"""The study list of who sees a part of an archive counts, shows and searches that part."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from access import hooks
from access.models import User
from archive import lists
from archive.models import Archive, Instance, Series, Study
from core.tenancy import tenant
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_archive, make_series
from tests.dicomweb.factories import make_reader, settle

pytestmark = pytest.mark.django_db

PATIENT = {"PatientID": "P-1", "PatientName": "One^Patient"}


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> tuple[Archive, User, User]:
    """An archive with two studies of a patient, of which one person sees one, without its series of CT, and its reader sees
    all; the same in another organisation."""
    archives = [make_archive(), make_archive()]
    for archive in archives:
        for study in ("1.2.1", "1.2.2"):
            deliver(archive, make_series(count=1, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", **PATIENT))
        hidden = make_series(
            count=3,
            StudyInstanceUID="1.2.1",
            SeriesInstanceUID="1.2.1.2",
            Modality="CT",
            BodyPartExamined="HEAD",
            **PATIENT,
        )
        deliver(archive, hidden)
        settle(archive)
    archive = archives[0]
    person = make_member(archive.organisation)
    monkeypatch.setattr(hooks, "_visibility", {})
    reasons: dict[Any, Q] = {
        Archive: Q(pk=archive.pk),
        Study: Q(archive=archive.pk, study_instance_uid="1.2.1"),
        Series: Q(archive=archive.pk, study__study_instance_uid="1.2.1", modality="MR"),
        Instance: Q(archive=archive.pk, study__study_instance_uid="1.2.1", series__modality="MR"),
    }
    for model, reason in reasons.items():
        hooks.register_visibility(
            model, lambda *, user, permission, reason=reason: reason if user.pk == person.pk else None
        )
    return archive, person, make_reader(archive)


def rows_of(archive: Archive, person: User, query: str = "") -> list[Any]:
    client = Client()
    client.force_login(person)
    kwargs = {"organisation": archive.organisation.slug, "archive": archive.slug}
    answer = client.get(reverse("archive:study-list", kwargs=kwargs) + query)
    assert answer.status_code == 200
    return [row.object for row in answer.context["table"].rows]


def test_a_row_counts_and_shows_what_is_seen(part: tuple[Archive, User, User]) -> None:
    archive, person, reader = part
    (row,) = rows_of(archive, person)
    assert (row.prior_count, row.modalities, row.series_count, row.instance_count) == (0, ["MR"], 1, 1)
    with tenant(archive.organisation):
        seen = Series.objects.get(archive=archive, series_instance_uid="1.2.1.1")
        largest = Series.objects.get(archive=archive, series_instance_uid="1.2.1.2")
        assert row.thumbnail_url == lists.thumbnail_url(seen)
    whole = {one.study_instance_uid: one for one in rows_of(archive, reader)}
    assert (whole["1.2.1"].prior_count, whole["1.2.1"].modalities, whole["1.2.1"].instance_count) == (
        1,
        ["CT", "MR"],
        4,
    )
    with tenant(archive.organisation):
        assert whole["1.2.1"].thumbnail_url == lists.thumbnail_url(largest)


def test_filters_and_words_find_what_is_seen(part: tuple[Archive, User, User]) -> None:
    archive, person, reader = part
    for query, mine, theirs in (
        ("?modality=CT", 0, 1), ("?modality=MR", 1, 2), ("?body=HEAD", 0, 1), ("?q=1.2.1.2", 0, 1), ("?q=1.2.1.1", 1, 1),
    ):  # fmt: skip
        assert len(rows_of(archive, person, query)) == mine, query
        assert len(rows_of(archive, reader, query)) == theirs, query


def test_a_picture_made_from_all_images_of_a_series_is_for_who_sees_all(part: tuple[Archive, User, User]) -> None:
    archive, person, reader = part
    with tenant(archive.organisation):
        keys = dict(Series.objects.filter(archive=archive).values_list("series_instance_uid", "public_id"))
    for user, shown in ((person, {"1.2.1.1"}), (reader, set(keys))):
        client = Client()
        client.force_login(user)
        for uid, key in keys.items():
            place = reverse("archive:thumbnail", kwargs={"organisation": archive.organisation.slug, "series": key})
            assert (client.get(place).status_code == 200) is (uid in shown), (uid, user)
