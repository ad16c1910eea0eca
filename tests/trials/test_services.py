"""What each use case does, to whom it is refused, and what stays when it is."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from access.models import User
from access.queries import may
from access.services import grant_role, may_manage_roles
from archive.models import Archive
from audit.models import Event
from core.errors import Conflict, Forbidden, Invalid, NotFound, PacswebError
from core.tenancy import tenant
from tests.access.factories import make_member
from tests.archive.factories import make_archive
from tests.trials.factories import House, make_trial
from trials import services
from trials.errors import Closed, WrongState
from trials.models import Site, Subject, Trial

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(house: House) -> Any:
    with tenant(house.organisation):
        yield house


# Trials and sites ---------------------------------------------------------------------------------------------------


def test_who_sets_up_a_trial_coordinates_it_and_needs_to_manage_its_archive(house: House) -> None:
    administrator = make_member(house.organisation, roles=("administrator",))
    archive = make_archive(house.organisation, purpose=Archive.Purpose.TRIAL)
    with pytest.raises(Forbidden):
        make_trial(house.organisation, actor=administrator, archive=archive)
    grant_role(actor=None, container=archive, role="manager", user=administrator)
    trial = make_trial(house.organisation, actor=administrator, archive=archive)
    assert may(administrator, "trials.manage_trial", trial)
    with pytest.raises(Forbidden):
        make_trial(house.organisation, actor=house.coordinator, archive=archive)


@pytest.mark.parametrize("purpose", [Archive.Purpose.CLINICAL, Archive.Purpose.TEACHING])
def test_a_trial_stands_over_a_trial_archive(house: House, purpose: str) -> None:
    archive = make_archive(house.organisation, purpose=purpose, actor=house.administrator)
    with pytest.raises(Invalid) as refused:
        make_trial(house.organisation, actor=house.administrator, archive=archive)
    assert set(refused.value.fields) == {"archive"}


def test_an_archive_has_one_trial_and_a_trial_no_archive_of_others(house: House, stranger: House) -> None:
    for archive in (house.archive, stranger.archive):
        with pytest.raises(Invalid) as refused:
            make_trial(house.organisation, actor=house.administrator, archive=archive)
        assert set(refused.value.fields) == {"archive"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("protocol_id", ""), ("protocol_id", "a\\b"), ("protocol_id", "x" * 65), ("protocol_id", " x"),
        ("name", ""), ("name", "line\nbreak"), ("name", "x" * 65), ("sponsor", "a\\b"),
        ("slug", ""), ("slug", "Big"), ("slug", "new"), ("slug", "a/b"),
    ],
)  # fmt: skip
def test_what_dicom_cannot_carry_is_refused_at_its_field(house: House, field: str, value: str) -> None:
    before = Trial.objects.count()
    with pytest.raises(Invalid) as refused:
        make_trial(house.organisation, actor=house.administrator, **{field: value})
    assert set(refused.value.fields) == {field}
    assert Trial.objects.count() == before


def test_protocol_ids_and_site_ids_are_taken_once(house: House) -> None:
    with pytest.raises(Invalid) as refused:
        make_trial(house.organisation, actor=house.administrator, protocol_id=house.trial.protocol_id)
    assert set(refused.value.fields) == {"protocol_id"}
    with pytest.raises(Invalid) as refused:
        services.create_site(actor=house.coordinator, trial=house.trial, number="01", name="Again")
    assert set(refused.value.fields) == {"number"}
    other = make_trial(house.organisation, actor=house.administrator)
    assert services.create_site(actor=house.administrator, trial=other, number="01", name="Elsewhere").pk


def test_coordinators_change_the_trial_and_nobody_else_does(house: House, stranger: House) -> None:
    for person in (house.monitor, house.reader, house.adjudicator, house.staff):
        for act in acts_of_a_coordinator(house):
            with pytest.raises(Forbidden):
                act(person)
    with pytest.raises(NotFound):
        services.change_trial(actor=stranger.coordinator, trial=house.trial, changes={"name": "Taken over"})
    assert Trial.objects.get(pk=house.trial.pk).name == house.trial.name
    assert Site.objects.filter(trial=house.trial).count() == 2
    for act in acts_of_a_coordinator(house):
        act(house.coordinator)


def acts_of_a_coordinator(house: House) -> list[Any]:
    trial, site = house.trial, house.other_site
    return [
        lambda who: services.change_trial(actor=who, trial=Trial.objects.get(pk=trial.pk), changes={"name": "Renamed"}),
        lambda who: services.create_site(actor=who, trial=trial, number="77", name="Third"),
        lambda who: services.change_site(actor=who, site=Site.objects.get(pk=site.pk), changes={"contact": "Ann"}),
        lambda who: services.close(actor=who, place=Site.objects.get(pk=site.pk), reason="Recruited enough"),
        lambda who: services.reopen(actor=who, place=Site.objects.get(pk=site.pk), reason="One more"),
        lambda who: services.add_subject(actor=who, site=site, subject_id="S-02-9"),
    ]


def test_a_closed_trial_is_looked_at_and_not_changed(house: House) -> None:
    services.close(actor=house.coordinator, place=house.trial, reason="Over")
    for act in acts_of_a_coordinator(house):
        with pytest.raises(Closed):
            act(house.coordinator)
    with pytest.raises(Closed):
        services.move_on(actor=house.coordinator, subject=house.subject, action="enrol")
    with pytest.raises(Conflict):
        services.close(actor=house.coordinator, place=house.trial, reason="Again")
    services.reopen(actor=house.coordinator, place=house.trial, reason="Not over")
    acts_of_a_coordinator(house)[0](house.coordinator)
    said = [
        event.detail["reason"]
        for event in Event.objects.filter(action__in=("trial.closed", "trial.reopened")).order_by("pk")
    ]
    assert said == ["Over", "Not over"]


def test_a_closed_site_takes_no_subjects_and_the_others_do(house: House) -> None:
    services.close(actor=house.coordinator, place=house.site, reason="Audit findings")
    for person in (house.staff, house.coordinator):
        with pytest.raises(Closed):
            services.add_subject(actor=person, site=house.site, subject_id="S-01-002")
    assert services.add_subject(actor=house.other_staff, site=house.other_site, subject_id="S-02-002").pk


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "\x00"])
def test_closing_needs_a_reason(house: House, reason: str) -> None:
    with pytest.raises(Invalid):
        services.close(actor=house.coordinator, place=house.trial, reason=reason)
    assert not Trial.objects.get(pk=house.trial.pk).is_closed


# Roles ---------------------------------------------------------------------------------------------------------------


def test_coordinators_give_the_roles_of_the_trial_and_of_its_sites(house: House) -> None:
    other = make_trial(house.organisation, actor=house.administrator)
    for container in (house.trial, house.site):
        assert may_manage_roles(actor=house.coordinator, container=container)
        for person in (house.monitor, house.staff, house.reader, house.member):
            assert not may_manage_roles(actor=person, container=container)
    assert not may_manage_roles(actor=house.coordinator, container=other)
    grant_role(actor=house.coordinator, container=house.site, role="staff", user=house.member)
    assert may(house.member, "trials.enrol_subjects", house.site)
    with pytest.raises(Forbidden):
        grant_role(actor=house.staff, container=house.site, role="staff", user=house.reader)


def test_a_list_of_people_names_a_site_by_its_trial(house: House) -> None:
    from access.services import importing

    words = f"staff@{house.trial.slug}/01; monitor@{house.trial.slug}"
    lines = importing.read(organisation=house.organisation, text=f"name,display_name,roles\nbo,Bo Example,{words}\n")
    assert lines[0].problems == []
    assert lines[0].roles == [f"trials.site:{house.site.pk}:staff", f"trials.trial:{house.trial.pk}:monitor"]


# Subjects -------------------------------------------------------------------------------------------------------------


def test_staff_enrol_at_their_own_site_only(house: House) -> None:
    made = services.add_subject(actor=house.staff, site=house.site, subject_id="S-01-002", sex="F", birth_year=1950)
    assert (made.state, made.added_by) == ("screening", house.staff)
    assert made.reading_id.startswith("R-")
    for site in (house.other_site, make_site_of_another_trial(house)):
        with pytest.raises(Forbidden):
            services.add_subject(actor=house.staff, site=site, subject_id="S-02-002")
    for act in (
        lambda: services.change_subject(actor=house.staff, subject=house.other_subject, changes={"sex": "F"}),
        lambda: services.move_on(actor=house.staff, subject=house.other_subject, action="enrol"),
    ):
        with pytest.raises(Forbidden):
            act()
    for person in (house.monitor, house.reader, house.adjudicator):
        with pytest.raises(Forbidden):
            services.add_subject(actor=person, site=house.site, subject_id="S-01-003")
    assert Subject.objects.filter(trial=house.trial).count() == 3


def make_site_of_another_trial(house: House) -> Site:
    trial = make_trial(house.organisation, actor=house.administrator)
    return services.create_site(actor=house.administrator, trial=trial, number="01", name="Elsewhere")


@pytest.mark.parametrize("subject_id", ["S-01-001", "s-01-001"])
def test_a_subject_id_is_taken_once_in_whatever_case(house: House, subject_id: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.add_subject(actor=house.coordinator, site=house.other_site, subject_id=subject_id)
    assert set(refused.value.fields) == {"subject_id"}


TOMORROW = timedelta(days=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject_id", ""), ("subject_id", "a\\b"), ("subject_id", "x" * 65), ("subject_id", "a\nb"),
        ("subject_id", "Doe^Jane"), ("sex", "X"), ("birth_year", 1899), ("birth_year", 2500), ("birth_year", -1),
        ("enrolled_on", "tomorrow"),
    ],
)  # fmt: skip
def test_a_subject_that_cannot_be_is_refused_at_its_field(house: House, field: str, value: Any) -> None:
    if value == "tomorrow":
        value = timezone.localdate() + TOMORROW
    with pytest.raises(Invalid) as refused:
        services.add_subject(actor=house.coordinator, site=house.site, **{"subject_id": "S-01-005", field: value})
    assert set(refused.value.fields) == {field}
    with pytest.raises(Invalid) as refused:
        services.change_subject(actor=house.coordinator, subject=house.subject, changes={field: value})
    assert set(refused.value.fields) == {field}
    assert Subject.objects.filter(trial=house.trial).count() == 2


def test_a_subject_goes_its_way_with_a_reason_where_one_is_needed(house: House) -> None:
    def move(action: str, **more: Any) -> str:
        subject = Subject.objects.select_related("trial__organisation", "site__trial").get(pk=house.subject.pk)
        return services.move_on(actor=house.staff, subject=subject, action=action, **more).state

    with pytest.raises(WrongState):
        move("complete")
    with pytest.raises(Invalid):
        move("withdraw")
    assert move("withdraw", reason="Moved away") == "withdrawn"
    assert move("resume", reason="Came back") == "screening"
    assert move("enrol", day=date(2025, 1, 7)) == "enrolled"
    with pytest.raises(WrongState):
        move("enrol")
    assert move("complete") == "completed"
    with pytest.raises(WrongState):
        services.change_subject(actor=house.staff, subject=house.subject, changes={"sex": "F"})
    assert move("resume", reason="One visit more") == "enrolled"
    with pytest.raises(Invalid):
        move("erase")
    steps = Event.objects.filter(action="subject.moved_on").order_by("pk")
    assert [(one.detail["before"], one.detail["after"]) for one in steps] == [
        ("screening", "withdrawn"), ("withdrawn", "screening"), ("screening", "enrolled"),
        ("enrolled", "completed"), ("completed", "enrolled"),
    ]  # fmt: skip
    assert all(house.subject.subject_id not in str(one.detail) + one.target_label for one in steps)


def test_two_who_move_a_subject_at_once_do_not_both_win(house: House) -> None:
    first, second = (
        Subject.objects.select_related("trial__organisation", "site__trial").get(pk=house.subject.pk) for _one in "ab"
    )
    services.move_on(actor=house.coordinator, subject=first, action="withdraw", reason="Screening failed")
    with pytest.raises(WrongState):
        services.move_on(actor=house.staff, subject=second, action="enrol")
    assert Subject.objects.get(pk=house.subject.pk).state == "withdrawn"


def test_the_enrolment_of_an_enrolled_subject_keeps_its_day(house: House) -> None:
    services.move_on(actor=house.staff, subject=house.subject, action="enrol", day=date(2025, 1, 7))
    with pytest.raises(Invalid) as refused:
        services.change_subject(actor=house.staff, subject=house.subject, changes={"enrolled_on": None})
    assert set(refused.value.fields) == {"enrolled_on"}


def test_fields_that_are_not_the_form_s_cannot_be_set(house: House) -> None:
    for name, value in (("reading_id", "R-1"), ("state", "completed"), ("site", house.other_site), ("trial", 1)):
        with pytest.raises(Invalid) as refused:
            services.change_subject(actor=house.coordinator, subject=house.subject, changes={name: value})
        assert set(refused.value.fields) == {name}
    with pytest.raises(Invalid):
        services.change_trial(actor=house.coordinator, trial=house.trial, changes={"archive": None})


def test_the_database_refuses_a_withdrawal_without_a_reason(house: House) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Subject.objects.filter(pk=house.subject.pk).update(state="withdrawn", state_reason="")


def test_what_is_refused_leaves_nothing_behind(house: House, stranger: House) -> None:
    before = Event.objects.count()
    outsiders: list[User] = [house.monitor, house.reader, house.member, stranger.coordinator]
    events_of_the_other_house = Event.objects.count() - before
    for person in outsiders:
        for act in acts_of_a_coordinator(house):
            with pytest.raises(PacswebError), transaction.atomic():
                act(person)
    assert Event.objects.count() - before == events_of_the_other_house
