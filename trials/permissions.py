"""Whose eyes may see what of a trial.

==================  ===========  ======  ===========  =======  ==========
                    coordinator  reader  adjudicator  monitor  site staff
==================  ===========  ======  ===========  =======  ==========
the trial's face    yes          yes     yes          yes      yes
sites               all          –       –            all      own
subjects, images    all          –       –            all      own site's
changes them        yes          –       –            –        enrols at own site
==================  ===========  ======  ===========  =======  ==========

A reader and an adjudicator are blinded: subjects, sites and dates would tell them what they must not know. Staff of a
site are confined to it: as long as they are, no other role of theirs on the trial or its archive counts, but that they
may send images.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from access import hooks
from access.models import RoleGrant
from access.queries import containers_with, unexpired
from archive.models import Archive, Instance, Series, Study
from archive.permissions import ADD
from archive.permissions import VIEW as VIEW_ARCHIVE
from trials.models import Site, Subject, SubjectStudy, Trial

VIEW: Final = "trials.view_trial"
VIEW_SUBJECTS: Final = "trials.view_subjects"
CHANGE: Final = "trials.change_trial"
MANAGE_SUBJECTS: Final = "trials.manage_subjects"
MANAGE: Final = "trials.manage_trial"
VIEW_SITE: Final = "trials.view_site"
ENROL: Final = "trials.enrol_subjects"


def _seen_whole(user: Any) -> QuerySet[Any]:
    """Trials whose subjects a role on the trial shows, wherever they are."""
    return containers_with(user=user, permission=VIEW_SUBJECTS, container=Trial)


def _own_sites(user: Any) -> QuerySet[Any]:
    return containers_with(user=user, permission=VIEW_SITE, container=Site)


def trials(*, user: Any, permission: str) -> Q | None:
    """Staff see the face of the trial that their site is part of."""
    return Q(pk__in=_own_sites(user).values("trial")) if permission == VIEW else None


def sites(*, user: Any, permission: str) -> Q | None:
    return Q(trial__in=_seen_whole(user).values("pk")) if permission == VIEW_SITE else None


def subjects(*, user: Any, permission: str) -> Q | None:
    return Q(site__in=_own_sites(user).values("pk")) if permission == VIEW_SUBJECTS else None


def subject_studies(*, user: Any, permission: str) -> Q | None:
    return Q(subject__site__in=_own_sites(user).values("pk")) if permission == VIEW_SUBJECTS else None


def _studies_of_own_sites(user: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = SubjectStudy.objects.filter(subject__site__in=_own_sites(user).values("pk")).order_by()
    return rows.values("study")


def studies(*, user: Any, permission: str) -> Q | None:
    if permission != VIEW_ARCHIVE:
        return None
    return Q(archive__in=_seen_whole(user).values("archive")) | Q(pk__in=_studies_of_own_sites(user))


def within_studies(*, user: Any, permission: str) -> Q | None:
    """The same for series and instances."""
    if permission != VIEW_ARCHIVE:
        return None
    return Q(archive__in=_seen_whole(user).values("archive")) | Q(study__in=_studies_of_own_sites(user))


def _named(token: Any, container: type[Trial] | type[Site]) -> list[int]:
    found: list[int] | None = token.ids_of(container.container_kind())
    return found or []


def trials_reached(*, token: Any, permission: str) -> Q | None:
    """The face of the trial that a named site is part of."""
    sites = _named(token, Site)
    return (
        Q(pk__in=Site.objects.filter(pk__in=sites).order_by().values("trial")) if sites and permission == VIEW else None
    )


def sites_reached(*, token: Any, permission: str) -> Q | None:
    trials = _named(token, Trial)
    return Q(trial__in=trials) if trials else None


def subjects_reached(*, token: Any, permission: str) -> Q | None:
    sites = _named(token, Site)
    return Q(site__in=sites) if sites else None


def subject_studies_reached(*, token: Any, permission: str) -> Q | None:
    sites = _named(token, Site)
    return Q(subject__site__in=sites) if sites else None


def _images_reached(token: Any, *, permission: str, study: str) -> Q | None:
    """Images of a named trial's archive, and those of the subjects of a named site; only to be seen."""
    trials, sites = _named(token, Trial), _named(token, Site)
    if permission != VIEW_ARCHIVE or not (trials or sites):
        return None
    archives = Trial.objects.filter(pk__in=trials).order_by().values("archive")
    of_sites = SubjectStudy.objects.filter(subject__site__in=sites).order_by().values("study")
    return Q(archive__in=archives) | Q(**{f"{study}__in": of_sites})


def studies_reached(*, token: Any, permission: str) -> Q | None:
    return _images_reached(token, permission=permission, study="pk")


def within_studies_reached(*, token: Any, permission: str) -> Q | None:
    """The same for series and instances."""
    return _images_reached(token, permission=permission, study="study")


def _grants_of_staff(*, at: datetime | None = None) -> QuerySet[RoleGrant]:
    rows: QuerySet[RoleGrant] = RoleGrant.objects.filter(
        unexpired(at=at), ended_at=None, container_role__container_kind=Site.container_kind()
    ).order_by()
    return rows


def _sites_of(*, user: Any, at: datetime | None) -> QuerySet[Site]:
    held = _grants_of_staff(at=at).filter(user=user).values("container_role__container_id")
    rows: QuerySet[Site] = Site.objects.filter(pk__in=held).order_by()
    return rows


def _trials_of_staff(*, user: Any, at: datetime | None = None) -> QuerySet[Any]:
    return _sites_of(user=user, at=at).values_list("trial", flat=True)


def _archives_of_staff(*, user: Any, at: datetime | None = None) -> QuerySet[Any]:
    return _sites_of(user=user, at=at).values_list("trial__archive", flat=True)


def _staff_of_trial(trial: Any) -> QuerySet[RoleGrant]:
    return _grants_of_staff().filter(container_role__container_id__in=Site.objects.filter(trial=trial).values("pk"))


def _staff_of_archive(archive: Any) -> QuerySet[RoleGrant]:
    sites = Site.objects.filter(trial__archive=archive)
    return _grants_of_staff().filter(container_role__container_id__in=sites.values("pk"))


def register() -> None:
    hooks.register_visibility(Trial, trials, by=(Site,))
    hooks.register_visibility(Site, sites, by=(Trial,))
    hooks.register_visibility(Subject, subjects, by=(Site,))
    hooks.register_visibility(SubjectStudy, subject_studies, by=(Site,))
    hooks.register_visibility(Study, studies, by=(Trial, Site))
    hooks.register_visibility(Series, within_studies, by=(Trial, Site))
    hooks.register_visibility(Instance, within_studies, by=(Trial, Site))
    hooks.register_reach(Trial, trials_reached)
    hooks.register_reach(Site, sites_reached)
    hooks.register_reach(Subject, subjects_reached)
    hooks.register_reach(SubjectStudy, subject_studies_reached)
    hooks.register_reach(Study, studies_reached)
    hooks.register_reach(Series, within_studies_reached)
    hooks.register_reach(Instance, within_studies_reached)
    by, words = (
        Site.container_kind(),
        _("Staff of a site see their own site only; other roles in the trial do not count."),
    )
    hooks.register_confinement(
        Trial, hooks.Confinement(by=by, rule=_trials_of_staff, grants=_staff_of_trial, words=words)
    )
    hooks.register_confinement(
        Archive,
        hooks.Confinement(
            by=by, rule=_archives_of_staff, grants=_staff_of_archive, words=words, spared=frozenset({ADD})
        ),
    )
