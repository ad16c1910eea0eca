"""Breast cases."""

from __future__ import annotations

from pacsweb.demo.cases.model import Ask, CaseText, Code, Option, mark, normal_choice

BI_RADS = "American College of Radiology. *ACR BI-RADS Atlas*, 5th edition. Reston: ACR; 2013."

BREAST = (
    CaseText(
        study="breast-mass",
        title="Spiculated mass of the left breast, BI-RADS 5",
        alternative_title="49-year-old woman, screening round 3",
        history="No complaints. Earlier rounds were read as normal elsewhere; the films are not available.",
        findings="A dense mass of about 15 mm with radiating strands lies in the outer half of the left breast, seen in both "
        "projections. Fibroglandular tissue is scattered. No calcifications. The right side is unremarkable.",
        differential="- Invasive carcinoma\n- Radial scar: long thin spicules, lucent centre\n- Fat necrosis or scar: history "
        "of surgery",
        diagnosis="Mass highly suggestive of invasive carcinoma, left breast, BI-RADS 5.",
        discussion="Describe shape, margin and density before you conclude: *irregular, spiculated, high density*. It has to be "
        "found in two projections; what shows in one only may be summation. The spicules are part of the tumour or its reaction: "
        "measure the core and mention the rest. BI-RADS 5 means tissue whatever the ultrasound shows; a benign core biopsy would "
        "then be *discordant* and repeated.",
        references=f"1. {BI_RADS}",
        group="breast carcinoma",
        category="breast",
        organ_system="breast",
        anatomy="Breast",
        level="primary",
        age_band="40-49",
        sex="female",
        codes=(Code("I10", "C50.9", "Malignant neoplasm of breast, unspecified"),),
        keywords=("spiculated", "BI-RADS 5", "discordance"),
        questions=(
            mark("Outer half of the left breast; find it in both projections."),
            Ask(
                "single",
                "Core biopsy says fibrosis. What follows?",
                "Picture and tissue disagree: the sample missed it until proven otherwise.",
                (
                    Option("Repeat biopsy or excision", True, "Discordant result."),
                    Option("Control in six months", False, "Not for BI-RADS 5."),
                    Option("Back to screening", False, "Never with a discordant result."),
                    Option("MR instead of tissue", False, "A normal MR would not overrule it."),
                ),
            ),
        ),
    ),
    CaseText(
        study="breast-calcifications",
        title="Grouped fine pleomorphic calcifications: ductal carcinoma in situ",
        alternative_title="46-year-old woman, screening round 1",
        history="First invitation. No complaints; an aunt had a tumour of the breast.",
        findings="A group of fine calcifications of different shape and density within 14 mm in the right breast, central third. "
        "No "
        "mass. Heterogeneously dense tissue.",
        differential="- Sclerosing adenosis: round, punctate, both sides\n- Fibroadenoma: coarse, popcorn\n- Vessel wall: "
        "parallel tracks\n- Milk of calcium: layers in the lateral view",
        diagnosis="Suspicious grouped calcifications, right breast, BI-RADS 4C: ductal carcinoma in situ until proven otherwise.",
        discussion="Shape and distribution carry the odds: round and scattered are benign, *fine pleomorphic* or *fine linear "
        "branching* in a group, line or segment are not. Use the full pixel matrix (1:1, no interpolation) and a magnification "
        "view. The extent on the film decides how much is removed, so measure the group in both planes. Biopsy is done with "
        "stereotactic vacuum needle, and a radiograph of the cores proves that calcium is in them.",
        references=f"1. {BI_RADS}",
        group="ductal carcinoma in situ",
        category="breast",
        organ_system="breast",
        anatomy="Breast",
        level="advanced",
        age_band="40-49",
        sex="female",
        codes=(Code("I10", "D05.1", "Intraductal carcinoma in situ"),),
        keywords=("microcalcifications", "BI-RADS 4"),
        questions=(
            mark("Central third of the right breast: look at 1:1."),
            Ask(
                "multiple",
                "Which descriptors raise the suspicion?",
                "Shape and distribution both count.",
                (
                    Option("Fine pleomorphic", True, "Suspicious morphology."),
                    Option("Fine linear branching", True, "The most suspicious morphology."),
                    Option("Segmental distribution", True, "Follows a duct system."),
                    Option("Round, diffuse on both sides", False, "Typically benign."),
                    Option("Rim-shaped", False, "Typically benign."),
                ),
            ),
        ),
    ),
    CaseText(
        study="breast-normal",
        title="Normal screening examination, almost entirely fatty",
        alternative_title="72-year-old woman, screening round 8",
        history="No complaints. Last round two years ago.",
        findings="Almost entirely fatty tissue, symmetrical. No mass, no distortion, no suspicious calcification.",
        diagnosis="Normal examination of both breasts, BI-RADS 1.",
        discussion="Compare side with side, zone by zone, as mirror images; then the retroglandular fat, the inner half and the "
        "inframammary fold, where most missed tumours lie. In fatty tissue sensitivity is above 90 %, in extremely dense "
        "tissue it falls to about 60 %.",
        references=f"1. {BI_RADS}",
        group="normal breast",
        category="breast",
        organ_system="breast",
        anatomy="Breast",
        level="primary",
        age_band="70-79",
        sex="female",
        keywords=("normal", "BI-RADS 1"),
        questions=(
            mark("There is nothing to mark."),
            normal_choice(
                "BI-RADS 1, back to screening",
                (
                    ("BI-RADS 3, control in six months", "There is no finding to control."),
                    ("BI-RADS 4, biopsy", "There is no target."),
                    ("BI-RADS 0, further views", "Both projections are complete and clear."),
                ),
                "Symmetrical, fatty, clear.",
            ),
        ),
    ),
)
