"""What editors see of a case: the editor's panel, the preview, and the manifest in author mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from archive.models import Series, Study
from deid.domain.findings import Reason
from deid.models import DeidentificationRun
from deid.reasons import EXPLANATIONS, Explanation
from teaching import pinned, queries, vocabulary
from teaching.domain import content as documents
from teaching.domain import markup
from teaching.domain import questions as rules
from teaching.models import Case, CaseSection, Question
from teaching.pinned import TELLING_MODALITIES
from teaching.services.snapshot import content_of
from teaching.services.truth import truth_layer
from viewer import services as viewer
from viewer.domain import manifest as contract

FAULTS = {
    "stem": gettext_lazy("The question is not written yet."),
    "points": gettext_lazy("Points go from 1 to 100."),
    "options-count": gettext_lazy("A choice needs 2 to 12 options."),
    "options-empty": gettext_lazy("An option is empty."),
    "options-same": gettext_lazy("Two options are the same."),
    "one-right": gettext_lazy("Tick the one right option."),
    "some-right": gettext_lazy("Tick at least one right option."),
    "max-marks": gettext_lazy("Say how many marks may be made."),
    "rubric": gettext_lazy("Write what a full answer says, line by line."),
    "rubric-empty": gettext_lazy("A line of the rubric is empty."),
    "rubric-points": gettext_lazy("The rubric gives no points."),
    "confidence": gettext_lazy("A confidence scale has 2 to 100 steps."),
    "kind": gettext_lazy("This kind of question is not known."),
}


def studies_of(case: Case) -> list[Study]:
    rows = case.case_studies.select_related("study__archive__organisation", "study__organisation", "study__patient")
    return [row.study for row in rows]


def author_manifest(*, case: Case, studies: Sequence[Study], session: Any, organisation: str) -> contract.Manifest:
    main = next((row.study for row in case.case_studies.all() if not row.is_prior), None)
    return viewer.build_manifest(
        mode="author",
        key=f"case:{case.public_id}",
        title=case.title,
        subtitle=str(case.library),
        back=contract.Link(
            label=str(case.library),
            href=reverse("teaching:library", kwargs={"organisation": organisation, "library": case.library.slug}),
        ),
        studies=studies,
        main_study=main,
        named_priors={row.study_id for row in case.case_studies.all() if row.is_prior},
        session=session,
        layout=layout_of(case.layout),
        layers=[
            contract.Layer(
                name="truth",
                label=_("Truth"),
                role="truth",
                editable=True,
                version=case.truth_version,
                marks=truth_layer(case),
            )
        ],
        save_url=reverse("teaching:case-marks", kwargs={"organisation": organisation, "case": case.public_id}),
        mark_form=contract.MarkForm(
            fields=(contract.MarkField(name="label", label=_("What is it?"), kind="text"),), ask=False
        ),
    )


def layout_of(stored: Mapping[str, Any]) -> contract.Layout:
    if not stored.get("viewports"):
        return contract.Layout()
    return contract.Layout(
        rows=int(stored["rows"]),
        columns=int(stored["columns"]),
        viewports=tuple(
            contract.ViewportPreset(
                series=preset.get("series"),
                sop=preset.get("sop"),
                frame=int(preset.get("frame") or 1),
                window=contract.Window(**preset["window"]) if preset.get("window") else None,
                invert=bool(preset.get("invert")),
            )
            for preset in stored["viewports"]
        ),
    )


def editor_context(case: Case, *, user: Any) -> dict[str, Any]:
    content = content_of(case)
    library = case.library
    publishing = publishing_context(case, content=content)
    # For the cell of the state, as in lists.
    case.has_new_images = case.state == Case.State.PUBLISHED and bool(publishing["new_images"])  # type: ignore[attr-defined]
    return {
        "case": case,
        "library": library,
        "may_edit": queries.libraries_with(user, "teaching.edit_cases").filter(pk=library.pk).exists(),
        "may_publish": queries.libraries_with(user, "teaching.publish_cases").filter(pk=library.pk).exists(),
        "may_share": case.state == Case.State.PUBLISHED
        and queries.libraries_with(user, "teaching.share_library").filter(pk=library.pk).exists(),
        "may_review": queries.libraries_with(user, "teaching.review_cases").filter(pk=library.pk).exists(),
        "sections": sections_of(case),
        "questions": questions_of(case),
        "truth": list(case.truth_marks.all()),
        "visibilities": CaseSection.Visibility.choices,
        "section_kinds": CaseSection.Kind.choices,
        "question_kinds": Question.Kind.choices,
        "vocabulary": vocabulary_choices(),
        **publishing,
    }


def vocabulary_choices() -> dict[str, Any]:
    return {
        "category": vocabulary.CATEGORIES,
        "organ_system": vocabulary.ORGAN_SYSTEMS,
        "level": vocabulary.LEVELS,
        "certainty": vocabulary.CERTAINTIES,
        "age_band": vocabulary.AGE_BANDS,
        "sex": vocabulary.SEXES,
        "licence": vocabulary.LICENCES,
        "code_systems": vocabulary.CODE_SYSTEMS,
        "code_roles": vocabulary.CODE_ROLES,
    }


def publishing_context(case: Case, *, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    checks = queries.checklist_of(case=case, content=content or content_of(case))
    return {
        "case": case,
        "checks": [{"check": check, "sentence": queries.check_sentence(check)} for check in checks],
        "blocking": sum(check.blocks for check in checks),
        "review": case.reviews.select_related("requested_by", "reviewer").first(),
        "is_approved": queries.is_approved(case=case),
        "held_back": held_back_rows(case),
        "held_url": held_url(case),
        "new_images": pinned.new_images(case).count(),
        "versions": list(case.versions.select_related("published_by")[:10]),
    }


def held_url(case: Case) -> str:
    """The run whose held images wait for a decision, where they are looked at, released or left out; "" when none do."""
    if not case.held_back or case.held_back_resolved or not case.deid_run_key:
        return ""
    run = DeidentificationRun.objects.filter(pk=case.deid_run_key).first()
    if run is None:
        return ""
    return reverse("deid:run", kwargs={"organisation": case.organisation.slug, "run": run.public_id})


def held_back_rows(case: Case) -> list[dict[str, Any]]:
    """Why images were held back, in words, with how many of them."""
    rows = []
    for entry in case.held_back:
        explained = [explanation_of(reason) for reason in entry.get("reasons", ()) if reason]
        rows.append(
            {
                "count": entry.get("count", 1),
                "open": entry.get("open", entry.get("count", 1)),
                "title": ", ".join(str(one.title) for one in explained) or _("Held back"),
                "sentence": " ".join(str(one.sentence) for one in explained),
            }
        )
    return rows


def explanation_of(code: str) -> Explanation:
    return EXPLANATIONS[Reason(code)]


def sections_of(case: Case) -> list[CaseSection]:
    return list(case.sections.all())


def questions_of(case: Case) -> list[dict[str, Any]]:
    return [question_row(row, number=number) for number, row in enumerate(case.questions.all(), start=1)]


def question_row(row: Question, *, number: int) -> dict[str, Any]:
    found = rules.faults(
        {
            "kind": row.kind,
            "stem": row.stem,
            "points": row.points,
            "options": row.options,
            "rubric": row.rubric,
            "max_marks": row.max_marks,
            "asks_confidence": row.asks_confidence,
            "confidence_levels": row.confidence_levels,
        }
    )
    return {"row": row, "number": number, "faults": [FAULTS[code] for code in found]}


def preview_of(case: Case, *, revealed: bool) -> dict[str, Any]:
    """The trainee's view of the working copy, by the very function that makes the real one."""
    content = content_of(case)
    view = documents.learner_view(content, revealed=revealed, today=timezone.localdate())
    return {
        "case": case,
        "view": view,
        "revealed": revealed,
        "abstract_html": markup.to_html(view["alternative_abstract"]),
        "sections": [{**s, "html": markup.to_html(s["body"])} for s in view["sections"]],
        "questions": [
            {
                **q,
                "html": markup.to_html(q["stem"]),
                "explanation_html": markup.to_html(q.get("explanation", "")),
                "steps": range(1, int(q["confidence_levels"]) + 1),
            }
            for q in view["questions"]
        ],
        "diagnosis": markup.first_line(documents.diagnosis_text(content)) if revealed else "",
    }


def thumbnails(cases: Sequence[Case], *, organisation: str) -> dict[int, str]:
    """Case → address of the thumbnail of its first image series; two queries."""
    from teaching.models import CaseStudy

    links = CaseStudy.objects.filter(case__in=cases).select_related("study__archive").order_by("-position")
    first = {link.case_id: link.study for link in links}
    series = {
        row.study_id: row
        for row in Series.objects.filter(study__in=first.values())
        .exclude(modality__in=TELLING_MODALITIES)
        .order_by("-series_number")
    }
    return {
        case: f"/o/{organisation}/dicomweb/{study.archive.slug}/studies/{study.study_instance_uid}"
        f"/series/{series[study.pk].series_instance_uid}/thumbnail"
        for case, study in first.items()
        if study.pk in series
    }
