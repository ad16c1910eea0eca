"""What every page of a trial needs."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from access.queries import get_visible, may
from access.services import may_manage_roles
from archive.permissions import ADD
from trials import queries
from trials.models import Site, Subject, Trial
from trials.permissions import CHANGE, ENROL, MANAGE_SUBJECTS, VIEW, VIEW_SITE, VIEW_SUBJECTS


class Rights:
    """What one person may do in one trial; each asked once, when a page first wants to know."""

    def __init__(self, *, user: Any, trial: Trial) -> None:
        self._user = user
        self._trial = trial
        self._known: dict[str, bool] = {}

    def _may(self, permission: str) -> bool:
        if permission not in self._known:
            self._known[permission] = may(self._user, permission, self._trial)
        return self._known[permission]

    @property
    def change(self) -> bool:
        return self._may(CHANGE)

    @property
    def view_subjects(self) -> bool:
        """Of every site."""
        return self._may(VIEW_SUBJECTS)

    @property
    def sees_sites(self) -> bool:
        """All of them, or one's own: everybody but who reads blinded."""
        if "sites" not in self._known:
            self._known["sites"] = self.view_subjects or queries.sites(self._user, trial=self._trial).exists()
        return self._known["sites"]

    @property
    def manage_subjects(self) -> bool:
        return self._may(MANAGE_SUBJECTS)

    @property
    def manage_roles(self) -> bool:
        if "roles" not in self._known:
            self._known["roles"] = may_manage_roles(actor=self._user, container=self._trial)
        return self._known["roles"]

    @property
    def upload(self) -> bool:
        if "upload" not in self._known:
            self._known["upload"] = may(self._user, ADD, self._trial.archive)
        return self._known["upload"]

    def enrols_at(self, site: Site) -> bool:
        return self.manage_subjects or may(self._user, ENROL, site)


def load_trial(request: Any, slug: str, permission: str = VIEW) -> Trial:
    """The trial of the address, authorised. Raises `NotFound` or `Forbidden`."""
    return get_visible(request.user, Trial.objects.select_related("archive", "organisation"), permission, slug=slug)


def load_site(request: Any, trial: Trial, public_id: str) -> Site:
    rows = Site.objects.filter(trial=trial).select_related("trial__organisation", "trial__archive")
    return get_visible(request.user, rows, VIEW_SITE, public_id=public_id)


def load_subject(request: Any, trial: Trial, public_id: str) -> Subject:
    rows = Subject.objects.filter(trial=trial).select_related(
        "site__trial", "trial__organisation", "trial__archive", "added_by"
    )
    return get_visible(request.user, rows, VIEW_SUBJECTS, public_id=public_id)


def page_context(request: Any, trial: Trial, *, tab: str = "") -> dict[str, Any]:
    rights = Rights(user=request.user, trial=trial)
    return {
        "trial": trial,
        "rights": rights,
        "tab": tab,
        "waiting_count": queries.waiting(request.user, trial=trial).count() if rights.view_subjects else None,
        "held_count": queries.held_open(request.user, trial=trial).count() if rights.view_subjects else None,
    }


def posted(request: Any) -> Any:
    """What a form is bound to: an empty POST is a form with errors, not a fresh one."""
    return request.POST if request.method == "POST" else None


def answer(request: Any, template: str, context: dict[str, Any], *, form: Any = None) -> HttpResponse:
    """A page; 422 when it shows what was wrong with the input."""
    return render(request, template, context, status=422 if form is not None and form.is_bound else 200)
