"""Courses: their cases in order, assignments, learners."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.queries import get_visible, may, people_with_role, require
from access.services import may_manage_roles
from core.errors import Forbidden, Invalid, NotFound, NothingChosen
from teaching import forms, presentation, queries, results, services
from teaching.models import Assignment, Case
from teaching.views.lists import get_course, people_of, posted, services_fields
from teaching.views.order import moved


@require_GET
def course(request: Any, organisation: str, course: str) -> HttpResponse:
    found = get_course(request, course)
    in_order = list(queries.course_rows(found))
    pictures = presentation.thumbnails([row.case for row in in_order], organisation=organisation)
    rows = [{"case": row.case, "picture": pictures.get(row.case_id, "")} for row in in_order]
    in_course = {row.case_id for row in in_order}
    addable = queries.cases_of(request.user).exclude(pk__in=in_course).filter(state=Case.State.PUBLISHED)
    context = {
        "course": found,
        "rows": rows,
        "addable": addable.order_by("title")[:200],
        "assignments": results.assignment_rows(found),
        "learners": people_with_role(container=found, role="learner").order_by("display_name"),
        "may_change": may(request.user, "teaching.change_course", found),
        "may_assign": may(request.user, "teaching.assign_cases", found),
        "may_see_results": may(request.user, "teaching.view_results", found),
        "may_manage": may_manage_roles(actor=request.user, container=found),
    }
    return render(request, "teaching/course.html", context)


@require_http_methods(["GET", "POST"])
def course_new(request: Any, organisation: str) -> HttpResponse:
    if not queries.libraries_with(request.user, "teaching.publish_cases").exists():
        require(request.user, "access.add_container", request.organisation)
    form = forms.NewCourseForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_course(
                actor=request.user, organisation=request.organisation, request=request, **form.cleaned_data
            )
        except Invalid as error:
            forms.take_over(form, error)
        else:
            return redirect("teaching:course", organisation=organisation, course=made.slug)
    context = {"form": form, "kind": "course"}
    return render(request, "teaching/container_new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
def course_settings(request: Any, organisation: str, course: str) -> HttpResponse:
    found = get_course(request, course, "teaching.manage_course")
    form = forms.CourseForm(posted(request), initial=forms.initial_of(found, services_fields("course")))
    if request.method == "POST" and form.is_valid():
        services.change_course(actor=request.user, course=found, changes=form.cleaned_data, request=request)
        return redirect("teaching:course-settings", organisation=organisation, course=course)
    context = {"container": found, "course": found, "form": form, "kind": "course", "people": people_of(found)}
    return render(request, "teaching/container_settings.html", context, status=422 if form.is_bound else 200)


@require_POST
def course_cases(request: Any, organisation: str, course: str) -> HttpResponse:
    """Add, remove or move a case of the course."""
    found = get_course(request, course, "teaching.change_course")
    form = request.POST
    if form.get("add"):
        case = get_visible(
            request.user, Case.objects.select_related("library"), "teaching.view_library", public_id=form["add"]
        )
        services.add_case_to_course(actor=request.user, course=found, case=case, request=request)
    elif "remove" in form:
        row = found.course_cases.filter(case__public_id=form["remove"]).select_related("case").first()
        if row is None:
            raise NotFound
        services.remove_case_from_course(actor=request.user, course=found, case=row.case, request=request)
    elif "move" in form:
        ids = [row.case.public_id for row in queries.course_rows(found)]
        services.order_course(
            actor=request.user,
            course=found,
            case_ids=moved(ids, form.get("case", ""), form["move"]),
            request=request,
        )
    else:
        raise NothingChosen(
            _("Choose a case."),
            back=reverse("teaching:course", kwargs={"organisation": organisation, "course": course}),
        )
    return redirect("teaching:course", organisation=organisation, course=course)


@require_http_methods(["GET", "POST"])
def assignment_new(request: Any, organisation: str, course: str) -> HttpResponse:
    found = get_course(request, course, "teaching.assign_cases")
    rows = [row for row in queries.course_rows(found) if row.case.state == Case.State.PUBLISHED]
    learners = list(people_with_role(container=found, role="learner").order_by("display_name"))
    form = forms.AssignmentForm(
        posted(request),
        cases=[(row.case.public_id, row.case.title) for row in rows],
        learners=[(person.username, str(person)) for person in learners],
        initial={
            "audience": Assignment.Audience.COURSE,
            "due_at": timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=7),
        },
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        chosen = [row.case for row in rows if row.case.public_id in data["cases"]]
        persons = [person for person in learners if person.username in data["persons"]]
        try:
            services.create_assignment(
                actor=request.user,
                course=found,
                title=data["title"],
                note=data["note"],
                cases=chosen,
                due_at=data["due_at"],
                persons=persons if data["audience"] == Assignment.Audience.PERSONS else None,
                request=request,
            )
        except Invalid as error:
            forms.take_over(form, error)
        else:
            messages.success(request, _("The cases are assigned."))
            return redirect("teaching:course", organisation=organisation, course=course)
    context = {"course": found, "form": form, "has_cases": bool(rows), "has_learners": bool(learners)}
    return render(request, "teaching/assignment_new.html", context, status=422 if form.is_bound else 200)


@require_POST
def assignment_withdraw(request: Any, organisation: str, assignment: str) -> HttpResponse:
    found = Assignment.objects.select_related("course").filter(public_id=assignment).first()
    if found is None:
        raise NotFound
    services.withdraw_assignment(actor=request.user, assignment=found, request=request)
    return redirect("teaching:course", organisation=organisation, course=found.course.slug)


def require_results(request: Any, container: Any) -> None:
    if not may(request.user, "teaching.view_results", container):
        raise Forbidden
