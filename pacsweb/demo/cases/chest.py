"""Chest cases."""

from __future__ import annotations

from pacsweb.demo.cases.model import Ask, CaseText, Code, Option, mark, normal_choice

FLEISCHNER = (
    "MacMahon H, et al. Guidelines for management of incidental pulmonary nodules detected on CT images: from the "
    "Fleischner Society 2017. *Radiology* 2017;284:228–243."
)
GLOSSARY = (
    "Hansell DM, et al. Fleischner Society: glossary of terms for thoracic imaging. *Radiology* 2008;246:697–722."
)

CHEST = (
    CaseText(
        study="chest-nodule",
        priors=("chest-nodule-prior",),
        title="Spiculated nodule that grew: primary lung cancer until proven otherwise",
        alternative_title="69-year-old man with a cough for two months",
        history="A 69-year-old man with 40 pack-years has coughed for two months and lost four kilograms. A CT was made 18 "
        "months earlier for dyspnoea.",
        findings="A solid nodule of about 19 mm lies in the anterior right upper lobe. Its margin is lobulated, with fine "
        "strands that radiate into the lung. On the earlier CT the same place holds a nodule of 8 mm. The upper lobes are "
        "patchily lucent. There is no enlarged node and no effusion. Coronary and aortic walls are calcified.",
        differential="- Primary lung cancer, most likely adenocarcinoma\n- Organising pneumonia or a scar: would not grow "
        "steadily over 18 months\n- Granuloma: calcified or stable\n- Solitary metastasis: usually smooth",
        diagnosis="Suspected primary lung carcinoma, right upper lobe, growing and spiculated, on a background of emphysema.",
        discussion="Three features raise the odds: the *place* (upper lobe), the *margin* (spicules are tumour or fibrosis "
        "that runs along septa and vessels) and the *growth*. From 8 to 19 mm the diameter rose by a factor of 2.4 and the "
        "volume by about 13, that is 3.7 doublings in roughly 530 days: a doubling time near 140 days, well inside the "
        "range of 20 to 400 days in which most cancers fall. Always measure in the same plane and window as before, and "
        "give the average of long and short axis.\n\nThe lesson of the earlier CT: a solid 8 mm nodule in a heavy smoker "
        "needs a dated follow-up in the report. Emphysema distracts; look at each upper lobe once with nothing else in mind.",
        references=f"1. {FLEISCHNER}\n2. {GLOSSARY}\n3. National Lung Screening Trial Research Team. Reduced lung-cancer "
        "mortality with low-dose computed tomographic screening. *N Engl J Med* 2011;365:395–409.",
        group="lung carcinoma",
        category="pulmonary",
        organ_system="respiratory",
        anatomy="Right upper lobe",
        level="intermediate",
        age_band="60-69",
        sex="male",
        codes=(Code("I10", "C34.1", "Malignant neoplasm of upper lobe, bronchus or lung"),),
        keywords=("nodule", "spiculation", "growth", "volume doubling time"),
        questions=(
            mark("The lesion sits in front of the hilum, right upper lobe, on the level of the aortic arch."),
            Ask(
                "single",
                "Comparing with the earlier examination, about how many times has the volume doubled?",
                "Volume goes with the cube of the diameter: (19/8)³ ≈ 13.4, and log₂ 13.4 ≈ 3.7.",
                (
                    Option("Once", False, "That would be 8 to about 10 mm."),
                    Option("Between once and twice", False, "That confuses diameter with volume."),
                    Option("Between three and four times", True, "(19/8)³ ≈ 13.4 ≈ 2^3.7."),
                    Option("More than six times", False, "That would be a diameter beyond 32 mm."),
                ),
            ),
            Ask(
                "text",
                "Write the conclusion of your report, with the next step.",
                "A good conclusion names the suspicion, the growth and who acts next.",
                rubric=(
                    ("Names a suspected primary lung cancer", 4),
                    ("States growth compared with the prior", 3),
                    ("Recommends a dated next step (tumour board, PET/CT or tissue)", 3),
                ),
            ),
        ),
    ),
    CaseText(
        study="chest-part-solid",
        title="Part-solid nodule: adenocarcinoma spectrum",
        alternative_title="44-year-old woman, never smoker, incidental finding on an outside film",
        history="A 44-year-old woman who never smoked is sent for CT because of an indistinct opacity on a film made for "
        "immigration. She has no complaints.",
        findings="In the apicoposterior left upper lobe lies a 20 mm nodule of hazy density through which vessels stay "
        "visible; a solid core of about 8 mm lies off its centre. No spicules, no pleural tag, no enlarged nodes.",
        differential="- Minimally invasive or invasive adenocarcinoma\n- Focal infection or haemorrhage: gone in three "
        "months\n- Focal fibrosis: stable for years",
        diagnosis="Part-solid nodule, suspicious for adenocarcinoma (lepidic growth with an invasive core).",
        discussion="Ground glass hides nothing: if you can see the vessels through it, it is not consolidation. In part-solid "
        "nodules the *solid part* predicts invasion and prognosis, which is why both diameters belong in the report and why "
        "the T category uses the solid size. A solid part of 6 mm or more that persists at three to six months is highly "
        "suspicious. PET is often falsely negative because few cells are dense enough to take up tracer.",
        references=f"1. {FLEISCHNER}\n2. Travis WD, et al. International Association for the Study of Lung Cancer/American "
        "Thoracic Society/European Respiratory Society international multidisciplinary classification of lung "
        "adenocarcinoma. *J Thorac Oncol* 2011;6:244–285.",
        group="lung carcinoma",
        category="pulmonary",
        organ_system="respiratory",
        anatomy="Left upper lobe",
        level="advanced",
        age_band="40-49",
        sex="female",
        codes=(Code("I10", "C34.1", "Malignant neoplasm of upper lobe, bronchus or lung"),),
        keywords=("ground glass", "part-solid", "subsolid"),
        questions=(
            mark("Left upper lobe, behind the hilum: use a lung window and scroll slowly."),
            Ask(
                "single",
                "Which measurement carries the most weight for management?",
                "The size of the solid component tells how much of it invades.",
                (
                    Option("The largest diameter of the whole opacity", False, "Needed, but it tells less."),
                    Option("The diameter of the solid component", True, "It predicts invasion and decides follow-up."),
                    Option("The mean density of the hazy part", False, "Poorly reproducible across scanners."),
                    Option("The distance from the pleura", False, "Matters for the surgeon, not for the odds."),
                ),
            ),
        ),
    ),
    CaseText(
        study="chest-embolism",
        title="Acute pulmonary embolism in both main arteries",
        alternative_title="55-year-old woman with sudden dyspnoea at night",
        history="Nine days after knee surgery a 55-year-old woman wakes with dyspnoea. Pulse 118/min, saturation 88 % on "
        "room air.",
        findings="Low-density filling defects lie in the right main artery behind the ascending aorta and in the left main "
        "artery, each with contrast flowing around it. Heart chambers are not dilated; the septum is not displaced. Lungs "
        "are clear.",
        differential="- Flow artefact or poor opacification: ill-defined, between 80 and 150 HU, follows no wall\n- Hilar "
        "node: lies outside the lumen\n- Tumour in situ or sarcoma: expands the vessel, enhances",
        diagnosis="Acute central pulmonary embolism on both sides without signs of right heart strain.",
        discussion="Acute clot lies in the middle of the lumen with contrast around it, or meets the wall at an acute angle; "
        "chronic clot is eccentric, webbed, with an obtuse angle. Set the window wide enough (about 700 over 100): in a "
        "narrow mediastinal window dense contrast drowns small defects. Then say what the clinician must know: how central, "
        "is the right ventricle larger than the left, is there infarction. RV/LV above 1.0 in an axial image together with "
        "raised troponin moves the patient to the intermediate-high risk group.",
        references="1. Konstantinides SV, et al. 2019 ESC guidelines for the diagnosis and management of acute pulmonary "
        "embolism. *Eur Heart J* 2020;41:543–603.\n2. Stein PD, et al. Multidetector computed tomography for acute "
        "pulmonary embolism (PIOPED II). *N Engl J Med* 2006;354:2317–2327.",
        group="pulmonary embolism",
        category="emergency",
        organ_system="cardiovascular",
        anatomy="Pulmonary arteries",
        level="primary",
        age_band="50-59",
        sex="female",
        codes=(Code("I10", "I26.9", "Pulmonary embolism without mention of acute cor pulmonale"),),
        keywords=("CTPA", "filling defect", "right heart strain"),
        questions=(
            mark("One lies where the right artery crosses behind the aorta, the other at the start of the left one."),
            Ask(
                "multiple",
                "Which of these would place the patient in a higher risk group?",
                "Haemodynamics come first, then the right ventricle on imaging together with biomarkers.",
                (
                    Option("RV/LV diameter ratio above 1.0", True, "Right ventricular dysfunction on imaging."),
                    Option("Raised high-sensitivity troponin", True, "With RV dysfunction: intermediate-high risk."),
                    Option("Systolic pressure below 90 mmHg", True, "Haemodynamic instability: high risk by itself."),
                    Option(
                        "The number of segmental branches involved", False, "Clot load alone does not set the group."
                    ),
                ),
            ),
        ),
    ),
    CaseText(
        study="chest-normal",
        title="Normal CT of the chest with age-related changes",
        alternative_title="55-year-old man before surgery for a skin tumour",
        history="Staging before wide excision of a melanoma of the forearm. No complaints.",
        findings="No nodule, no enlarged node, no effusion. Calcified coronary arteries and aorta. Slight lucency of the "
        "upper lobes.",
        diagnosis="No sign of disease spread. Emphysema and arterial calcification as in many smokers of this age.",
        discussion="Calling a normal examination normal is a skill: vessels that run through the plane look like nodules "
        "on one image and like vessels on three. Scroll through every dot. Slab reconstructions of maximum intensity help "
        "to find nodules, minimum intensity shows emphysema.",
        references=f"1. {GLOSSARY}",
        group="normal chest",
        category="pulmonary",
        organ_system="respiratory",
        anatomy="Thorax",
        level="advanced",
        age_band="50-59",
        sex="male",
        keywords=("normal", "staging"),
        questions=(
            mark("There is nothing to mark: every dot is a vessel when you follow it."),
            normal_choice(
                "No focal lesion",
                (
                    ("Solitary nodule that needs follow-up", "The dots continue into vessels above and below."),
                    ("Enlarged mediastinal nodes", "All are below 10 mm in short axis."),
                    ("Interstitial fibrosis", "There is no reticulation and no traction."),
                ),
                "Nothing but what smoking and age leave behind.",
            ),
        ),
    ),
    CaseText(
        study="film-pneumothorax",
        title="Primary spontaneous pneumothorax on the left",
        alternative_title="27-year-old man with sudden pain on breathing",
        history="A tall 27-year-old man felt a sharp pain in the left side of the chest while lifting a box. He breathes fast "
        "but speaks in sentences.",
        findings="A fine line runs parallel to the left chest wall from the apex downwards; outside it there are no lung "
        "markings. The mediastinum stays in the middle. Lungs are large, diaphragms low.",
        differential="- Skin fold: an edge, not a line, and markings go on beyond it\n- Medial border of the scapula: "
        "follow it to the bone\n- Bulla: its wall is concave towards the chest wall",
        diagnosis="Primary spontaneous pneumothorax, left, without mediastinal shift.",
        discussion="Look for the *visceral pleural line* and for the absence of vessels beyond it, first at the apices "
        "and, in the supine patient, at the costophrenic angle (deep sulcus). Inverting the image or narrowing the window "
        "makes the line stand out. Size is measured at the level of the hilum in British practice (2 cm marks a large one) "
        "and from apex to cupola in American practice (3 cm). Tension is a clinical diagnosis: a shifted mediastinum and a "
        "patient in shock are treated before the radiograph.",
        references="1. MacDuff A, Arnold A, Harvey J. Management of spontaneous pneumothorax: British Thoracic Society "
        "pleural disease guideline 2010. *Thorax* 2010;65(Suppl 2):ii18–ii31.",
        group="pneumothorax",
        category="emergency",
        organ_system="respiratory",
        anatomy="Pleura",
        level="primary",
        age_band="18-29",
        sex="male",
        codes=(Code("I10", "J93.1", "Other spontaneous pneumothorax"),),
        keywords=("pleural line", "apex"),
        questions=(
            mark("A mark anywhere in the rim of air between pleural line and chest wall counts."),
            Ask(
                "single",
                "Which sign tells this line from a skin fold?",
                "A fold is an edge between two densities; lung markings continue beyond it.",
                (
                    Option(
                        "It is a thin line with no lung markings beyond it",
                        True,
                        "Pleura seen edge on, air on both sides.",
                    ),
                    Option("It reaches the diaphragm", False, "Folds can do that as well."),
                    Option("It is convex towards the chest wall", False, "So are folds, often."),
                    Option("It is denser than a rib", False, "Neither of them is."),
                ),
            ),
        ),
    ),
    CaseText(
        study="film-pneumonia",
        title="Lobar pneumonia with air bronchograms, right lower zone",
        alternative_title="36-year-old woman with fever and rigors",
        history="Three days of fever, rigors and rusty sputum in a 36-year-old woman without previous illness.",
        findings="Ill-defined opacity in the right lower zone with branching lucencies inside it. The right heart border "
        "stays sharp in its upper part. No effusion. The left lung is clear.",
        differential="- Aspiration: dependent segments, history\n- Pulmonary infarct: pleural base, no bronchograms\n- "
        "Adenocarcinoma with lepidic growth: weeks to months, does not clear",
        diagnosis="Community-acquired lobar pneumonia, right lower zone.",
        discussion="An air bronchogram proves that the opacity lies *in the lung*: air-filled bronchi show because the "
        "alveoli round them are full. The silhouette sign tells where: a lost right heart border means middle lobe, a lost "
        "hemidiaphragm lower lobe. Treatment is not decided by the picture, but the picture finds complications: effusion, "
        "cavity, an obstructing mass. Smokers above fifty get a second film after six to eight weeks.",
        references="1. Felson B, Felson H. Localization of intrathoracic lesions by means of the postero-anterior "
        "roentgenogram: the silhouette sign. *Radiology* 1950;55:363–374.\n2. Metlay JP, et al. Diagnosis and treatment of "
        "adults with community-acquired pneumonia. *Am J Respir Crit Care Med* 2019;200:e45–e67.",
        group="pneumonia",
        category="pulmonary",
        organ_system="respiratory",
        anatomy="Right lower lobe",
        level="primary",
        age_band="30-39",
        sex="female",
        codes=(Code("I10", "J18.1", "Lobar pneumonia, unspecified"),),
        keywords=("consolidation", "air bronchogram", "silhouette sign"),
        questions=(
            mark("The opacity lies above the right diaphragm, lateral to the heart."),
            Ask(
                "single",
                "What do branching lucencies inside an opacity prove?",
                "They are patent bronchi in airless lung.",
                (
                    Option("The opacity lies in the lung itself", True, "Bronchi are seen against airless alveoli."),
                    Option("There is a cavity", False, "A cavity does not branch."),
                    Option("The opacity is pleural", False, "Pleura has no bronchi."),
                    Option("A bronchus is obstructed", False, "Then its air would be resorbed."),
                ),
            ),
        ),
    ),
    CaseText(
        study="film-nodule",
        title="Easily missed nodule behind crossing ribs, left upper zone",
        alternative_title="77-year-old man before hip replacement",
        history="Routine film before surgery. Former smoker. No chest complaints.",
        findings="A round opacity of about 19 mm projects over crossing ribs in the left upper zone, next to the mediastinum. "
        "Heart and pleura are unremarkable.",
        differential="- Lung cancer\n- Granuloma: often calcified\n- Rib lesion, costochondral ossification, nipple: check a "
        "second view",
        diagnosis="Solitary pulmonary nodule, left upper zone: CT needed.",
        discussion="Most cancers missed on a film lie in the upper lobes, are about two centimetres wide and hide behind "
        "bone. Three habits help: compare left with right zone by zone, look on purpose at the places that hide things "
        "(apices, hila, behind heart and diaphragm, bones), and look again when you have found something, because "
        "*satisfaction of search* ends the reading too early.",
        references="1. Berbaum KS, et al. Satisfaction of search in diagnostic radiology. *Invest Radiol* "
        f"1990;25:133–140.\n2. {FLEISCHNER}",
        group="solitary pulmonary nodule",
        category="pulmonary",
        organ_system="respiratory",
        anatomy="Left upper lobe",
        level="intermediate",
        age_band="70-79",
        sex="male",
        codes=(Code("I10", "R91", "Abnormal findings on diagnostic imaging of lung"),),
        keywords=("missed", "satisfaction of search"),
        questions=(
            mark("Between the second and third anterior rib on the left, beside the aortic arch."),
            Ask(
                "single",
                "What is the right next step?",
                "Age and smoking make it suspicious; the earlier film, if there is one, is the cheapest test.",
                (
                    Option(
                        "Compare with earlier films, then CT", True, "Stability over two years would change everything."
                    ),
                    Option("Repeat the film in twelve months", False, "Too late for what it may be."),
                    Option("Biopsy at once", False, "Not before CT has shown what and where it is."),
                    Option("Nothing: it is a rib crossing", False, "Rib margins do not account for its lower edge."),
                ),
            ),
        ),
    ),
    CaseText(
        study="film-effusion",
        title="Left pleural effusion with a meniscus",
        alternative_title="72-year-old woman, breathless on stairs",
        history="For three weeks a 72-year-old woman has been short of breath on stairs. Percussion is dull at the left base.",
        findings="Homogeneous opacity at the left base that climbs along the lateral wall with a concave upper border. The left "
        "costophrenic angle and diaphragm are lost. The mediastinum is central.",
        differential="- Lower lobe collapse: volume is lost, mediastinum drawn over\n- Consolidation: air bronchograms, no "
        "meniscus\n- Raised diaphragm: the stomach bubble rises with it",
        diagnosis="Pleural effusion, left, of moderate size.",
        discussion="About 200 ml are needed before the lateral angle blunts on an upright frontal film; the lateral view shows "
        "75 ml, ultrasound far less. If the whole side is white and the mediastinum is pushed away, think fluid; if it is "
        "drawn over, think collapse; if it stays in the middle, think both, which means an obstructing tumour. Unilateral "
        "fluid without heart failure should be tapped, under ultrasound guidance.",
        references="1. Light RW. Pleural effusion. *N Engl J Med* 2002;346:1971–1977.",
        group="pleural effusion",
        category="pulmonary",
        organ_system="respiratory",
        anatomy="Pleura",
        level="primary",
        age_band="70-79",
        sex="female",
        codes=(Code("I10", "J90", "Pleural effusion, not elsewhere classified"),),
        keywords=("meniscus", "costophrenic angle"),
        questions=(
            mark("Anywhere in the opacity below its concave border."),
            Ask(
                "single",
                "A white side with the mediastinum exactly in the middle suggests…",
                "Push and pull balance each other.",
                (
                    Option("fluid and collapse together", True, "Think of an obstructing central tumour."),
                    Option("fluid alone", False, "It would push the mediastinum away."),
                    Option("collapse alone", False, "It would draw the mediastinum over."),
                    Option("pneumonectomy", False, "The mediastinum is drawn over after it."),
                ),
            ),
        ),
    ),
    CaseText(
        study="film-normal",
        title="Normal chest radiograph",
        alternative_title="50-year-old man before hip replacement",
        history="Routine film before surgery. No chest complaints.",
        findings="Lungs clear, heart of normal size, costophrenic angles sharp. No bone lesion.",
        diagnosis="Normal chest radiograph.",
        discussion="Have an order and keep to it: patient and projection, lines and tubes, mediastinum, heart, hila, lungs zone "
        "by zone against each other, pleura, diaphragm and what lies below, bones, soft tissue. Then the four places that "
        "hide things once more.",
        group="normal chest film",
        category="pulmonary",
        organ_system="respiratory",
        anatomy="Thorax",
        level="primary",
        age_band="50-59",
        sex="male",
        keywords=("normal", "systematic reading"),
        questions=(
            mark("There is nothing to mark."),
            normal_choice(
                "Normal",
                (
                    ("Enlarged heart", "Less than half of the inner width of the thorax."),
                    ("Enlarged hila", "Vessels taper and branch as they should."),
                    ("Nodule in an upper zone", "Crossing ribs; compare the other side."),
                ),
                "Every structure is where it should be.",
            ),
        ),
    ),
)
