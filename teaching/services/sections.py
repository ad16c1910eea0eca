"""The sections of the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid, NotFound
from teaching.models import Case, CaseSection
from teaching.services import validation
from teaching.services.editing import editing, refuse_stale
from teaching.services.snapshot import section_document

MAX_SECTIONS = 30
MAX_BODY = 50_000
FIELDS = ("heading", "body", "visibility", "visible_from")


def add_section(
    *,
    actor: Any,
    case: Case,
    kind: str = CaseSection.Kind.CUSTOM,
    heading: str = "",
    body: str = "",
    visibility: str = CaseSection.Visibility.AFTER_ANSWER,
    visible_from: date | None = None,
    revision: int | None = None,
    request: Any = None,
) -> CaseSection:
    with editing(actor=actor, case=case, summary=_("Section added"), revision=revision, request=request) as locked:
        count = CaseSection.objects.filter(case=locked).count()
        if count >= MAX_SECTIONS:
            raise Invalid(_("A case has at most %d sections.") % MAX_SECTIONS)
        section = CaseSection(
            organisation_id=locked.organisation_id, case=locked, kind=kind, position=count, version=locked.revision + 1
        )
        _fill(
            section=section,
            changes={"heading": heading, "body": body, "visibility": visibility, "visible_from": visible_from},
        )
        section.save()
    return section


def change_section(
    *,
    actor: Any,
    case: Case,
    section_id: str,
    changes: Mapping[str, Any],
    revision: int | None = None,
    request: Any = None,
    coalesce: bool = False,
    editor: str = "",
) -> CaseSection:
    """Change heading, body, visibility or visible_from of one section.

    :param revision: the revision at which the caller saw this section.
    :raises PartChanged: when it was saved from elsewhere since, with another text.
    """
    section = _get(case=case, section_id=section_id)
    with editing(
        actor=actor,
        case=case,
        summary=_("Text changed: %s") % section.title,
        request=request,
        coalesce=coalesce,
        editor=editor,
    ) as locked:
        section = _get(case=locked, section_id=section_id)
        before = section_document(section)
        _fill(section=section, changes=changes)
        # A save that is sent again because its answer was lost collides with nothing.
        if section_document(section) != before:
            refuse_stale(case=locked, version=section.version, seen=revision)
            section.version = locked.revision + 1
            section.save()
    return section


def set_sections(
    *, actor: Any, case: Case, bodies: Mapping[str, str], revision: int | None = None, request: Any = None
) -> Case:
    """Fill several sections at once by their kind (`{"history": "…", "diagnosis": "…"}`); missing ones are added."""
    with editing(actor=actor, case=case, summary=_("Text changed"), revision=revision, request=request) as locked:
        rows = {row.kind: row for row in CaseSection.objects.filter(case=locked)}
        for kind, body in bodies.items():
            visibility = CaseSection.Visibility.ALWAYS if kind == "history" else CaseSection.Visibility.AFTER_ANSWER
            section = rows.get(kind) or CaseSection(
                organisation_id=locked.organisation_id,
                case=locked,
                kind=kind,
                position=len(rows),
                visibility=visibility,
            )
            rows[kind] = section
            _fill(section=section, changes={"body": body})
            section.version = locked.revision + 1
            section.save()
    return case


def order_sections(
    *, actor: Any, case: Case, section_ids: Sequence[str], revision: int | None = None, request: Any = None
) -> None:
    with editing(actor=actor, case=case, summary=_("Sections moved"), revision=revision, request=request) as locked:
        rows = {row.public_id: row for row in CaseSection.objects.filter(case=locked)}
        if sorted(rows) != sorted(section_ids):
            raise Invalid(_("The sections changed in the meantime. Reload the page."))
        for position, public_id in enumerate(section_ids):
            rows[public_id].position = position
        CaseSection.objects.bulk_update(rows.values(), ["position"])


def delete_section(
    *, actor: Any, case: Case, section_id: str, revision: int | None = None, request: Any = None
) -> None:
    """Remove a section as the caller saw it at `revision`; the history brings it back."""
    with editing(actor=actor, case=case, summary=_("Section removed"), request=request) as locked:
        section = _get(case=locked, section_id=section_id)
        refuse_stale(case=locked, version=section.version, seen=revision)
        section.delete()


def _get(*, case: Case, section_id: str) -> CaseSection:
    section: CaseSection | None = CaseSection.objects.filter(case=case, public_id=section_id).first()
    if section is None:
        raise NotFound
    return section


def _fill(*, section: CaseSection, changes: Mapping[str, Any]) -> None:
    unknown = set(changes) - set(FIELDS)
    if unknown:
        raise Invalid(fields={name: [_("There is no such field.")] for name in sorted(unknown)})
    if "heading" in changes:
        section.heading = validation.text_of(changes["heading"], limit=120)
    if "body" in changes:
        section.body = validation.text_of(changes["body"], limit=MAX_BODY)
    if "visibility" in changes:
        section.visibility = str(changes["visibility"])
    if "visible_from" in changes:
        section.visible_from = changes["visible_from"]
    if section.visibility == CaseSection.Visibility.FROM_DATE and section.visible_from is None:
        raise Invalid(fields={"visible_from": [_("Choose the date from which it is shown.")]})
    if section.kind == CaseSection.Kind.CUSTOM and not section.heading:
        section.heading = str(_("Notes"))
    validation.validate(section)
