"""Libraries and courses themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from access.models import Organisation
from access.queries import require
from access.services import grant_role, prepare_roles
from archive.models import Archive
from audit.services import record
from core.errors import Invalid
from core.tenancy import tenant
from teaching.models import Course, Library
from teaching.services import validation

LIBRARY_FIELDS = ("name", "description", "requires_review", "licence")
COURSE_FIELDS = ("name", "description")


@transaction.atomic
def create_library(
    *,
    actor: Any,
    organisation: Organisation,
    archive: Archive,
    slug: str,
    name: str,
    description: str = "",
    requires_review: bool = False,
    licence: str = "",
    request: Any = None,
) -> Library:
    """A library over a teaching archive; its maker becomes its first editor. Raises `Invalid`."""
    require(actor, "access.add_container", organisation)
    with tenant(organisation):
        _check_new(model=Library, organisation=organisation, slug=slug)
        if archive.organisation_id != organisation.pk or archive.purpose != Archive.Purpose.TEACHING:
            raise Invalid(
                fields={"archive": [_("A library needs a teaching archive: one that takes de-identified images only.")]}
            )
        library = Library(
            organisation=organisation,
            archive=archive,
            slug=slug,
            name=name,
            description=description,
            requires_review=requires_review,
            licence=licence,
        )
        validation.validate(library)
        library.save()
        _open(container=library, actor=actor, action="library.created", request=request)
    return library


@transaction.atomic
def create_course(
    *, actor: Any, organisation: Organisation, slug: str, name: str, description: str = "", request: Any = None
) -> Course:
    """A course; its maker becomes its first editor. Editors of libraries may make one, too. Raises `Invalid`."""
    with tenant(organisation):
        if not _edits_a_library(actor=actor):
            require(actor, "access.add_container", organisation)
        _check_new(model=Course, organisation=organisation, slug=slug)
        course = Course(organisation=organisation, slug=slug, name=name, description=description)
        validation.validate(course)
        course.save()
        _open(container=course, actor=actor, action="course.created", request=request)
    return course


def _edits_a_library(*, actor: Any) -> bool:
    from access.queries import containers_with

    return containers_with(user=actor, permission="teaching.publish_cases", container=Library).exists()


def _check_new(*, model: type[Library] | type[Course], organisation: Organisation, slug: str) -> None:
    if model.objects.filter(organisation=organisation, slug=slug).exists():
        raise Invalid(fields={"slug": [_("This address is taken. Choose another one.")]})


def _open(*, container: Library | Course, actor: Any, action: str, request: Any) -> None:
    prepare_roles(container=container)
    grant_role(actor=None, container=container, role="editor", user=actor, request=request)
    record(action=action, organisation=container.organisation, actor=actor, target=container, request=request)


@transaction.atomic
def change_library(*, actor: Any, library: Library, changes: Mapping[str, Any], request: Any = None) -> Library:
    require(actor, "teaching.manage_library", library)
    _change(container=library, fields=LIBRARY_FIELDS, changes=changes)
    _tell_changed(action="library.changed", container=library, actor=actor, changes=changes, request=request)
    return library


@transaction.atomic
def change_course(*, actor: Any, course: Course, changes: Mapping[str, Any], request: Any = None) -> Course:
    require(actor, "teaching.change_course", course)
    _change(container=course, fields=COURSE_FIELDS, changes=changes)
    _tell_changed(action="course.changed", container=course, actor=actor, changes=changes, request=request)
    return course


def _change(*, container: Library | Course, fields: tuple[str, ...], changes: Mapping[str, Any]) -> None:
    unknown = set(changes) - set(fields)
    if unknown:
        raise Invalid(fields={name: [_("This cannot be changed.")] for name in sorted(unknown)})
    for name, value in changes.items():
        setattr(container, name, value)
    validation.validate(container)
    container.save()


def _tell_changed(
    *, action: str, container: Library | Course, actor: Any, changes: Mapping[str, Any], request: Any
) -> None:
    record(
        action=action,
        organisation=container.organisation,
        actor=actor,
        target=container,
        detail={"fields": sorted(changes)},
        request=request,
    )
