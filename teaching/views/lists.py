"""Lists of cases, libraries and courses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from access import proofs
from access.models import User
from access.queries import get_visible, may, people_with_role, require
from access.services import grant_role, may_manage_roles, revoke_role
from archive.models import Archive, Study
from core.errors import Forbidden, Invalid, NotFound
from core.tables import Choice, Column, Table
from teaching import forms, pinned, presentation, queries, services, vocabulary
from teaching.models import Case, Course, Library


class CaseTable(Table):
    key = "cases"
    noun = ngettext_lazy("%(n)s case", "%(n)s cases", "n")
    columns = (
        Column(
            "title", gettext_lazy("Case"), sort="title", primary=True, template="teaching/cells/title.html",
            csv=lambda c: c.title,
        ),
        Column(
            "state", gettext_lazy("State"), sort="state", template="teaching/cells/state.html",
            csv=lambda c: c.get_state_display(),
        ),
        Column("library", gettext_lazy("Library"), sort="library__name", value="library.name", shown=False),
        Column("modality", gettext_lazy("Modality"), sort="modality", value="modality"),
        Column("category", gettext_lazy("Category"), sort="category", value="get_category_display"),
        Column("organ", gettext_lazy("Organ system"), sort="organ_system", value="get_organ_system_display", shown=False),
        Column("level", gettext_lazy("Level"), sort="level", value="get_level_display"),
        Column("reads", gettext_lazy("Reads"), sort="reads", value="reads", kind="number"),
        Column("owner", gettext_lazy("Author"), sort="owner__display_name", value="owner", shown=False),
        Column("updated", gettext_lazy("Changed"), sort="updated_at", value="updated_at", kind="date"),
    )  # fmt: skip
    filters = (
        Choice("state", gettext_lazy("State"), field="state", choices=Case.State.choices),
        Choice("category", gettext_lazy("Category"), field="category", choices=vocabulary.CATEGORIES),
        Choice("organ", gettext_lazy("Organ system"), field="organ_system", choices=vocabulary.ORGAN_SYSTEMS),
        Choice("modality", gettext_lazy("Modality"), field="modality"),
        Choice("level", gettext_lazy("Level"), field="level", choices=vocabulary.LEVELS),
        Choice("library", gettext_lazy("Library"), field="library__name"),
        Choice("author", gettext_lazy("Author"), field="owner__username"),
    )
    search_label = gettext_lazy("Search titles, text, codes and keywords")
    default_sort = "-updated"
    default_size = 25
    card_template = "teaching/_case_card.html"
    empty_template = "teaching/cases_empty.html"

    def search(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        return queries.search_cases(queryset, words)

    def row_url(self, row: Case) -> str:
        return reverse(
            "teaching:case-edit",
            kwargs={"organisation": self.request.organisation.slug, "case": row.public_id},  # type: ignore[attr-defined]
        )

    def row_label(self, row: Case) -> str:
        return row.title

    def prepare(self, rows: Sequence[Any]) -> None:
        pictures = presentation.thumbnails(rows, organisation=self.request.organisation.slug)  # type: ignore[attr-defined]
        grown = pinned.with_new_images([row.pk for row in rows])
        for row in rows:
            row.picture = pictures.get(row.pk, "")
            row.has_new_images = row.pk in grown


def counted(rows: QuerySet[Case]) -> QuerySet[Case]:
    """With the number of committed reads, and without the heavy columns a list does not show."""
    reads = Count("versions__attempts", filter=Q(versions__attempts__committed_at__isnull=False), distinct=True)
    return rows.annotate(reads=reads).defer("search", "abstract", "alternative_abstract", "key_images", "layout")


@require_GET
def home(request: Any, organisation: str) -> HttpResponse:
    """Every case one may see, the libraries and the courses."""
    libraries = queries.libraries_with(request.user)
    courses = queries.courses_with(request.user)
    may_add = may(request.user, "access.add_container", request.organisation)
    if not libraries.exists() and not courses.exists() and not may_add:
        return forbidden_or_learner(request)
    table = CaseTable(request=request, queryset=counted(queries.cases_of(request.user)))
    context: dict[str, Any] = {}
    if not table.is_fragment_request:
        context = {
            "libraries": libraries.annotate(case_count=Count("cases")).select_related("archive"),
            "courses": courses.annotate(case_count=Count("course_cases")),
            "writable": queries.libraries_with(request.user, "teaching.edit_cases"),
            "may_add": may_add,
            "reviews": queries.reviews_asked_of(request.user),
        }
    return table.respond("teaching/home.html", context)


def posted(request: Any) -> Any:
    """What a form is bound to: an empty POST is a form with errors, not a fresh one."""
    return request.POST if request.method == "POST" else None


def forbidden_or_learner(request: Any) -> HttpResponse:
    """A learner finds cases under practice; others are refused."""
    if queries.learnable(request.user).exists():
        return redirect("practice:home", organisation=request.organisation.slug)
    raise Forbidden(_("You have no role on a library or a course. Ask an editor of one for it."))


def get_library(request: Any, slug: str, permission: str = "teaching.view_library") -> Library:
    return get_visible(request.user, Library.objects.select_related("archive", "organisation"), permission, slug=slug)


def get_course(request: Any, slug: str, permission: str = "teaching.view_course") -> Course:
    return get_visible(request.user, Course.objects.select_related("organisation"), permission, slug=slug)


@require_GET
def library(request: Any, organisation: str, library: str) -> HttpResponse:
    found = get_library(request, library)
    table = CaseTable(request=request, queryset=counted(queries.cases_of(request.user).filter(library=found)))
    context = {
        "library": found,
        "may_edit": may(request.user, "teaching.edit_cases", found),
        "may_manage": may_manage_roles(actor=request.user, container=found),
    }
    return table.respond("teaching/library.html", context)


@require_http_methods(["GET", "POST"])
def library_new(request: Any, organisation: str) -> HttpResponse:
    require(request.user, "access.add_container", request.organisation)
    archives = Archive.objects.filter(purpose=Archive.Purpose.TEACHING)
    form = forms.NewLibraryForm(posted(request), archives=archives)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_library(
                actor=request.user, organisation=request.organisation, request=request, **form.cleaned_data
            )
        except Invalid as error:
            forms.take_over(form, error)
        else:
            return redirect("teaching:library", organisation=organisation, library=made.slug)
    status = 422 if form.is_bound else 200
    return render(
        request, "teaching/container_new.html", {"form": form, "kind": "library", "archives": archives}, status=status
    )


@proofs.needed("two-people")
@require_http_methods(["GET", "POST"])
def library_settings(request: Any, organisation: str, library: str) -> HttpResponse:
    found = get_library(request, library, "teaching.manage_library")
    form = forms.LibraryForm(posted(request), initial=forms.initial_of(found, services_fields("library")))
    if request.method == "POST" and form.is_valid():
        services.change_library(actor=request.user, library=found, changes=form.cleaned_data, request=request)
        return redirect("teaching:library-settings", organisation=organisation, library=library)
    context = {"container": found, "library": found, "form": form, "kind": "library", "people": people_of(found)}
    return render(request, "teaching/container_settings.html", context, status=422 if form.is_bound else 200)


def services_fields(kind: str) -> tuple[str, ...]:
    from teaching.services import containers

    return containers.LIBRARY_FIELDS if kind == "library" else containers.COURSE_FIELDS


def people_of(container: Library | Course) -> dict[str, Any]:
    """Who holds which role, and who could."""
    members = User.objects.filter(
        memberships__organisation=container.organisation, memberships__is_active=True, is_active=True
    )
    return {
        "roles": [
            {
                "key": role,
                "label": label,
                "people": people_with_role(container=container, role=role).order_by("display_name"),
            }
            for role, (label, _codenames) in container.ROLES.items()
        ],
        "members": members.order_by("display_name", "username"),
    }


@proofs.needed("people")
@require_http_methods(["POST"])
def container_roles(request: Any, organisation: str, kind: str, slug: str) -> HttpResponse:
    """Give (`give`) or take (`take`) a role on a library or a course."""
    container: Library | Course
    if kind == "library":
        container, back = get_library(request, slug, "teaching.manage_library"), "teaching:library-settings"
    else:
        container, back = get_course(request, slug, "teaching.manage_course"), "teaching:course-settings"
    person = User.objects.filter(
        username=request.POST.get("person", ""), memberships__organisation=request.organisation
    ).first()
    if person is None:
        raise NotFound
    change = grant_role if request.POST.get("change") == "give" else revoke_role
    change(actor=request.user, container=container, role=request.POST.get("role", ""), user=person, request=request)
    return redirect(reverse(back, kwargs={"organisation": organisation, kind: slug}))


# New cases --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def case_new(request: Any, organisation: str) -> HttpResponse:
    """An empty case in a library one may write in."""
    libraries = queries.libraries_with(request.user, "teaching.edit_cases")
    if not libraries.exists():
        raise Forbidden
    form = forms.NewCaseForm(posted(request), libraries=libraries, initial={"library": request.GET.get("library")})
    if request.method == "POST" and form.is_valid():
        case = services.create_case(
            actor=request.user,
            library=form.cleaned_data["library"],
            title=form.cleaned_data["title"],
            request=request,
        )
        return redirect("teaching:case-edit", organisation=organisation, case=case.public_id)
    return render(request, "teaching/case_new.html", {"form": form}, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
def case_make(request: Any, organisation: str, study: str) -> HttpResponse:
    """Make a teaching case from a study: a dialog, then a de-identification run."""
    found = get_visible(request.user, Study.objects.select_related("archive"), "archive.view_archive", public_id=study)
    libraries = queries.libraries_with(request.user, "teaching.edit_cases")
    if not libraries.exists():
        raise Forbidden(_("You write in no library yet. An editor of one gives you that role."))
    form = forms.MakeCaseForm(posted(request), libraries=libraries)
    if request.method == "POST" and form.is_valid():
        try:
            case = services.make_case_from_study(
                actor=request.user,
                study=found,
                library=form.cleaned_data["library"],
                title=form.cleaned_data["title"],
                request=request,
            )
        except Invalid as error:
            forms.take_over(form, error)
        else:
            address = reverse("teaching:case-edit", kwargs={"organisation": organisation, "case": case.public_id})
            if request.headers.get("HX-Request"):
                response = HttpResponse()
                response["HX-Redirect"] = address
                return response
            return redirect(address)
    context = {"form": form, "study": found, "libraries": libraries}
    template = "teaching/_case_make.html" if request.headers.get("HX-Request") else "teaching/case_make.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


def find_in_palette(request: Any, words: str, limit: int) -> list[Any]:
    """Cases for the search box of the shell: editors by everything, learners by what they may know."""
    from core.palette import Hit

    slug = request.organisation.slug
    return [
        Hit(
            label=case.title,
            url=reverse("teaching:case-edit", kwargs={"organisation": slug, "case": case.public_id}),
            icon="book-open",
            note=str(case.get_state_display()),
        )
        for case in queries.search_cases(queries.cases_of(request.user), words)[:limit]
    ]
