"""Between the rows of a working copy and the one document of it (`teaching.domain.content`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from archive.models import Study
from teaching.domain import content as documents
from teaching.models import Case, CaseSection, CaseStudy, Question, TruthMark

PLAIN_FIELDS = (
    "title", "abstract", "alternative_title", "alternative_abstract", "category", "organ_system", "modality", "anatomy",
    "level", "certainty", "licence", "diagnosis_group", "is_normal",
)  # fmt: skip
LIST_FIELDS = ("authors", "keywords", "codes", "key_images")
QUESTION_FIELDS = (
    "kind", "stem", "explanation", "points", "options", "shuffle", "asks_confidence", "confidence_levels", "max_marks",
    "rubric", "scored_by",
)  # fmt: skip


def content_of(case: Case) -> documents.Content:
    """The working copy as a document. Five queries."""
    content: documents.Content = {"schema": documents.SCHEMA}
    content |= {name: getattr(case, name) for name in PLAIN_FIELDS}
    content |= {name: list(getattr(case, name)) for name in LIST_FIELDS}
    content["patient"] = {"age_band": case.age_band, "sex": case.sex}
    content["layout"] = dict(case.layout)
    content["sections"] = [section_document(row) for row in case.sections.all()]
    content["studies"] = [
        {"id": row.study.public_id, "uid": row.study.study_instance_uid, "is_prior": row.is_prior}
        for row in case.case_studies.select_related("study")
    ]
    content["truth"] = [truth_document(row) for row in case.truth_marks.all()]
    content["questions"] = [question_document(row) for row in case.questions.all()]
    return content


def section_document(row: CaseSection) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "kind": row.kind,
        "heading": row.heading,
        "title": row.title,
        "body": row.body,
        "visibility": row.visibility,
        "visible_from": row.visible_from.isoformat() if row.visible_from else None,
    }


def truth_document(row: TruthMark) -> dict[str, Any]:
    names = ("mark", "label", "code", "is_lesion", "centre_mm", "radius_mm", "spacing_mm")
    return {"id": str(row.pk), **{name: getattr(row, name) for name in names}}


def question_document(row: Question) -> dict[str, Any]:
    return {"id": row.public_id, **{name: getattr(row, name) for name in QUESTION_FIELDS}}


def apply(*, case: Case, content: Mapping[str, Any]) -> None:
    """Make the working copy what the document says. The case row is changed in memory only; the caller saves it.

    What differs from before counts as changed by this edit, so that a page that shows the earlier text does not
    overwrite it.
    """
    names = (*PLAIN_FIELDS, *LIST_FIELDS, "layout", "age_band", "sex")
    values = {**content, "age_band": "", "sex": "", **content.get("patient", {})}
    for name in names:
        if name in values and getattr(case, name) != values[name]:
            setattr(case, name, values[name])
            case.field_versions[name] = case.revision + 1
    _apply_sections(case=case, content=content)
    _apply_questions(case=case, content=content)
    _apply_truth(case=case, content=content)
    _apply_studies(case=case, content=content)


def _apply_sections(*, case: Case, content: Mapping[str, Any]) -> None:
    before = {row.public_id: row for row in CaseSection.objects.filter(case=case)}
    CaseSection.objects.filter(case=case).delete()
    CaseSection.objects.bulk_create(
        CaseSection(
            organisation_id=case.organisation_id,
            case=case,
            public_id=row["id"],
            kind=row["kind"],
            heading=row["heading"],
            body=row["body"],
            visibility=row["visibility"],
            visible_from=date.fromisoformat(row["visible_from"]) if row["visible_from"] else None,
            position=position,
            version=_version(before.get(row["id"]), row=row, document=section_document, case=case),
        )
        for position, row in enumerate(content.get("sections", ()))
    )


def _version(before: Any, *, row: Mapping[str, Any], document: Callable[[Any], dict[str, Any]], case: Case) -> int:
    """The version of a part after it was set to `row`: a new one unless it says the same as before."""
    if before is not None and document(before) == row:
        return int(before.version)
    return case.revision + 1


def _apply_questions(*, case: Case, content: Mapping[str, Any]) -> None:
    before = {row.public_id: row for row in Question.objects.filter(case=case)}
    Question.objects.filter(case=case).delete()
    Question.objects.bulk_create(
        Question(
            organisation_id=case.organisation_id,
            case=case,
            public_id=row["id"],
            position=position,
            version=_version(before.get(row["id"]), row=row, document=question_document, case=case),
            **{name: row[name] for name in QUESTION_FIELDS},
        )
        for position, row in enumerate(content.get("questions", ()))
    )


def _apply_truth(*, case: Case, content: Mapping[str, Any]) -> None:
    TruthMark.objects.filter(case=case).delete()
    TruthMark.objects.bulk_create(
        TruthMark(
            id=row["id"],
            organisation_id=case.organisation_id,
            case=case,
            position=position,
            mark=row["mark"],
            series_instance_uid=row["mark"]["series_instance_uid"],
            sop_instance_uid=row["mark"]["sop_instance_uid"],
            frame=row["mark"]["frame"],
            label=row["label"],
            code=row["code"],
            is_lesion=row["is_lesion"],
            centre_mm=row["centre_mm"],
            radius_mm=row["radius_mm"],
            spacing_mm=row["spacing_mm"],
        )
        for position, row in enumerate(content.get("truth", ()))
    )
    case.truth_version += 1


def _apply_studies(*, case: Case, content: Mapping[str, Any]) -> None:
    rows = content.get("studies", ())
    found = {s.public_id: s for s in Study.objects.filter(public_id__in=[row["id"] for row in rows])}
    CaseStudy.objects.filter(case=case).delete()
    CaseStudy.objects.bulk_create(
        CaseStudy(
            organisation_id=case.organisation_id,
            case=case,
            study=found[row["id"]],
            position=position,
            is_prior=row["is_prior"],
        )
        for position, row in enumerate(rows)
        if row["id"] in found
    )
