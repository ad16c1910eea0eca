"""The pages of trials: what each shows to whom, what it does with input, with how many queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.models import User
from access.services import grant_role, revoke_role
from archive.models import QuarantinedFile
from audit.models import Event
from core import notifications
from core.models import Notification
from core.tenancy import tenant
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_archive, make_file
from tests.trials.factories import House, make_images
from trials import notices, services
from trials.models import Site, Subject, SubjectStudy

pytestmark = pytest.mark.django_db


def url(house: House, name: str, **more: Any) -> str:
    values: dict[str, Any] = {"organisation": house.organisation.slug}
    if name not in ("home", "trial-new"):
        values["trial"] = house.trial.slug
    return reverse(f"trials:{name}", kwargs={**values, **more})


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def words(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def test_each_person_finds_their_part_of_the_trial(house: House, stranger: House) -> None:
    for person, sees, not_sees in (
        (house.coordinator, ["Hospital 01", "Hospital 02", "New site", "Settings"], ["You read blinded"]),
        (house.monitor, ["Hospital 01", "Hospital 02"], ["New site", "Settings"]),
        (house.staff, ["Hospital 01"], ["Hospital 02", "New site", "Settings", "Without a subject"]),
        (house.reader, ["You read blinded"], ["Hospital 01", "Hospital 02", "Subjects"]),
    ):
        page = words(signed_in(person), url(house, "trial"))
        assert [word for word in sees if word not in page] == [], person
        assert [word for word in not_sees if word in page] == [], person
    assert signed_in(house.member).get(url(house, "trial")).status_code == 403
    assert signed_in(house.member).get(url(house, "home")).status_code == 403
    assert signed_in(stranger.coordinator).get(url(house, "trial")).status_code == 404
    assert signed_in(house.reader).get(url(house, "subjects")).status_code == 403


def test_lists_count_and_show_only_what_the_person_sees(house: House) -> None:
    for person, subjects, sites in ((house.coordinator, 2, 2), (house.monitor, 2, 2), (house.staff, 1, 1)):
        client = signed_in(person)
        rows = client.get(url(house, "subjects")).context["table"].rows
        assert len(rows) == subjects
        trial = client.get(url(house, "home")).context["table"].rows[0].object
        assert (trial.site_count, trial.subject_count) == (sites, subjects)
    trial = signed_in(house.reader).get(url(house, "home")).context["table"].rows[0].object
    assert (trial.site_count, trial.subject_count) == (None, None)


def test_staff_never_learn_what_blinded_readers_call_a_subject(house: House) -> None:
    for person, knows in ((house.coordinator, True), (house.monitor, True), (house.staff, False)):
        client = signed_in(person)
        pages = [
            words(client, url(house, "subject", subject=house.subject.public_id)),
            words(client, url(house, "subjects") + "?format=csv&cols=subject&cols=reading"),
            words(client, url(house, "subjects") + "?cols=subject&cols=reading&sort=reading"),
        ]
        assert [house.subject.reading_id in page for page in pages] == [knows] * 3, person


def test_setting_up_a_trial_from_an_empty_organisation(house: House) -> None:
    client = signed_in(house.administrator)
    page = words(client, url(house, "trial-new"))
    assert "A trial archive comes first" in page
    archive = make_archive(house.organisation, purpose="trial", actor=house.administrator)
    assert "A trial archive comes first" not in words(client, url(house, "trial-new"))
    good = {"protocol_id": "NEW-1", "name": "Another trial", "slug": "another", "archive": archive.slug}
    for field, value in (("protocol_id", house.trial.protocol_id), ("slug", "new"), ("archive", house.archive.slug)):
        answer = client.post(url(house, "trial-new"), {**good, field: value})
        assert answer.status_code == 422
        assert list(answer.context["form"].errors) == [field]
    answer = client.post(url(house, "trial-new"), good)
    assert (answer.status_code, answer["Location"]) == (302, f"/o/{house.organisation.slug}/trials/another/")
    assert "No sites yet" in words(client, answer["Location"])
    assert signed_in(house.coordinator).post(url(house, "trial-new"), good).status_code == 403


def test_a_site_is_added_changed_closed_and_reopened(house: House) -> None:
    client = signed_in(house.coordinator)
    answer = client.post(url(house, "site-new"), {"number": "03", "name": "Third"})
    assert answer.status_code == 302
    with tenant(house.organisation):
        site = Site.objects.get(trial=house.trial, number="03")
    place = {"site": site.public_id}
    assert "nobody yet" in words(client, url(house, "site", **place))
    taken = client.post(url(house, "site-settings", **place), {"number": "01", "name": "Third"})
    assert (taken.status_code, list(taken.context["form"].errors)) == (422, ["number"])
    # The head of the page shows what is kept, not what was typed.
    assert "03 Third" in taken.content.decode()
    client.post(url(house, "site-settings", **place), {"number": "03", "name": "Third hospital", "contact": "Ann"})
    assert "Third hospital" in words(client, url(house, "site", **place))
    assert client.post(url(house, "site-turn", **place), {"change": "close", "reason": ""}).status_code == 400
    assert client.post(url(house, "site-turn", **place), {"change": "close", "reason": "Full"}).status_code == 302
    page = words(client, url(house, "site", **place))
    assert "The site is closed" in page
    assert "Full" in page
    assert "New subject" not in page
    client.post(url(house, "site-turn", **place), {"change": "reopen", "reason": "Not full"})
    assert "New subject" in words(client, url(house, "site", **place))


def test_a_closed_trial_offers_nothing_to_change(house: House) -> None:
    client = signed_in(house.coordinator)
    client.post(url(house, "turn"), {"change": "close", "reason": "Over"})
    for name in ("trial", "subjects", "settings", "waiting"):
        page = words(client, url(house, name))
        assert "The trial is closed" in page, name
        assert "New site" not in page
        assert "New subject" not in page
    subject = words(client, url(house, "subject", subject=house.subject.public_id))
    assert "Take off" not in subject
    assert "Withdraw" not in subject
    assert client.get(url(house, "subject-new")).status_code == 403


def test_staff_add_a_subject_at_their_site_and_cannot_choose_another(house: House) -> None:
    client = signed_in(house.staff)
    page = words(client, url(house, "subject-new"))
    assert "Hospital 01" in page
    assert "Hospital 02" not in page
    answer = client.post(url(house, "subject-new"), {"site": house.other_site.public_id, "subject_id": "S-02-002"})
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["site"])
    answer = client.post(
        url(house, "subject-new"),
        {"site": house.site.public_id, "subject_id": "S-01-002", "sex": "F", "birth_year": "1950"},
    )
    assert answer.status_code == 302
    page = words(client, answer["Location"])
    assert "S-01-002" in page
    assert "1950" in page
    for fields in ({"subject_id": "S-01-002"}, {"subject_id": "Doe^Jane"}, {"subject_id": "a\x00b"}, {}):
        again = client.post(url(house, "subject-new"), {"site": house.site.public_id, **fields})
        assert (again.status_code, list(again.context["form"].errors)) == (422, ["subject_id"])


def test_a_subject_of_another_site_trial_or_house_is_not_found_under_this_one(house: House, stranger: House) -> None:
    client = signed_in(house.staff)
    assert client.get(url(house, "subject", subject=house.other_subject.public_id)).status_code == 403
    assert client.get(url(house, "subject", subject=stranger.subject.public_id)).status_code == 404
    assert client.get(url(house, "site", site=house.other_site.public_id)).status_code == 403
    coordinator = signed_in(house.coordinator)
    for name in ("subject", "subject-edit"):
        assert coordinator.get(url(house, name, subject=stranger.subject.public_id)).status_code == 404
    assert coordinator.get(url(house, "match", study=stranger.study.public_id)).status_code == 404
    # A study that is there, under a subject that it does not belong to.
    wrong = {"subject": house.subject.public_id, "study": house.other_study.public_id}
    assert coordinator.post(url(house, "subject-study", **wrong), {"change": "unmatch"}).status_code == 404


def test_taking_a_study_off_can_be_undone(house: House) -> None:
    client = signed_in(house.coordinator)
    place = {"subject": house.subject.public_id, "study": house.study.public_id}
    key = place["study"]
    typed = {"change": "time-point", f"shown-{key}": "", f"time_point-{key}": "Baseline"}
    client.post(url(house, "subject-study", **place), typed)
    assert "Baseline" in words(client, url(house, "subject", subject=house.subject.public_id))
    answer = client.post(url(house, "subject-study", **place), {"change": "unmatch"})
    page = words(client, answer["Location"])
    assert "The study was taken off this subject" in page
    assert house.study.public_id not in answer["Location"]
    # As it stands in the form of the notice.
    undone = client.post(
        url(house, "match", study=house.study.public_id),
        {"subject": house.subject.public_id, "time_point": "Baseline"},
    )
    assert undone.status_code == 302
    assert "The study was taken off" not in words(client, answer["Location"])
    with tenant(house.organisation):
        row = SubjectStudy.objects.get(study=house.study)
        assert (row.subject, row.time_point, row.matched_by) == (house.subject, "Baseline", house.coordinator)


def test_matching_by_hand_offers_those_who_are_near_and_takes_no_other(house: House, stranger: House) -> None:
    study = make_images(house.archive, PatientID="S-02")
    client = signed_in(house.coordinator)
    page = words(client, url(house, "match", study=study.public_id))
    assert house.other_subject.public_id in page
    assert house.subject.public_id not in page
    for key in ("", "nobody", stranger.subject.public_id, "\x00"):
        answer = client.post(url(house, "match", study=study.public_id), {"subject": key})
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["subject"])
    answer = client.post(
        url(house, "match", study=study.public_id), {"subject": house.subject.public_id, "time_point": "a\\b"}
    )
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["time_point"])
    found = client.get(url(house, "subject-choices") + "?q=02").json()["results"]
    assert [one["label"] for one in found] == ["S-02-001"]
    assert len(client.get(url(house, "subject-choices") + "?q=%00").json()["results"]) == 2
    monitor = signed_in(house.monitor)
    assert "Type a Subject ID" not in words(monitor, url(house, "match", study=study.public_id))
    refused = monitor.post(url(house, "match", study=study.public_id), {"subject": house.subject.public_id})
    assert refused.status_code == 403


def test_the_viewer_shows_the_chosen_time_point_and_the_others_beside_it(house: House) -> None:
    later = make_images(house.archive, PatientID="S-01-001", StudyDate="20240401")
    for person in (house.coordinator, house.monitor, house.staff):
        for chosen, other in ((house.study, later), (later, house.study)):
            place = {"subject": house.subject.public_id, "study": chosen.public_id}
            manifest = signed_in(person).get(url(house, "images", **place) + "?format=json").json()
            uids = [study["uid"] for study in manifest["studies"]]
            assert uids == [chosen.study_instance_uid, other.study_instance_uid]
            assert manifest["annotations"]["save"] is None
    with tenant(house.organisation):
        opened = Event.objects.filter(action="viewer.opened")
        told = {event.actor: event.explained_by for event in opened}
        place = f"trial {house.trial}"
        assert (told[house.coordinator], told[house.monitor]) == (f"coordinator of {place}", f"monitor of {place}")


def test_a_study_without_a_subject_can_be_looked_at_before_it_is_matched(house: House) -> None:
    study = make_images(house.archive, PatientID="mistyped")
    for person, status in ((house.coordinator, 200), (house.monitor, 200), (house.staff, 403), (house.reader, 403)):
        client = signed_in(person)
        assert client.get(url(house, "waiting-images", study=study.public_id)).status_code == status
    matched = url(house, "waiting-images", study=house.study.public_id)
    assert signed_in(house.coordinator).get(matched).status_code == 404


def test_the_exported_list_is_told_to_the_trail(house: House) -> None:
    client = signed_in(house.staff)
    lines = words(client, url(house, "subjects") + "?format=csv").strip().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["S-01-001"]
    with tenant(house.organisation):
        event = Event.objects.get(action="subject.list_exported")
        assert event.detail["count"] == 1


HOSTILE = ("\x00", "<script>alert(1)</script>", "' OR 1=1 --", "𝒳" * 300, "9" * 40)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_words_in_addresses_and_forms_are_answered(house: House, value: str) -> None:
    client = signed_in(house.coordinator)
    for name in ("home", "trial", "subjects", "waiting"):
        for key in ("q", "sort", "page", "per", "cols", "state", "site", "closed", "format"):
            answer = client.get(url(house, name), {key: value})
            assert answer.status_code in (200, 302), (name, key)
            assert b"<script>alert" not in answer.content
    place = {"subject": house.subject.public_id}
    for data in (
        {"action": value}, {"action": "withdraw", "reason": value}, {"action": "enrol", "day": value},
    ):  # fmt: skip
        answer = client.post(url(house, "subject-move", **place), data)
        assert answer.status_code in (302, 400, 409, 422), data
    page = words(client, url(house, "subject", **place))
    assert "<script>alert" not in page
    for name, data in (
        ("settings", {"protocol_id": value, "name": value, "sponsor": value, "description": value}),
        ("site-new", {"number": value, "name": value, "investigator": value, "contact": value}),
        ("subject-new", {"site": value, "subject_id": value, "sex": value, "birth_year": value, "enrolled_on": value}),
    ):
        assert client.post(url(house, name), data).status_code in (302, 422), name


def test_lists_take_as_many_queries_however_long_they_are(house: House) -> None:
    client = signed_in(house.coordinator)
    staff = signed_in(house.staff)
    pages = [
        (client, url(house, "home")),
        (client, url(house, "trial")),
        (client, url(house, "subjects")),
        (client, url(house, "waiting")),
        (client, url(house, "site", site=house.site.public_id)),
        (client, url(house, "subject", subject=house.subject.public_id)),
        (staff, url(house, "trial")),
        (staff, url(house, "subjects")),
    ]
    make_images(house.archive, PatientID="mistyped")

    def count() -> list[int]:
        found = []
        for person, address in pages:
            person.get(address)
            with CaptureQueriesContext(
                connection,
            ) as captured:
                assert person.get(address).status_code == 200
            found.append(len(captured))
        return found

    before = count()
    with tenant(house.organisation):
        for number in range(5):
            site = services.create_site(actor=house.coordinator, trial=house.trial, number=f"1{number}", name="More")
            grant_role(actor=None, container=site, role="staff", user=house.member)
            services.add_subject(actor=house.coordinator, site=house.site, subject_id=f"S-01-1{number}")
            make_images(house.archive, PatientID=f"mistyped-{number}")
            make_images(house.archive, PatientID="S-01-001")
    assert count() == before
    assert max(before) < 40, before


def test_coordinators_are_told_of_images_without_a_subject(house: House, stranger: House) -> None:
    home = reverse("core:home", kwargs={"organisation": house.organisation.slug})
    title = "Images without a subject"
    assert title not in words(signed_in(house.coordinator), home)
    make_images(house.archive, PatientID="mistyped")
    assert title in words(signed_in(house.coordinator), home)
    for person in (house.monitor, house.staff, house.reader):
        assert title not in words(signed_in(person), home)
    other_home = reverse("core:home", kwargs={"organisation": stranger.organisation.slug})
    assert title not in words(signed_in(stranger.coordinator), other_home)


def test_searching_everything_finds_trials_and_subjects_one_sees(house: House) -> None:
    address = reverse("core:palette", kwargs={"organisation": house.organisation.slug})
    for person, found in ((house.coordinator, True), (house.staff, False), (house.reader, False)):
        answer = words(signed_in(person), f"{address}?q=S-02-001")
        assert (house.other_subject.public_id in answer) is found, person
        assert house.trial.slug in words(signed_in(person), f"{address}?q={house.trial.protocol_id}")
    assert house.trial.slug not in words(signed_in(house.member), f"{address}?q={house.trial.protocol_id}")


def test_the_page_of_a_container_says_who_is_confined(house: House) -> None:
    grant_role(actor=None, container=house.archive, role="reader", user=house.staff)
    grant_role(actor=None, container=house.archive, role="reader", user=house.member)
    address = reverse(
        "access:container",
        kwargs={
            "organisation": house.organisation.slug,
            "kind": house.archive.container_kind(),
            "container": house.archive.pk,
        },
    )
    rows = signed_in(house.administrator).get(address).context["table"].rows
    confined = {row.object.user: bool(row.object.confined_by) for row in rows}
    assert confined[house.staff]
    assert not confined[house.member]


def test_a_coordinator_who_administers_checks_what_the_staff_of_a_site_see(house: House) -> None:
    client = signed_in(house.administrator)  # who set up the trial, and so coordinates it
    start = {"organisation": house.organisation.slug, "person": house.staff.pk}
    client.post(reverse("access:view-as-start", kwargs=start))
    page = words(client, url(house, "trial"))
    assert "Hospital 01" in page
    assert "Hospital 02" not in page
    assert [row.object for row in client.get(url(house, "subjects")).context["table"].rows] == [house.subject]
    assert client.get(url(house, "subject", subject=house.other_subject.public_id)).status_code == 403
    refused = client.post(url(house, "subject-new"), {"site": house.site.public_id, "subject_id": "S-01-009"})
    assert refused.status_code == 403
    # Somebody without a role in the trial learns nothing by looking.
    other = make_member(house.organisation, roles=("administrator",))
    blind = signed_in(other)
    blind.post(reverse("access:view-as-start", kwargs=start))
    assert blind.get(url(house, "trial")).status_code == 403


def test_coordinators_see_what_was_held_who_sent_it_and_why_but_no_identity(house: House, stranger: House) -> None:
    assert "Nothing is held" in words(signed_in(house.coordinator), url(house, "held"))
    for place in (house, stranger):
        grant_role(actor=None, container=place.trial.archive, role="contributor", user=place.staff)
        values = {"PatientName": "Quixano^Alonso", "PatientIdentityRemoved": "YES"}
        deliver(place.trial.archive, [make_file(**values)], actor=place.staff)
    for person in (house.coordinator, house.monitor):
        page = words(signed_in(person), url(house, "held"))
        assert "1 file" in page and str(house.staff) in page and "01 Hospital 01" in page
        assert "Quixano" not in page and str(stranger.staff) not in page
        table = signed_in(person).get(url(house, "held"), {"format": "csv"})
        assert "Quixano" not in table.content.decode() and "01 Hospital 01" in table.content.decode()
    for person, status in ((house.staff, 403), (house.reader, 403), (house.member, 403), (stranger.coordinator, 404)):
        assert signed_in(person).get(url(house, "held")).status_code == status
    with tenant(house.organisation):
        notice = Notification.objects.get(person=house.coordinator, kind="archive.files_held")
        assert notice.url == url(house, "held")


def test_the_list_of_held_files_costs_the_same_for_many(house: House) -> None:
    client = signed_in(house.coordinator)
    grant_role(actor=None, container=house.trial.archive, role="contributor", user=house.staff)
    counts = []
    for _round in range(2):
        for number in range(3):
            deliver(house.trial.archive, [make_file(PatientName=f"Quixano^{number}")], actor=house.staff)
        client.get(url(house, "held"))
        with CaptureQueriesContext(connection) as caught:
            client.get(url(house, "held"))
        counts.append(len(caught))
    # By the minute a session is touched with a statement more; three rows more would cost three.
    assert counts[1] - counts[0] < 3


def test_a_coordinator_asks_the_managers_of_the_archive_about_held_files_once(house: House, stranger: House) -> None:
    manager, theirs = make_member(house.organisation), make_member(stranger.organisation)
    for place, person in ((house, manager), (stranger, theirs)):
        grant_role(actor=None, container=place.trial.archive, role="manager", user=person)
        grant_role(actor=None, container=place.trial.archive, role="contributor", user=place.staff)
    ask, button = url(house, "held-ask"), "Ask the archive"
    coordinator = signed_in(house.coordinator)
    assert button not in words(coordinator, url(house, "held")), "nothing waits"
    assert "No held file waits" in coordinator.post(ask, follow=True).content.decode()
    for place in (house, stranger):
        deliver(place.trial.archive, [make_file(PatientName="Quixano^Alonso")], actor=place.staff)
    assert button in words(coordinator, url(house, "held"))
    assert button not in words(signed_in(house.monitor), url(house, "held"))
    for person, status in ((house.monitor, 403), (house.staff, 403), (house.reader, 403), (stranger.coordinator, 404)):
        assert signed_in(person).post(ask).status_code == status
    with tenant(house.organisation):
        asked = notices.managers(house.trial)
    assert manager in asked and house.coordinator not in asked
    for _twice in range(2):
        assert " of the archive w" in coordinator.post(ask, follow=True).content.decode()
    with tenant(house.organisation):
        lines = Notification.objects.filter(kind="trials.held_asked")
        assert {line.person for line in lines} == set(asked) and len(lines) == len(asked)
        line = lines.get(person=manager)
        sentence = notifications.sentence(line)
        assert Event.objects.filter(action="trial.held_asked").latest("pk").detail["count"] == 1
    assert str(house.coordinator) in sentence and "Quixano" not in sentence
    assert signed_in(manager).get(line.url).status_code == 200
    with tenant(stranger.organisation):
        assert not Notification.objects.filter(kind="trials.held_asked").exists()
    assert "Asked" in words(coordinator, url(house, "held"))


def test_asking_about_held_files_says_when_there_is_nobody_to_ask(house: House) -> None:
    grant_role(actor=None, container=house.trial.archive, role="contributor", user=house.staff)
    deliver(house.trial.archive, [make_file(PatientName="Quixano^Alonso")], actor=house.staff)
    with tenant(house.organisation):
        for person in notices.managers(house.trial):
            revoke_role(actor=None, container=house.trial.archive, role="manager", user=person)
    answer = signed_in(house.coordinator).post(url(house, "held-ask"), follow=True).content.decode()
    assert "No active person manages this archive" in answer


def test_a_notification_about_one_held_file_says_one_file(house: House) -> None:
    grant_role(actor=None, container=house.trial.archive, role="contributor", user=house.staff)
    deliver(house.trial.archive, [make_file(PatientName="Quixano^Alonso")], actor=house.staff)
    with tenant(house.organisation):
        line = Notification.objects.get(person=house.coordinator, kind="archive.files_held")
        assert notifications.sentence(line).startswith("1 file for ")
        line.detail["count"] = 2
        assert notifications.sentence(line).startswith("2 files for ")


def test_a_held_file_shows_its_reason_to_who_sees_all_subjects_and_its_values_to_managers(
    house: House, stranger: House
) -> None:
    named = {"PatientName": "Schmidt^Anna", "PatientID": "Schmidt-7"}
    elsewhere = make_archive(house.organisation)
    for archive in (house.archive, stranger.archive, elsewhere):
        deliver(archive, [make_file(**named)[:-200]])
    keys = {}
    for archive in (house.archive, stranger.archive, elsewhere):
        with tenant(archive.organisation):
            keys[archive] = QuarantinedFile.objects.get(archive=archive).public_id
    address = url(house, "held-file", file=keys[house.archive])
    manager = make_member(house.organisation)
    grant_role(actor=None, container=house.archive, role="manager", user=manager)
    grant_role(actor=None, container=house.trial, role="coordinator", user=manager)
    for person, sees_values in ((house.coordinator, False), (house.monitor, False), (manager, True)):
        page = words(signed_in(person), address)
        assert "cut off on its way" in page
        assert ("Schmidt" in page) == sees_values, person
    for person in (house.staff, house.reader, house.member):
        assert signed_in(person).get(address).status_code == 403, person
    assert signed_in(stranger.coordinator).get(address).status_code == 404
    for archive in (stranger.archive, elsewhere):
        assert signed_in(house.coordinator).get(url(house, "held-file", file=keys[archive])).status_code == 404
    with tenant(house.organisation):
        assert [event.actor_id for event in Event.objects.filter(action="quarantine.looked_at")] == [manager.pk]


def test_an_enrolment_on_a_day_to_come_is_refused_at_the_field_with_what_was_typed(house: House) -> None:
    with tenant(house.organisation):
        Subject.objects.filter(pk=house.subject.pk).update(state=Subject.State.SCREENING, enrolled_on=None)
    client = signed_in(house.coordinator)
    place = {"subject": house.subject.public_id}
    answer = client.post(url(house, "subject-move", **place), {"action": "enrol", "day": "2999-01-01"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'name="day" value="2999-01-01" aria-invalid="true" aria-describedby="day-error"' in page
    assert "The day lies in the future." in page[page.index('id="day-error"') :][:1200]
    assert house.subject.subject_id in page and house.subject.site.name in page
    with tenant(house.organisation):
        assert Subject.objects.get(pk=house.subject.pk).state == Subject.State.SCREENING


def test_a_reason_that_is_too_long_is_refused_at_the_field_with_a_count(house: House) -> None:
    client = signed_in(house.coordinator)
    place = {"subject": house.subject.public_id}
    answer = client.post(url(house, "subject-move", **place), {"action": "withdraw", "reason": "x" * 301})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "At most 300 characters; this has 301." in page[page.index('id="withdraw-error"') :][:1200]
    assert "x" * 301 in page


def test_time_points_typed_in_several_rows_are_saved_together_or_refused_together(house: House) -> None:
    client = signed_in(house.coordinator)
    other = make_images(house.archive, PatientID=house.subject.subject_id)
    with tenant(house.organisation):
        rows = list(SubjectStudy.objects.filter(subject=house.subject).select_related("study"))
    assert len(rows) == 2 and other in [row.study for row in rows]
    keys = [row.study.public_id for row in rows]

    def save(*values: str, shown: tuple[str, ...] = ("", "")) -> Any:
        typed = {f"time_point-{key}": value for key, value in zip(keys, values, strict=True)}
        seen = {f"shown-{key}": value for key, value in zip(keys, shown, strict=True)}
        place = {"subject": house.subject.public_id, "study": keys[0]}
        return client.post(url(house, "subject-study", **place), {"change": "time-point", **typed, **seen})

    def stored() -> list[str]:
        with tenant(house.organisation):
            return [SubjectStudy.objects.get(pk=row.pk).time_point for row in rows]

    assert save("Baseline", "Week 8").status_code == 302
    assert stored() == ["Baseline", "Week 8"]
    refused = save("Week 4", "x" * 65, shown=("Baseline", "Week 8"))
    assert refused.status_code == 422
    page = refused.content.decode()
    assert 'value="Week 4"' in page and f'value="{"x" * 65}"' in page
    assert "at most 64 characters (it has 65)" in page
    assert stored() == ["Baseline", "Week 8"]
    # A field that says what the page showed changes nothing that somebody else changed meanwhile.
    assert save("Week 12", "Week 2", shown=("Baseline", "Week 2")).status_code == 302
    assert stored() == ["Week 12", "Week 8"]


def test_a_site_is_chosen_by_hand_unless_there_is_only_one(house: House) -> None:
    several = words(signed_in(house.coordinator), url(house, "subject-new"))
    select = several[several.index('<select name="site"') :].split("</select>")[0]
    assert '<option value="" selected>Choose a site</option>' in select
    refused = signed_in(house.coordinator).post(url(house, "subject-new"), {"site": "", "subject_id": "S-09"})
    assert refused.status_code == 422
    alone = words(signed_in(house.staff), url(house, "subject-new"))
    select = alone[alone.index('<select name="site"') :].split("</select>")[0]
    assert select.count("<option") == 1 and house.site.name in select


def test_no_field_of_a_form_cuts_what_is_pasted(house: House) -> None:
    page = words(signed_in(house.coordinator), url(house, "subject-new"))
    form = page.split('<form class="form')[1].split("</form>")[0]
    assert 'name="subject_id"' in form and "maxlength" not in form
    answer = signed_in(house.coordinator).post(
        url(house, "subject-new"), {"site": house.site.public_id, "subject_id": "S" * 70}
    )
    assert "at most 64 characters (it has 70)" in answer.content.decode()
