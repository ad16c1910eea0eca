"""Trials and sites themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access.models import Organisation
from access.queries import require
from access.services import grant_role, prepare_roles
from access.services.roles import role_group
from archive.intake.sources import name_source
from archive.models import Archive, IntakeSource
from archive.permissions import MANAGE as MANAGE_ARCHIVE
from core.errors import Conflict, Invalid
from core.tenancy import tenant
from trials.models import Site, Trial
from trials.permissions import CHANGE
from trials.services import common

TRIAL_FIELDS: Final = ("protocol_id", "name", "sponsor", "description")
#: Words that stand for pages beside those of single trials.
RESERVED: Final = frozenset({"new"})
SITE_FIELDS: Final = ("number", "name", "investigator", "contact")


@transaction.atomic
def create_trial(
    *,
    actor: Any,
    organisation: Organisation,
    archive: Archive,
    slug: str,
    protocol_id: str,
    name: str,
    sponsor: str = "",
    description: str = "",
    request: Any = None,
) -> Trial:
    """A trial over a trial archive that the actor manages; who makes it becomes its first coordinator.

    Raises `Forbidden`, `Invalid`.
    """
    require(actor, "access.add_container", organisation)
    with tenant(organisation):
        if archive.organisation_id != organisation.pk or archive.purpose != Archive.Purpose.TRIAL:
            raise Invalid(fields={"archive": [_("A trial needs a trial archive: one for de-identified images.")]})
        # The trial's roles open the archive.
        require(actor, MANAGE_ARCHIVE, archive)
        if Trial.objects.filter(archive=archive).exists():
            raise Invalid(fields={"archive": [_("Another trial has this archive already.")]})
        if slug in RESERVED or Trial.objects.filter(slug=slug).exists():
            raise Invalid(fields={"slug": [_("This address is taken. Choose another one.")]})
        trial = Trial(
            organisation=organisation,
            archive=archive,
            slug=slug,
            protocol_id=protocol_id,
            name=name,
            sponsor=sponsor,
            description=description,
        )
        common.save(trial, taken="protocol_id", words=_("Another trial has this protocol ID."))
        prepare_roles(container=trial)
        grant_role(actor=None, container=trial, role="coordinator", user=actor, request=request)
        _let_send(actor=actor, archive=archive, container=trial, role="coordinator", request=request)
        common.tell(action="trial.created", trial=trial, target=trial, actor=actor, request=request)
    return trial


def _let_send(*, actor: Any, archive: Archive, container: Trial | Site, role: str, request: Any) -> None:
    """Who holds the role is a source of the trial's archive: what they send is screened, and they still need the right
    to add images there."""
    name_source(
        actor=actor,
        archive=archive,
        kind=IntakeSource.Kind.ROLE,
        role=role_group(container=container, role=role),
        request=request,
    )


@transaction.atomic
def change_trial(*, actor: Any, trial: Trial, changes: Mapping[str, Any], request: Any = None) -> Trial:
    require(actor, CHANGE, trial)
    common.require_open(trial=trial)
    differing = common.change(trial, changes=changes, among=TRIAL_FIELDS)
    if differing:
        common.save(trial, taken="protocol_id", words=_("Another trial has this protocol ID."))
        detail = {"fields": differing}
        common.tell(action="trial.changed", trial=trial, target=trial, actor=actor, request=request, detail=detail)
    return trial


@transaction.atomic
def create_site(
    *,
    actor: Any,
    trial: Trial,
    number: str,
    name: str,
    investigator: str = "",
    contact: str = "",
    request: Any = None,
) -> Site:
    """A site of an open trial. Raises `Forbidden`, `Closed`, `Invalid`."""
    require(actor, CHANGE, trial)
    common.require_open(trial=trial)
    site = Site(
        organisation=trial.organisation,
        trial=trial,
        number=number,
        name=name,
        investigator=investigator,
        contact=contact,
    )
    common.save(site, taken="number", words=_("Another site of the trial has this ID."))
    prepare_roles(container=site)
    _let_send(actor=actor, archive=trial.archive, container=site, role="staff", request=request)
    common.tell(action="site.created", trial=trial, target=site, actor=actor, request=request)
    return site


@transaction.atomic
def change_site(*, actor: Any, site: Site, changes: Mapping[str, Any], request: Any = None) -> Site:
    require(actor, CHANGE, site.trial)
    common.require_open(trial=site.trial, site=site)
    differing = common.change(site, changes=changes, among=SITE_FIELDS)
    if differing:
        common.save(site, taken="number", words=_("Another site of the trial has this ID."))
        detail = {"fields": differing}
        common.tell(action="site.changed", trial=site.trial, target=site, actor=actor, request=request, detail=detail)
    return site


def close(*, actor: Any, place: Trial | Site, reason: str, request: Any = None) -> None:
    """Nothing changes any more; everything stays to be seen. Raises `Forbidden`, `Invalid`, `Conflict`."""
    _turn(actor=actor, place=place, reason=reason, closing=True, request=request)


def reopen(*, actor: Any, place: Trial | Site, reason: str, request: Any = None) -> None:
    _turn(actor=actor, place=place, reason=reason, closing=False, request=request)


@transaction.atomic
def _turn(*, actor: Any, place: Trial | Site, reason: str, closing: bool, request: Any) -> None:
    trial = place if isinstance(place, Trial) else place.trial
    require(actor, CHANGE, trial)
    said = common.reason_of(reason)
    if isinstance(place, Site):
        common.require_open(trial=trial)
    now = timezone.now() if closing else None
    rows = type(place).objects.filter(pk=place.pk, closed_at__isnull=closing)
    if rows.update(closed_at=now, closed_reason=said if closing else "", updated_at=timezone.now()) != 1:
        raise Conflict
    place.closed_at, place.closed_reason = now, said if closing else ""
    kind = "trial" if isinstance(place, Trial) else "site"
    action = f"{kind}.closed" if closing else f"{kind}.reopened"
    common.tell(action=action, trial=trial, target=place, actor=actor, request=request, detail={"reason": said})
