"""Where the lesions of a case are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from access.queries import require
from archive.models import Instance
from core.errors import Invalid
from teaching.domain import truth as geometry
from teaching.models import Case, TruthMark
from teaching.services import validation
from teaching.services.editing import editing
from viewer.domain.mark_reading import stored_mark
from viewer.domain.marks import Mark
from viewer.errors import MarksConflict

MAX_TRUTH_MARKS = 100
#: What outlines or points at something. Lengths, angles and values are measurements: lesions only when somebody says so.
LESION_TOOLS = frozenset({"ellipse", "rectangle", "freehand", "arrow"})


def save_truth(
    *, actor: Any, case: Case, marks: Sequence[Mark], version: int | None = None, request: Any = None
) -> int:
    """Replace the truth marks of a case, as the viewer sends them; returns the new version of the layer.

    Marks known by their id keep their code and kind. The images must belong to the case's studies.

    :param version: the layer's version that the caller saw.
    :raises MarksConflict: when another version is stored. Invalid: marks on other images, or too many.
    """
    if len(marks) > MAX_TRUTH_MARKS:
        raise Invalid(fields={"marks": [_("At most %d marks.") % MAX_TRUTH_MARKS]})
    if version == case.truth_version and _same(case=case, marks=marks):
        # The viewer writes its measurements anew when it has drawn the marks: nothing an editor would call a change.
        require(actor, "teaching.edit_cases", case.library)
        return case.truth_version
    with editing(actor=actor, case=case, summary=_("Truth marked"), request=request, coalesce=True) as locked:
        if version is not None and version != locked.truth_version:
            raise MarksConflict
        images = _images(case=locked, marks=marks)
        known = {str(row.pk): row for row in TruthMark.objects.filter(case=locked)}
        if any(
            TruthMark.objects.filter(pk=mark.id).exclude(case=locked).exists() for mark in marks if mark.id not in known
        ):
            raise Invalid(fields={"marks": [_("A mark has the id of a mark in another case.")]})
        TruthMark.objects.filter(case=locked).exclude(pk__in=[mark.id for mark in marks]).delete()
        for position, mark in enumerate(marks):
            row = known.get(mark.id) or TruthMark(
                id=mark.id,
                organisation_id=locked.organisation_id,
                case=locked,
                is_lesion=mark.tool in LESION_TOOLS,
            )
            _fill(row=row, mark=mark, instance=images[mark.sop_instance_uid], position=position)
            row.save()
        locked.truth_version += 1
    return case.truth_version


def set_truth(
    *,
    actor: Any,
    case: Case,
    mark_id: str,
    changes: Mapping[str, Any],
    revision: int | None = None,
    request: Any = None,
) -> TruthMark:
    """Say what a mark is: label, code ({system, code, display}), and whether it counts as a lesion."""
    row: TruthMark | None = None
    with editing(
        actor=actor, case=case, summary=_("Truth described"), revision=revision, request=request, coalesce=True
    ) as locked:
        row = next((one for one in TruthMark.objects.filter(case=locked) if str(one.pk) == mark_id), None)
        if row is None:
            raise Invalid(_("This mark was removed in the meantime."))
        if "label" in changes:
            row.label = validation.text_of(changes["label"], limit=200)
            row.mark = {**row.mark, "label": row.label}
            locked.truth_version += 1
        if "code" in changes:
            codes = validation.codes_of([{**changes["code"], "role": "finding"}] if changes["code"] else [])
            row.code = codes[0] if codes else {}
        if "is_lesion" in changes:
            row.is_lesion = bool(changes["is_lesion"])
        row.save()
    return row


def _same(*, case: Case, marks: Sequence[Mark]) -> bool:
    """Whether the stored truth has the same shapes at the same places, to a hundredth of a pixel, under the same labels."""
    stored = [stored_mark(row.mark) for row in TruthMark.objects.filter(case=case)]
    return [_shape(mark) for mark in stored] == [_shape(mark) for mark in marks]


def _shape(mark: Mark) -> tuple[Any, ...]:
    points = tuple((round(x, 2), round(y, 2)) for x, y in mark.points)
    return (mark.id, mark.tool, mark.sop_instance_uid, mark.frame, points, mark.label, mark.patient_points is None)


def _images(*, case: Case, marks: Sequence[Mark]) -> dict[str, Instance]:
    wanted = {mark.sop_instance_uid for mark in marks}
    rows = Instance.objects.filter(
        study__in=case.case_studies.values("study"), sop_instance_uid__in=wanted
    ).select_related("series")
    found = {row.sop_instance_uid: row for row in rows}
    for mark in marks:
        image = found.get(mark.sop_instance_uid)
        if image is None or image.series.series_instance_uid != mark.series_instance_uid:
            raise Invalid(fields={"marks": [_("A mark lies on an image that does not belong to this case.")]})
    return found


def _fill(*, row: TruthMark, mark: Mark, instance: Instance, position: int) -> None:
    extent = geometry.extent(mark, spacing=spacing_of(instance))
    row.position = position
    row.mark = mark.to_json()
    row.series_instance_uid = mark.series_instance_uid
    row.sop_instance_uid = mark.sop_instance_uid
    row.frame = mark.frame
    row.label = mark.label
    for name, value in geometry.to_json(extent).items():
        setattr(row, name, value)


def spacing_of(instance: Instance) -> tuple[float, float] | None:
    """Pixel Spacing (0028,0030), else Imager Pixel Spacing (0018,1164), from the DICOM JSON attributes (PS3.18 F)."""
    for tag in ("00280030", "00181164"):
        values = (instance.attributes.get(tag) or {}).get("Value") or []
        if len(values) == 2:
            try:
                return float(values[0]), float(values[1])
            except (TypeError, ValueError):
                continue
    return None


def truth_layer(case: Case) -> tuple[Mark, ...]:
    """The stored truth as marks of the viewer."""
    return tuple(stored_mark(row.mark) for row in case.truth_marks.all())
