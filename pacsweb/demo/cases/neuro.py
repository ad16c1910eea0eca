"""Neuroradiology cases."""

from __future__ import annotations

from pacsweb.demo.cases.model import Ask, CaseText, Code, Option, mark, normal_choice

NEURO = (
    CaseText(
        study="head-subdural",
        title="Acute subdural haematoma with midline shift",
        alternative_title="83-year-old woman, drowsy after a fall",
        history="An 83-year-old woman on apixaban fell in the bathroom and has become drowsy within three hours.",
        findings="A dense crescent follows the left convexity from frontal to parietal, up to 12 mm thick. It crosses no "
        "midline. The left lateral ventricle is narrowed, the septum displaced to the right by about 5 mm. No fracture on "
        "this window.",
        differential="- Epidural haematoma: biconvex, stopped by sutures\n- Empyema: fever, low density, rim enhancement\n- "
        "Hygroma: density of CSF",
        diagnosis="Acute subdural haematoma, left convexity, 12 mm, with 5 mm midline shift.",
        discussion="A subdural collection may cross sutures but not the falx or the tentorium, hence the crescent. Acute blood "
        "measures 60–80 HU; in anaemia or with active bleeding it may look like brain, and then displaced sulci and cortex are "
        "the clue. Use a window of about 80/40 *and* a wider one (200/70) to tell thin collections from bone. Report the "
        "greatest thickness, the shift at the septum and the basal cisterns: more than 10 mm or more than 5 mm of shift is "
        "an indication for surgery whatever the coma score.",
        references="1. Bullock MR, et al. Surgical management of acute subdural hematomas. *Neurosurgery* 2006;58(3 "
        "Suppl):S16–S24.",
        group="subdural haematoma",
        category="emergency",
        organ_system="nervous",
        anatomy="Subdural space",
        level="primary",
        age_band="80-89",
        sex="female",
        codes=(Code("I10", "S06.5", "Traumatic subdural haemorrhage"),),
        keywords=("crescent", "midline shift", "anticoagulation"),
        questions=(
            mark("A mark anywhere inside the crescent counts."),
            Ask(
                "single",
                "Which measurement alone would make surgery advisable?",
                "Thickness above 10 mm or shift above 5 mm, regardless of the Glasgow Coma Scale.",
                (
                    Option("Thickness above 10 mm", True, "One of the two criteria of the guideline."),
                    Option("Length above 8 cm", False, "Length is no criterion."),
                    Option("Density above 70 HU", False, "It tells the age, not the danger."),
                    Option("Age above 80 years", False, "Matters for prognosis and choice, not as a threshold."),
                ),
            ),
        ),
    ),
    CaseText(
        study="head-epidural",
        title="Epidural haematoma in the right temporal region",
        alternative_title="53-year-old man, lucid after a blow, now vomiting",
        history="A hockey ball struck a 53-year-old man above the right ear. He stood up, felt well for an hour, then vomited and "
        "became confused.",
        findings="A dense lens-shaped collection up to 19 mm thick lies under the right temporal bone. The ventricles and the "
        "septum are displaced to the left.",
        differential="- Subdural haematoma: crescent, crosses sutures\n- Extra-axial tumour: enhances, slow history",
        diagnosis="Acute epidural haematoma, right temporal, with mass effect.",
        discussion="Blood from the middle meningeal artery strips the dura from the skull but cannot pass a suture, where the "
        "periosteal dura is fixed: hence the lens. The *lucid interval* is typical and deceptive. Look for the fracture on a "
        "bone window and for the *swirl*, low-density unclotted blood that means it still bleeds. Volume above 30 ml is "
        "evacuated whatever the coma score; ½·a·b·c estimates it in seconds.",
        references="1. Bullock MR, et al. Surgical management of acute epidural hematomas. *Neurosurgery* 2006;58(3 Suppl):S7–S15.",
        group="epidural haematoma",
        category="emergency",
        organ_system="nervous",
        anatomy="Epidural space",
        level="primary",
        age_band="50-59",
        sex="male",
        codes=(Code("I10", "S06.4", "Epidural haemorrhage"),),
        keywords=("lens", "lucid interval", "middle meningeal artery"),
        questions=(
            mark("The lens lies under the right temporal bone (left in the image)."),
            Ask(
                "single",
                "Why does this collection keep its shape?",
                "The periosteal layer of the dura is fixed at the sutures.",
                (
                    Option("Dura is fixed at the sutures", True, "So blood bulges inwards instead of spreading."),
                    Option("Blood clots faster under arterial pressure", False, "Shape does not depend on that."),
                    Option("Arachnoid holds it", False, "Arachnoid lies deeper."),
                    Option("Brain swelling pushes it back", False, "Then it would be flat."),
                ),
            ),
        ),
    ),
    CaseText(
        study="head-haematoma",
        title="Hypertensive haemorrhage of the right putamen",
        alternative_title="58-year-old man with sudden weakness of the left side",
        history="While shovelling snow a 58-year-old man lost the strength of his left arm and leg. Blood pressure 212/118.",
        findings="A dense oval focus of 22 × 36 mm lies in the right putamen, with a narrow dark rim. Ventricles contain no "
        "blood; the midline is in place.",
        differential="- Cavernous or arteriovenous malformation: younger, lobar or deep with vessels\n- Haemorrhagic "
        "transformation of an infarct: follows a territory\n- Amyloid angiopathy: lobar, elderly\n- Bleeding metastasis",
        diagnosis="Intracerebral haemorrhage of the right basal ganglia, typical of hypertension.",
        discussion="Putamen, thalamus, pons and cerebellum are where small perforating arteries yield to years of high pressure. "
        "Give the volume (½·a·b·c), the place (above or below the tentorium) and blood in the ventricles: with age and coma "
        "score they make the ICH score. On CT angiography a *spot sign* foretells growth in the next hours. A young patient, a "
        "lobar place or calcification asks for an angiogram.",
        references="1. Hemphill JC 3rd, et al. The ICH score: a simple, reliable grading scale for intracerebral hemorrhage. "
        "*Stroke* 2001;32:891–897.\n2. Demchuk AM, et al. Prediction of haematoma growth and outcome in patients with "
        "intracerebral haemorrhage using the CT-angiography spot sign (PREDICT). *Lancet Neurol* 2012;11:307–314.",
        group="intracerebral haemorrhage",
        category="neuro",
        organ_system="nervous",
        anatomy="Basal ganglia",
        level="primary",
        age_band="50-59",
        sex="male",
        codes=(Code("I10", "I61.0", "Intracerebral haemorrhage in hemisphere, subcortical"),),
        keywords=("hypertension", "putamen", "ICH score"),
        questions=(
            mark("Right putamen, left in the image."),
            Ask(
                "multiple",
                "Which facts from the image enter the ICH score?",
                "Volume of 30 ml or more, origin below the tentorium, and blood in the ventricles; age and coma score come "
                "from elsewhere.",
                (
                    Option("Volume", True, "30 ml is the threshold."),
                    Option("Blood in the ventricles", True, "One point."),
                    Option("Origin below the tentorium", True, "One point."),
                    Option("Midline shift", False, "Not part of the score."),
                    Option("Density", False, "Not part of the score."),
                ),
            ),
        ),
    ),
    CaseText(
        study="head-normal",
        title="Normal CT of the head",
        alternative_title="38-year-old woman with a headache after a minor bump",
        history="She hit her head on a shelf. No loss of consciousness, no vomiting, headache since.",
        findings="No blood, no fracture line, no loss of grey–white contrast. Ventricles and cisterns symmetrical.",
        diagnosis="Normal CT of the head.",
        discussion="Calcified pineal gland and choroid plexus, dense sagittal sinus in the young and beam hardening between the "
        "petrous bones are the usual traps. Decision rules such as the Canadian CT Head Rule would have spared this scan: "
        "know them when you are asked for one.",
        references="1. Stiell IG, et al. The Canadian CT Head Rule for patients with minor head injury. *Lancet* "
        "2001;357:1391–1396.",
        group="normal head ct",
        category="neuro",
        organ_system="nervous",
        anatomy="Brain",
        level="primary",
        age_band="30-39",
        sex="female",
        keywords=("normal", "minor head injury"),
        questions=(
            mark("There is nothing to mark."),
            normal_choice(
                "Normal",
                (
                    ("Blood in a basal cistern", "The cisterns are dark and symmetrical."),
                    ("Early infarct", "Grey–white contrast is kept everywhere."),
                    ("Thin collection along the falx", "The falx itself is this dense."),
                ),
                "No blood, no mass effect, grey–white contrast kept.",
            ),
        ),
    ),
    CaseText(
        study="brain-metastasis",
        title="Brain metastases of breast cancer",
        alternative_title="62-year-old woman with a new headache, treated for a tumour two years ago",
        history="A 62-year-old woman was treated for a tumour elsewhere two years ago. For ten days she has had morning "
        "headache and clumsiness of the right hand.",
        findings="Left frontal mass of 22 mm at the grey–white junction with a ring of enhancement, dark centre and wide "
        "oedema that spares the cortex. A second enhancing focus of 9 mm lies high in the right parietal lobe.",
        differential="- Glioblastoma: thicker irregular ring, crosses the corpus callosum, usually single\n- Abscess: thin "
        "smooth ring, restricted diffusion in the centre\n- Demyelination: open ring, little mass effect",
        diagnosis="Two brain metastases, left frontal and right parietal.",
        discussion="Tumour cells lodge where arteries narrow: at the grey–white junction and in watershed zones. Oedema is "
        "*vasogenic*, follows white matter and is out of proportion to the lesion. After the first one is found the search "
        "begins: the second, small one changes therapy from surgery to radiosurgery or whole-brain irradiation. Go through the "
        "contrast-enhanced series a second time from bottom to top, cerebellum included.",
        references="1. Patchell RA, et al. A randomized trial of surgery in the treatment of single metastases to the brain. "
        "*N Engl J Med* 1990;322:494–500.",
        group="brain metastasis",
        category="neuro",
        organ_system="nervous",
        anatomy="Brain",
        level="intermediate",
        age_band="60-69",
        sex="female",
        codes=(Code("I10", "C79.3", "Secondary malignant neoplasm of brain and cerebral meninges"),),
        keywords=("ring enhancement", "vasogenic oedema", "satisfaction of search"),
        questions=(
            mark("There are two. The small one lies high in the right parietal lobe on the series after contrast."),
            Ask(
                "single",
                "Which sequence best tells an abscess from a necrotic tumour?",
                "Pus restricts diffusion, necrosis does not.",
                (
                    Option("Diffusion-weighted imaging", True, "Pus is bright on b1000 and dark on ADC."),
                    Option("T1 after contrast", False, "Both make rings."),
                    Option("FLAIR", False, "Oedema looks alike."),
                    Option("T2", False, "Both have bright centres."),
                ),
            ),
        ),
    ),
    CaseText(
        study="brain-plaques",
        title="Multiple sclerosis: plaques disseminated in space",
        alternative_title="31-year-old woman with blurred vision, now tingling legs",
        history="Blurred vision of the right eye for ten days last month, better by itself. Since last week tingling in both legs.",
        findings="Oval foci, bright on FLAIR and T2, at both lateral ventricles with their long axis at right angles to them; one "
        "at the right frontal cortex, one in the left parietal white matter. No mass effect.",
        differential="- Small vessel disease: older, spares the corpus callosum and the U-fibres\n- ADEM: one time, large, after "
        "infection\n- Migraine: small, frontal, subcortical\n- Neuromyelitis optica: area postrema, long cord lesion",
        diagnosis="Multiple sclerosis: demyelinating lesions, periventricular and juxtacortical.",
        discussion="The McDonald criteria ask for dissemination in *space* (at least one lesion in two of four places: "
        "periventricular, cortical or juxtacortical, infratentorial, cord) and in *time* (a new lesion later, enhancing and "
        "non-enhancing lesions together, or oligoclonal bands). The lesions follow veins, which run at right angles to the "
        "ventricle: Dawson's fingers. Dots in deep white matter at seventy are not this disease; say so plainly.",
        references="1. Thompson AJ, et al. Diagnosis of multiple sclerosis: 2017 revisions of the McDonald criteria. *Lancet "
        "Neurol* 2018;17:162–173.",
        group="multiple sclerosis",
        category="neuro",
        organ_system="nervous",
        anatomy="White matter",
        level="intermediate",
        age_band="30-39",
        sex="female",
        codes=(Code("I10", "G35", "Multiple sclerosis"),),
        keywords=("demyelination", "Dawson's fingers", "McDonald criteria"),
        questions=(
            mark("There are four: two beside the ventricles, one at the right frontal cortex, one left parietal."),
            Ask(
                "multiple",
                "Which places count for dissemination in space?",
                "At least one lesion in at least two of these four.",
                (
                    Option("Periventricular", True, "One of the four."),
                    Option("Cortical or juxtacortical", True, "One of the four."),
                    Option("Infratentorial", True, "One of the four."),
                    Option("Spinal cord", True, "One of the four."),
                    Option("Basal ganglia", False, "Not one of the four."),
                ),
            ),
        ),
    ),
    CaseText(
        study="brain-infarct",
        title="Acute infarct of the left middle cerebral artery",
        alternative_title="81-year-old man who woke up unable to speak",
        history="He went to bed well at ten and woke at six with aphasia. Right arm drifts. Atrial fibrillation, not treated.",
        findings="The left insula and operculum are bright on the diffusion-weighted series; FLAIR shows much less. No shift.",
        differential="- Seizure: cortical, crosses territories\n- Encephalitis: temporal, days, fever\n- Hypoglycaemia: "
        "check the sugar before the scan",
        diagnosis="Acute ischaemic infarct in the territory of the left middle cerebral artery.",
        discussion="Within minutes of arterial occlusion cells swell and diffusion falls; FLAIR takes about four and a half "
        "hours to turn bright. That *mismatch* is a clock for people who wake up with symptoms: bright on diffusion and not "
        "yet on FLAIR means recent, and thrombolysis helps. Always look at the ADC map: T2 shine-through is bright on both.",
        references="1. Thomalla G, et al. MRI-guided thrombolysis for stroke with unknown time of onset. *N Engl J Med* "
        "2018;379:611–622.\n2. Albers GW, et al. Thrombectomy for stroke at 6 to 16 hours with selection by perfusion imaging. "
        "*N Engl J Med* 2018;378:708–718.",
        group="ischaemic infarct",
        category="emergency",
        organ_system="nervous",
        anatomy="Middle cerebral artery territory",
        level="intermediate",
        age_band="80-89",
        sex="male",
        codes=(Code("I10", "I63.9", "Cerebral infarction, unspecified"),),
        keywords=("DWI", "FLAIR mismatch", "wake-up"),
        questions=(
            mark("Left insula and operculum on the first series."),
            Ask(
                "single",
                "Bright on diffusion, not yet on FLAIR: what does it mean?",
                "The mismatch marks an onset within about four and a half hours.",
                (
                    Option("Onset within about 4.5 hours is likely", True, "The basis of the WAKE-UP trial."),
                    Option("Onset more than a day ago", False, "FLAIR would be bright."),
                    Option("T2 shine-through", False, "FLAIR and T2 would be bright."),
                    Option("Haemorrhagic transformation", False, "That is seen on susceptibility-weighted images."),
                ),
            ),
        ),
    ),
    CaseText(
        study="brain-normal",
        title="Normal MR of the brain",
        alternative_title="34-year-old woman with recurrent one-sided headache",
        history="Migraine with visual aura for years, more often lately. Neurological examination normal.",
        findings="No focal signal change, normal ventricles, sulci and midline.",
        diagnosis="Normal MR of the brain.",
        discussion="Perivascular spaces follow CSF on every sequence; the tips of the horns are capped by a thin bright band on "
        "FLAIR in healthy people; CSF flow makes artefacts in the fourth ventricle. Learn these and you will not send migraine "
        "patients to a demyelination clinic.",
        group="normal brain mr",
        category="neuro",
        organ_system="nervous",
        anatomy="Brain",
        level="primary",
        age_band="30-39",
        sex="female",
        keywords=("normal", "migraine"),
        questions=(
            mark("There is nothing to mark."),
            normal_choice(
                "Normal",
                (
                    ("Demyelinating lesions", "There are no oval foci at the ventricles."),
                    ("Hydrocephalus", "Ventricles are slim, sulci open."),
                    ("Venous sinus thrombosis", "The sinuses show their normal flow voids."),
                ),
                "Nothing focal on any of the three sequences.",
            ),
        ),
    ),
)
