"""The texts of the demo's teaching cases."""

from __future__ import annotations

from dataclasses import replace

from pacsweb.demo.cases.abdomen import ABDOMEN
from pacsweb.demo.cases.bones import BONES
from pacsweb.demo.cases.breast import BREAST
from pacsweb.demo.cases.chest import CHEST
from pacsweb.demo.cases.conclusions import neutral
from pacsweb.demo.cases.model import MARK_STEM, Ask, CaseText, Code, Option
from pacsweb.demo.cases.neuro import NEURO

CASES: tuple[CaseText, ...] = tuple(map(neutral, (*CHEST, *NEURO, *ABDOMEN, *BONES, *BREAST)))

#: What the partner teaches with its own study: the same subject, its own words, nothing shared with the demo hospital.
PARTNER_CASES: tuple[CaseText, ...] = tuple(
    replace(
        case,
        study="partner-film",
        title="Left upper zone consolidation",
        alternative_title="48-year-old woman with fever and a cough",
        history="Fever and dry cough for five days in a 48-year-old woman.",
        findings="Ill-defined opacity with air bronchograms in the left upper zone. The aortic knob is veiled.",
        diagnosis="Pneumonia of the left upper lobe.",
        discussion="The veiled aortic knob places it in the apicoposterior segment: the silhouette sign again.",
        differential="- Tuberculosis: cavity, nodes, weeks\n- Obstructing tumour: volume loss",
        age_band="40-49",
        anatomy="Left upper lobe",
        library="partner",
    )
    for case in CASES
    if case.study == "film-pneumonia"
)

__all__ = ["CASES", "MARK_STEM", "PARTNER_CASES", "Ask", "CaseText", "Code", "Option"]
