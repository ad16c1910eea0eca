"""The lung trial: two sites, three subjects, and images of which one names nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from pacsweb.demo.loader.containers import House, give
from trials.models import Site, Subject, SubjectStudy, Trial
from trials.services import add_subject, change_time_point, create_site, create_trial

SLUG: Final = "lung"
ROLES: Final[dict[str, tuple[str, ...]]] = {
    "coordinator": ("coordinator@demo",),
    "reader": ("reader1@demo", "reader2@demo"),
    "adjudicator": ("adjudicator@demo",),
}
#: Site ID → (name, principal investigator, user names of the staff)
SITES: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "01": ("Norrland University Hospital", "Dr. Sven Nyström", ("site@demo",)),
    "02": ("Hôpital de la Croix-Rousse", "Dr. Amélie Roche", ()),
}
#: Subject ID → (site, sex, year of birth, day of enrolment)
SUBJECTS: Final[dict[str, tuple[str, str, int, date | None]]] = {
    "LUNG-01-001": ("01", "M", 1961, date(2025, 1, 7)),
    "LUNG-01-002": ("01", "F", 1958, None),
    "LUNG-02-001": ("02", "F", 1966, date(2025, 1, 23)),
}
#: Study date → time point
TIME_POINTS: Final = {"20250106": "Baseline", "20250303": "Week 8", "20250122": "Baseline"}


def load_trial(*, house: House, say: Callable[[str], None]) -> None:
    """Set up what is missing of the trial. Its sites come before their images: only who is named there may send."""
    maker, coordinator = house.users["admin@demo"], house.users["coordinator@demo"]
    trial = Trial.objects.filter(slug=SLUG).select_related("organisation", "archive").first()
    if trial is None:
        trial = create_trial(
            actor=maker, organisation=house.demo, archive=house.archives["demo/trial-lung"], slug=SLUG,
            protocol_id="DEMO-LUNG-1", name="First-line treatment of lung cancer, imaging", sponsor="Demo Research",
            description="Chest CT at baseline and every eight weeks. Phantoms: nobody was ever ill.",
        )  # fmt: skip
    give(trial, ROLES, users=house.users)
    for number, (name, investigator, staff) in SITES.items():
        site = Site.objects.filter(trial=trial, number=number).select_related("trial__organisation").first()
        if site is None:
            site = create_site(actor=coordinator, trial=trial, number=number, name=name, investigator=investigator)
        give(site, {"staff": staff}, users=house.users)
    added = 0
    for subject_id, (number, sex, born, day) in SUBJECTS.items():
        if Subject.objects.filter(trial=trial, subject_id=subject_id).exists():
            continue
        site = Site.objects.select_related("trial__organisation", "trial__archive").get(trial=trial, number=number)
        add_subject(
            actor=coordinator, site=site, subject_id=subject_id, sex=sex, birth_year=born, enrolled_on=day
        )  # fmt: skip
        added += 1
    if added:
        say(f"1 trial with {len(SITES)} sites and {added} subjects")


def note_time_points(*, house: House) -> None:
    """Say which visit each study shows, once the images have found their subjects."""
    coordinator = house.users["coordinator@demo"]
    rows = SubjectStudy.objects.filter(subject__trial__slug=SLUG, time_point="").select_related(
        "study", "subject__trial__organisation"
    )
    for row in rows:
        if row.study.study_date in TIME_POINTS:
            change_time_point(actor=coordinator, row=row, time_point=TIME_POINTS[row.study.study_date])
