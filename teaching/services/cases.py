"""Create, fill and delete cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from access.queries import require
from archive.models import Study
from audit.services import record
from core.errors import Invalid
from teaching import notices, pinned
from teaching.errors import WrongState
from teaching.models import Case, CaseSection, CaseStudy, Library
from teaching.services import validation
from teaching.services.editing import editing, keep_revision, refuse_stale

#: Rows and columns of viewports.
MAX_SIDE = 4
#: What a case may be given through `save_case`, and how each is cleaned.
_CLEANERS: dict[str, Any] = {
    "keywords": validation.keywords_of,
    "authors": validation.authors_of,
    "codes": validation.codes_of,
    "key_images": validation.key_images_of,
}
_TEXTS = {
    "title": 200, "abstract": 5000, "alternative_title": 200, "alternative_abstract": 5000, "age_band": 12, "sex": 8,
    "category": 24, "organ_system": 24, "modality": 16, "anatomy": 120, "level": 16, "certainty": 16, "licence": 60,
    "diagnosis_group": 120,
}  # fmt: skip
_FIELDS = {*_CLEANERS, *_TEXTS, "is_normal"}
_SECTIONS_OF_A_NEW_CASE = (
    (CaseSection.Kind.HISTORY, CaseSection.Visibility.ALWAYS),
    (CaseSection.Kind.FINDINGS, CaseSection.Visibility.AFTER_ANSWER),
    (CaseSection.Kind.DIFFERENTIAL, CaseSection.Visibility.AFTER_ANSWER),
    (CaseSection.Kind.DIAGNOSIS, CaseSection.Visibility.AFTER_ANSWER),
    (CaseSection.Kind.DISCUSSION, CaseSection.Visibility.AFTER_ANSWER),
    (CaseSection.Kind.REFERENCES, CaseSection.Visibility.AFTER_ANSWER),
)


@transaction.atomic
def create_case(
    *,
    actor: Any,
    library: Library,
    title: str = "",
    studies: Sequence[Study] = (),
    state: str = Case.State.DRAFT,
    changes: Mapping[str, Any] | None = None,
    request: Any = None,
) -> Case:
    """A new draft with the usual empty sections; `changes` as in `save_case`, `studies` of the library's archive."""
    require(actor, "teaching.edit_cases", library)
    case = Case(
        organisation_id=library.organisation_id,
        library=library,
        owner=actor,
        title=validation.text_of(title, limit=200) or _("Untitled case"),
        state=state,
        licence=library.licence,
        authors=[{"name": actor.get_short_name(), "affiliation": library.organisation.name, "contact": ""}],
    )
    _apply(case=case, changes=changes or {})
    validation.validate(case)
    case.save()
    CaseSection.objects.bulk_create(
        CaseSection(
            organisation_id=case.organisation_id, case=case, kind=kind, visibility=visibility, position=position
        )
        for position, (kind, visibility) in enumerate(_SECTIONS_OF_A_NEW_CASE)
    )
    link_studies(case=case, studies=studies)
    case.save()
    keep_revision(case=case, actor=actor, summary=_("Created"))
    record(
        action="case.created",
        organisation=library.organisation,
        actor=actor,
        target=case,
        detail={"library": library.slug, "studies": len(studies)},
        request=request,
    )
    return case


def link_studies(*, case: Case, studies: Sequence[Study]) -> None:
    """Add studies behind those the case has; the modality follows from the first one when it is not set."""
    if any(study.archive_id != case.library.archive_id for study in studies):
        raise Invalid(fields={"studies": [_("Only studies of the library's own archive can be shown in a case.")]})
    start = CaseStudy.objects.filter(case=case).count()
    for position, study in enumerate(studies, start=start):
        CaseStudy.objects.get_or_create(
            case=case, study=study, defaults={"organisation_id": case.organisation_id, "position": position}
        )
    if studies and not case.modality and studies[0].modalities:
        case.modality = str(studies[0].modalities[0])[:16]


def attach_studies(
    *, actor: Any, case: Case, studies: Sequence[Study], revision: int | None = None, request: Any = None
) -> Case:
    """Show more studies of the library's archive in the case."""
    with editing(actor=actor, case=case, summary=_("Studies added"), revision=revision, request=request) as locked:
        link_studies(case=locked, studies=studies)
    return case


def save_case(
    *,
    actor: Any,
    case: Case,
    changes: Mapping[str, Any],
    revision: int | None = None,
    request: Any = None,
    coalesce: bool = False,
    editor: str = "",
) -> Case:
    """Change fields of the case. Unknown names are refused; what is not named stays.

    :param revision: the revision at which the caller saw these fields.
    :raises PartChanged: when one of them was saved from elsewhere since, with another value.

    `changes`: any of title, abstract, alternative_title, alternative_abstract, authors, age_band, sex, category,
    organ_system, modality, anatomy, level, certainty, licence, keywords, codes, key_images, diagnosis_group, is_normal.
    """
    with editing(
        actor=actor, case=case, summary=_summary(changes), request=request, coalesce=coalesce, editor=editor
    ) as locked:
        before = {name: getattr(locked, name) for name in changes if name in _FIELDS}
        _apply(case=locked, changes=changes)
        validation.validate(locked)
        _compare_fields(case=locked, before=before, seen=revision)
    return case


