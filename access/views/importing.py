"""Door of the import of a list of people: read, preview, confirm."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from access import proofs
from access.forms import PeopleListForm, add_errors
from access.services import importing
from access.views.accounts import signed_in_person
from access.views.people import managed_organisation
from core.errors import Invalid


def _takes_in(request: HttpRequest) -> bool:
    """Reading and judging a list changes nothing."""
    return bool(request.POST.get("confirm"))


@never_cache
@proofs.needed("people", when=_takes_in)
@require_http_methods(["GET", "POST"])
def people_import(request: HttpRequest, organisation: str) -> HttpResponse:
    found = managed_organisation(request)
    form = PeopleListForm(request.POST or None, request.FILES or None)
    context: dict[str, object] = {"form": form, "examples": importing.COLUMNS}
    if request.method == "POST" and form.is_valid():
        try:
            uploaded = form.cleaned_data["file"]
            text = importing.decode(uploaded.read(importing.BYTES_MAX + 1)) if uploaded else form.cleaned_data["text"]
            if request.POST.get("confirm"):
                context["done"] = importing.take_in(
                    actor=signed_in_person(request), organisation=found, text=text, request=request
                )
            else:
                lines = importing.read(organisation=found, text=text)
                context |= {"lines": lines, "text": text, "problems": sum(bool(line.problems) for line in lines)}
        except Invalid as error:
            add_errors(form, error.fields)
    return render(request, "access/people_import.html", context, status=422 if form.errors else 200)
