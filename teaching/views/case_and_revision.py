"""The case that a request is about, the revision it saw (`If-Match`), and the answer with the new one (`ETag`)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from access.queries import get_visible
from core.whole_numbers import read_whole_number
from teaching.models import Case

VIEW = "teaching.view_library"
EDIT = "teaching.edit_cases"


def load(request: Any, case: str, permission: str = EDIT) -> Case:
    rows = Case.objects.select_related("library__archive", "library__organisation", "owner", "current_version")
    return get_visible(request.user, rows, permission, public_id=case)


def seen_revision(request: HttpRequest) -> int | None:
    return read_whole_number(request.headers.get("If-Match", "").strip().strip('"'))


def open_page(request: HttpRequest) -> str:
    """The editor page that asks (`X-Editor`), by a name it gave itself; "" for programs."""
    return request.headers.get("X-Editor", "")[:40]


def tagged(response: HttpResponse, case: Case) -> HttpResponse:
    """The new revision, and the news that the checklist may have changed."""
    response["ETag"] = f'"{case.revision}"'
    response["Cache-Control"] = "private, no-store"
    return response


def saved(case: Case) -> HttpResponse:
    return tagged(JsonResponse({"revision": case.revision, "unpublished": case.has_unpublished_changes}), case)