def _compare_fields(*, case: Case, before: Mapping[str, Any], seen: int | None) -> None:
    """Refuse where a field that changes was saved from elsewhere since `seen`; else note that they change now."""
    changing = [name for name, value in before.items() if getattr(case, name) != value]
    newest = max((int(case.field_versions.get(name, 1)) for name in changing), default=1)
    refuse_stale(case=case, version=newest, seen=seen, fields=changing)
    case.field_versions |= dict.fromkeys(changing, case.revision + 1)


def _summary(changes: Mapping[str, Any]) -> str:
    if len(changes) == 1 and _FIELDS.issuperset(changes):
        field: Any = Case._meta.get_field(next(iter(changes)))
        return _("Field changed: %s") % field.verbose_name
    return _("Fields changed")


def _apply(*, case: Case, changes: Mapping[str, Any]) -> None:
    unknown = set(changes) - _FIELDS
    if unknown:
        raise Invalid(fields={name: [_("There is no such field.")] for name in sorted(unknown)})
    for name, value in changes.items():
        if name in _CLEANERS:
            setattr(case, name, _CLEANERS[name](value))
        elif name == "is_normal":
            case.is_normal = bool(value)
        else:
            setattr(case, name, validation.text_of(value, limit=_TEXTS[name]))
    case.title = case.title or str(_("Untitled case"))


def set_layout(
    *,
    actor: Any,
    case: Case,
    layout: Mapping[str, Any],
    revision: int | None = None,
    request: Any = None,
    editor: str = "",
) -> Case:
    """What the viewports show when the case is opened: at most 4 × 4."""
    rows, columns = (
        validation.whole_of(layout.get(name) or 1, name="layout", least=1, most=MAX_SIDE)
        for name in ("rows", "columns")
    )
    viewports = layout.get("viewports") or []
    if not isinstance(viewports, list) or len(viewports) > rows * columns:
        raise Invalid(fields={"layout": [_("At most four by four viewports.")]})
    with editing(
        actor=actor, case=case, summary=_("Opening view set"), request=request, coalesce=True, editor=editor
    ) as locked:
        before = {"layout": locked.layout}
        locked.layout = {"rows": rows, "columns": columns, "viewports": [_viewport(v) for v in viewports]}
        _compare_fields(case=locked, before=before, seen=revision)
    return case


def _viewport(value: Any) -> dict[str, Any]:
    window = value.get("window") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(window or {}, Mapping):
        raise Invalid(fields={"layout": [_("A viewport was expected.")]})
    return {
        "series": validation.text_of(value.get("series"), limit=64) or None,
        "sop": validation.text_of(value.get("sop"), limit=64) or None,
        "frame": validation.whole_of(value.get("frame") or 1, name="layout", least=1, most=validation.MAX_FRAME),
        "window": {name: validation.finite_of(window.get(name), name="layout") for name in ("center", "width")}
        if window
        else None,
        "invert": bool(value.get("invert")),
    }


def resolve_held_back(*, actor: Any, case: Case, request: Any = None) -> Case:
    """The editor has looked at what de-identification held back and goes on without those images."""
    with editing(
        actor=actor,
        case=case,
        summary=_("Continues without the held-back images"),
        request=request,
        action="case.held_back_resolved",
    ) as locked:
        locked.held_back_resolved = True
    return case


def add_new_images(*, actor: Any, case: Case, request: Any = None) -> int:
    """Show in the next version what came into the case's studies since it was published; returns how many images.

    What comes after this is not among them: an editor adds what they could look at.
    """
    with editing(
        actor=actor, case=case, summary=_("New images added"), request=request, action="case.images_added"
    ) as locked:
        found = list(pinned.new_images(locked).order_by("pk").values_list("pk", flat=True))
        if not found:
            raise WrongState(_("There are no new images."))
        locked.added_images = sorted({*locked.added_images, *found})
        notices.images_settled(case=locked)
    return len(found)


@transaction.atomic
def delete_case(*, actor: Any, case: Case, request: Any = None) -> None:
    """Delete a case that was never published. Its de-identified images stay in the library's archive."""
    locked = Case.objects.select_for_update(of=("self",)).select_related("library").get(pk=case.pk)
    require(actor, "teaching.edit_cases", locked.library)
    if not locked.is_deletable:
        raise WrongState(_("A case that was published cannot be deleted, because reads refer to it. Retire it."))
    record(
        action="case.deleted",
        organisation=locked.organisation,
        actor=actor,
        target=locked,
        request=request,
    )
    locked.delete()


def record_opened(*, actor: Any, case: Case, request: Any = None) -> None:
    record(
        action="case.viewed",
        organisation=case.organisation,
        actor=actor,
        target=case,
        request=request,
    )
