"""Trials with sites, subjects and images for tests, made by the services people use."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from access.models import Organisation, User
from access.services import grant_role
from archive.models import Archive, Study
from archive.services import settle as settling
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_series
from trials import services
from trials.models import Site, Subject, Trial

_numbers = itertools.count(1)


@dataclass
class House:
    """One organisation with a trial of two sites, a subject with a study at each, and one person of each kind."""

    organisation: Organisation
    administrator: User
    coordinator: User
    monitor: User
    reader: User
    adjudicator: User
    staff: User
    other_staff: User
    member: User
    archive: Archive
    trial: Trial
    site: Site
    other_site: Site
    subject: Subject
    other_subject: Subject
    study: Study
    other_study: Study


def make_trial(organisation: Organisation, *, actor: User, archive: Archive | None = None, **fields: Any) -> Trial:
    number = next(_numbers)
    if archive is None:
        archive = make_archive(organisation, purpose=Archive.Purpose.TRIAL, actor=actor)
    return services.create_trial(
        actor=actor,
        organisation=organisation,
        archive=archive,
        **{"slug": f"trial-{number}", "protocol_id": f"LUNG-{number}", "name": "Lung trial", **fields},
    )


OPENING = ("source", "calling_ae_title", "address")


def make_images(archive: Archive, *, actor: User | None = None, **elements: Any) -> Study:
    """A settled study of the trial's archive; whoever listens has heard of it."""
    values = {
        "PatientIdentityRemoved": "YES",
        "PatientName": None,
        "PatientBirthDate": None,
        "AccessionNumber": None,
        "StudyID": None,
        **elements,
    }
    opening = {name: values.pop(name) for name in OPENING if name in values}
    _delivery, outcomes = deliver(archive, make_series(count=2, **values), actor=actor, **opening)
    assert all(outcome.is_success for outcome in outcomes), outcomes
    with tenant(archive.organisation):
        study = Study.objects.filter(archive=archive).latest("pk")
        settle(study)
    return study


def settle(study: Study) -> None:
    with tenant(study.organisation):
        assert settling.claim(study_id=study.pk)
        settling.settle_study(study_id=study.pk)


def make_house(slug: str = "") -> House:
    organisation = make_organisation(slug)
    administrator = make_member(organisation, roles=("administrator",))
    coordinator, monitor, reader, adjudicator, staff, other_staff, member = (
        make_member(organisation) for _person in range(7)
    )
    trial = make_trial(organisation, actor=administrator)
    with tenant(organisation):
        sites = [
            services.create_site(actor=administrator, trial=trial, number=number, name=f"Hospital {number}")
            for number in ("01", "02")
        ]
        for role, person in (
            ("coordinator", coordinator), ("monitor", monitor), ("reader", reader), ("adjudicator", adjudicator),
        ):  # fmt: skip
            grant_role(actor=None, container=trial, role=role, user=person)
        for site, person in zip(sites, (staff, other_staff), strict=True):
            grant_role(actor=None, container=site, role="staff", user=person)
        subjects = [
            services.add_subject(actor=coordinator, site=site, subject_id=f"S-{site.number}-001") for site in sites
        ]
        studies = [make_images(trial.archive, PatientID=subject.subject_id) for subject in subjects]
    return House(
        organisation, administrator, coordinator, monitor, reader, adjudicator, staff, other_staff, member,
        trial.archive, trial, *sites, *subjects, *studies,
    )  # fmt: skip
