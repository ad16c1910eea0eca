"""What every case of the demo asks, in the same words whatever there is to find.

A question is read before the answer: one that only fits a pneumothorax, or that only normals are asked, gives the case away.
So each case asks for marks and for a conclusion among four, "normal" always being one of them; two ask for a report as well.
What was worth asking about a finding stands in the discussion, which comes after the answer.
"""

from __future__ import annotations

from dataclasses import replace

from pacsweb.demo.cases.model import Ask, CaseText, Option

CONCLUSION_STEM = "What is your conclusion?"
REPORT_STEM = "Write the conclusion of your report, with the next step."

#: Study → the right conclusion and three wrong ones, each with why it is wrong.
CONCLUSIONS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "chest-nodule": (
        "Suspected primary lung cancer",
        (
            ("Scar after pneumonia", "A scar does not grow over 18 months."),
            ("Granuloma", "Neither calcified nor stable."),
            ("No focal lesion", "A spiculated nodule lies in the right upper lobe."),
        ),
    ),
    "chest-part-solid": (
        "Adenocarcinoma spectrum",
        (
            ("Focal infection", "It would be gone in three months."),
            ("Focal fibrosis", "It would be stable for years, without a solid part that grows."),
            ("No focal lesion", "A part-solid nodule lies behind the left hilum."),
        ),
    ),
    "chest-embolism": (
        "Acute pulmonary embolism",
        (
            ("Flow artefact", "The defects are sharp and follow the vessel."),
            ("Hilar lymph nodes", "The defects lie inside the lumen."),
            ("No focal lesion", "Both main arteries hold filling defects."),
        ),
    ),
    "film-pneumothorax": (
        "Pneumothorax",
        (
            ("Skin fold", "An edge, not a line, and markings would go on beyond it."),
            ("Bulla", "Its wall would be concave towards the chest wall."),
            ("Normal", "A pleural line without markings beyond it is visible on the left."),
        ),
    ),
    "film-pneumonia": (
        "Lobar pneumonia",
        (
            ("Pulmonary infarct", "It would lie on the pleura, without air bronchograms."),
            ("Lobar collapse", "There is no loss of volume."),
            ("Normal", "The right lower zone is opaque, with air bronchograms."),
        ),
    ),
    "film-nodule": (
        "Nodule that needs CT",
        (
            ("Healed rib fracture", "The shadow does not follow a rib."),
            ("Nipple shadow", "Too high, and there is no second one."),
            ("Normal", "A nodule lies behind crossing ribs in the left upper zone."),
        ),
    ),
    "film-effusion": (
        "Pleural effusion",
        (
            ("Lower lobe collapse", "The mediastinum is not drawn over."),
            ("Consolidation", "There are no air bronchograms, but a meniscus."),
            ("Normal", "The left angle is filled with a concave upper border."),
        ),
    ),
    "head-subdural": (
        "Acute subdural haematoma",
        (
            ("Epidural haematoma", "That would be biconvex and stopped by sutures."),
            ("Hygroma", "That would have the density of CSF."),
            ("Normal", "A dense crescent displaces the midline."),
        ),
    ),
    "head-epidural": (
        "Epidural haematoma",
        (
            ("Acute subdural haematoma", "That would be a crescent that crosses sutures."),
            ("Meningioma", "That would enhance, with a slow history."),
            ("Normal", "A dense lens lies under the right temporal bone."),
        ),
    ),
    "head-haematoma": (
        "Hypertensive haemorrhage",
        (
            ("Haemorrhagic infarct", "That would follow a territory."),
            ("Amyloid angiopathy", "That would be lobar."),
            ("Normal", "A dense focus fills the right putamen."),
        ),
    ),
    "brain-metastasis": (
        "Metastases",
        (
            ("Glioblastoma", "Usually single, with a thicker irregular ring."),
            ("Abscess", "The centre would be bright on diffusion."),
            ("Normal", "There are two enhancing lesions."),
        ),
    ),
    "brain-plaques": (
        "Multiple sclerosis",
        (
            ("Small vessel disease", "Older patients; it spares the corpus callosum and the U-fibres."),
            ("Acute disseminated encephalomyelitis", "One time, large, after an infection."),
            ("Normal", "There are four lesions of the white matter."),
        ),
    ),
    "brain-infarct": (
        "Acute infarct",
        (
            ("Encephalitis", "Temporal, over days, with fever."),
            ("Oedema after a seizure", "Cortical, across territories."),
            ("Normal", "The left insula is bright on diffusion."),
        ),
    ),
    "abdomen-metastases": (
        "Liver metastases",
        (
            ("Cysts", "They would have the density of water and a razor-sharp border."),
            ("Haemangiomas", "They would enhance in nodules from the edge."),
            ("Normal", "There are three lesions in the liver."),
        ),
    ),
    "abdomen-stone": (
        "Obstructing ureteric stone",
        (
            ("Phlebolith", "That would have a lucent centre and lie below the course of the ureter."),
            ("Pelviureteric junction stenosis", "The ureter is wide as far as the stone."),
            ("Normal", "A dense focus lies in the left ureter, which is wide above it."),
        ),
    ),
    "abdomen-appendix": (
        "Acute appendicitis",
        (
            ("Caecal diverticulitis", "It would lie beside a normal appendix."),
            ("Terminal ileitis", "The ileum is thin."),
            ("Normal", "The appendix is wide, with streaky fat round it."),
        ),
    ),
    "ultrasound-gallstone": (
        "Gallstone",
        (
            ("Polyp", "It would throw no shadow and not move."),
            ("Sludge", "It would throw no shadow."),
            ("Normal", "A bright focus with a shadow lies in the gallbladder."),
        ),
    ),
    "wrist-fracture": (
        "Fracture of the distal radius",
        (
            ("Scaphoid fracture", "The scaphoid is intact."),
            ("Scapholunate dissociation", "The gap is of normal width."),
            ("Normal", "A line crosses the metaphysis of the radius."),
        ),
    ),
    "wrist-scaphoid": (
        "Scaphoid fracture",
        (
            ("Bipartite scaphoid", "That would be rounded and on both sides."),
            ("Fracture of the distal radius", "The radius is intact."),
            ("Normal", "A line crosses the waist of the scaphoid."),
        ),
    ),
    "wrist-buckle": (
        "Buckle fracture",
        (
            ("Greenstick fracture", "One cortex would be broken and the other bent."),
            ("Salter-Harris II fracture", "The line would reach the growth plate."),
            ("Normal", "Both cortices of the radius bulge."),
        ),
    ),
    "hip-fracture": (
        "Fracture of the femoral neck",
        (
            ("Trochanteric fracture", "The line lies inside the capsule."),
            ("Pubic ramus fracture", "The ring is intact."),
            ("Normal", "A line crosses the neck below the head."),
        ),
    ),
    "breast-mass": (
        "BI-RADS 5, biopsy",
        (
            ("BI-RADS 1, back to screening", "A spiculated mass lies in the outer half of the left breast."),
            ("BI-RADS 3, control in six months", "Spicules are not probably benign."),
            ("BI-RADS 0, further views", "Both projections show it: nothing more is needed to decide."),
        ),
    ),
    "breast-calcifications": (
        "BI-RADS 4, biopsy",
        (
            ("BI-RADS 1, back to screening", "Fine pleomorphic calcifications lie in the middle of the right breast."),
            ("BI-RADS 3, control in six months", "Grouped and pleomorphic is not probably benign."),
            ("BI-RADS 2, back to screening", "They are neither coarse nor round."),
        ),
    ),
}  # fmt: skip

