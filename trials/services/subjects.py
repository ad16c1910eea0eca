"""Subjects: added, enrolled, completed or withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access.queries import may, require
from core.errors import Invalid
from trials.domain import lifecycle
from trials.errors import WrongState
from trials.models import Site, Subject
from trials.permissions import ENROL, MANAGE_SUBJECTS
from trials.services import common, matching

FIELDS: Final = ("subject_id", "sex", "birth_year", "enrolled_on")
EARLIEST_BIRTH: Final = 1900
TAKEN: Final = "subject_id"


def authorise(*, actor: Any, site: Site) -> None:
    """Coordinators at every site, staff at their own. Raises `Forbidden` or `NotFound`."""
    if not may(actor, ENROL, site):
        require(actor, MANAGE_SUBJECTS, site.trial)


@transaction.atomic
def add_subject(
    *,
    actor: Any,
    site: Site,
    subject_id: str,
    sex: str = "",
    birth_year: int | None = None,
    enrolled_on: date | None = None,
    request: Any = None,
) -> Subject:
    """A subject in screening, or enrolled when the day is given; images that name it already are matched.

    Raises `Forbidden`, `Closed`, `Invalid`.
    """
    authorise(actor=actor, site=site)
    common.require_open(trial=site.trial, site=site)
    subject = Subject(
        organisation_id=site.organisation_id,
        trial=site.trial,
        site=site,
        subject_id=subject_id,
        sex=sex,
        birth_year=birth_year,
        enrolled_on=enrolled_on,
        state=lifecycle.ENROLLED if enrolled_on else lifecycle.SCREENING,
        added_by=actor,
    )
    _check(subject)
    common.save(subject, taken=TAKEN, words=_("A subject of this trial has this ID already."))
    common.tell(action="subject.added", trial=site.trial, target=subject, actor=actor, request=request)
    matching.match_waiting(subject=subject)
    return subject


@transaction.atomic
def change_subject(*, actor: Any, subject: Subject, changes: Mapping[str, Any], request: Any = None) -> Subject:
    """Raises `Forbidden`, `Closed`, `WrongState`, `Invalid`."""
    authorise(actor=actor, site=subject.site)
    common.require_open(trial=subject.trial, site=subject.site)
    locked: Subject = Subject.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=subject.pk)
    if not lifecycle.is_editable(locked.state):
        raise WrongState
    differing = common.change(locked, changes=changes, among=FIELDS)
    if locked.state == lifecycle.ENROLLED and locked.enrolled_on is None:
        raise Invalid(fields={"enrolled_on": [_("The subject is enrolled: give the day.")]})
    if differing:
        _check(locked)
        common.save(locked, taken=TAKEN, words=_("A subject of this trial has this ID already."))
        common.tell(
            action="subject.changed",
            trial=locked.trial,
            target=locked,
            actor=actor,
            request=request,
            detail={"fields": differing},
        )
        if "subject_id" in differing:
            matching.match_waiting(subject=locked)
    return locked


@transaction.atomic
def move_on(
    *,
    actor: Any,
    subject: Subject,
    action: str,
    reason: str = "",
    day: date | None = None,
    request: Any = None,
) -> Subject:
    """Enrol, complete, withdraw or resume (`trials.domain.lifecycle`); `day` is that of the enrolment, today without one.

    Raises `Forbidden`, `Closed`, `WrongState`, `Invalid`.
    """
    authorise(actor=actor, site=subject.site)
    common.require_open(trial=subject.trial, site=subject.site)
    possible_in = lifecycle.POSSIBLE_IN.get(action)
    if possible_in is None:
        raise Invalid(_("There is no such action."))
    said = common.reason_of(reason) if action in lifecycle.NEEDS_REASON else ""
    before = subject.state
    if before not in possible_in:
        raise WrongState
    after = lifecycle.state_after(action, was_enrolled=subject.enrolled_on is not None)
    changes: dict[str, Any] = {"state": after, "state_reason": said, "updated_at": timezone.now()}
    if action == lifecycle.ENROL:
        subject.enrolled_on = changes["enrolled_on"] = day or timezone.localdate()
        _check(subject)
    if Subject.objects.filter(pk=subject.pk, state=before).update(**changes) != 1:
        raise WrongState
    subject.state, subject.state_reason = after, said
    common.tell(
        action="subject.moved_on",
        trial=subject.trial,
        target=subject,
        actor=actor,
        request=request,
        detail={"before": before, "after": after, "reason": said},
    )
    return subject


def _check(subject: Subject) -> None:
    today = timezone.localdate()
    if subject.birth_year is not None and not EARLIEST_BIRTH <= subject.birth_year <= today.year:
        raise Invalid(
            fields={"birth_year": [_("From %(least)d to %(most)d.") % {"least": EARLIEST_BIRTH, "most": today.year}]}
        )
    if subject.enrolled_on is not None and subject.enrolled_on > today:
        raise Invalid(fields={"enrolled_on": [_("The day lies in the future.")]})