#: Cases that ask for a report in words, and what a full one says. One of them is normal.
REPORTS: dict[str, tuple[tuple[str, int], ...]] = {
    "chest-nodule": (
        ("Names a suspected primary lung cancer", 4),
        ("States growth compared with the prior", 3),
        ("Recommends a dated next step (tumour board, PET/CT or tissue)", 3),
    ),
    "chest-normal": (
        ("Says that there is no focal lesion", 4),
        ("Names the changes of age as such", 3),
        ("Recommends no further imaging", 3),
    ),
}


def neutral(text: CaseText) -> CaseText:
    """The case with the questions that every case asks; what it asked about its finding goes into the discussion."""
    marks = [ask for ask in text.questions if ask.kind == "mark"]
    conclusion = next((ask for ask in text.questions if ask.stem == CONCLUSION_STEM), None)
    others = [ask for ask in text.questions if ask not in marks and ask is not conclusion and ask.kind != "text"]
    asked = [*marks, conclusion or _conclusion(text)]
    if text.study in REPORTS:
        asked.append(Ask("text", REPORT_STEM, "", rubric=REPORTS[text.study]))
    return replace(text, questions=tuple(asked), discussion="\n\n".join([text.discussion, *map(_in_words, others)]))


def _conclusion(text: CaseText) -> Ask:
    right, wrong = CONCLUSIONS[text.study]
    options = (Option(right, True, text.diagnosis), *(Option(name, False, why) for name, why in wrong))
    return Ask("single", CONCLUSION_STEM, text.diagnosis, options)


def _in_words(ask: Ask) -> str:
    answers = [f"- {option.text}: {option.why}" for option in ask.options if option.correct]
    return "\n".join([f"**{ask.stem}** {ask.explanation}", "", *answers])
