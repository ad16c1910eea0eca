"""Abdominal and urinary cases, CT and ultrasound."""

from __future__ import annotations

from pacsweb.demo.cases.model import Ask, CaseText, Code, Option, mark, normal_choice

ABDOMEN = (
    CaseText(
        study="abdomen-metastases",
        title="Liver metastases after resection of a colorectal cancer",
        alternative_title="63-year-old man, follow-up after surgery of the bowel",
        history="Eighteen months ago a part of the sigmoid colon was removed. The tumour marker has doubled. No complaints.",
        findings="Three hypodense liver lesions with ill-defined margins and a faint rim: 32 mm in segment VIII, 20 mm in "
        "segment VI, 14 mm in segment III. Spleen, kidneys, pancreas and nodes are unremarkable. The aorta is calcified.",
        differential="- Cysts: water density, razor-sharp\n- Haemangioma: nodular peripheral enhancement that follows the blood "
        "pool\n- Abscesses: fever, clustered, double rim",
        diagnosis="Three hepatic metastases of the resected colorectal carcinoma.",
        discussion="Colorectal deposits are poor in vessels: in the portal phase, when normal liver is brightest, they stand out "
        "dark. Narrow the window to about 150 around 100 HU before you say that a liver is clean. Number, segment, distance "
        "from hepatic veins and portal branches decide whether the patient can be cured by surgery, so give them. For "
        "follow-up choose up to two targets in the organ (RECIST 1.1), 10 mm or more in longest diameter.",
        references="1. Eisenhauer EA, et al. New response evaluation criteria in solid tumours: revised RECIST guideline "
        "(version 1.1). *Eur J Cancer* 2009;45:228–247.",
        group="liver metastasis",
        category="gastrointestinal",
        organ_system="hepatobiliary",
        anatomy="Liver",
        level="intermediate",
        age_band="60-69",
        sex="male",
        codes=(Code("I10", "C78.7", "Secondary malignant neoplasm of liver and intrahepatic bile duct"),),
        keywords=("hypodense", "portal venous phase", "RECIST"),
        questions=(
            mark("Three: segments VIII, VI and III. The smallest lies in the left lobe."),
            Ask(
                "single",
                "How many of these lesions may be chosen as targets under RECIST 1.1?",
                "At most two in one organ and five in all.",
                (
                    Option("One", False, "Two are allowed in an organ."),
                    Option("Two", True, "At most two in one organ."),
                    Option("All three", False, "That would be three in one organ."),
                    Option("None: the liver is never measured", False, "It is measured very well."),
                ),
            ),
        ),
    ),
    CaseText(
        study="abdomen-stone",
        title="Obstructing ureteric stone on the left",
        alternative_title="50-year-old man with colic in the left flank",
        history="Since four in the morning a 50-year-old man has had colicky pain from the left flank to the groin. Blood in the "
        "urine, no fever.",
        findings="A calcific density of 7 mm lies in the line of the left ureter at the level of the lower lumbar spine. The "
        "left renal pelvis is widened. The right side is slim.",
        differential="- Phlebolith: round, with a lucent centre and a tail, below the ureter's course\n- Calcified "
        "arterial wall: follows the vessel\n- Pelviureteric junction stenosis: no stone, pelvis wide, ureter slim",
        diagnosis="Obstructing stone of 7 mm in the left ureter with hydronephrosis.",
        discussion="Follow the ureter from the pelvis down, slice by slice, on the psoas and over the iliac vessels to the "
        "bladder; three places stop stones: the junction with the pelvis, the crossing of the iliac vessels and the entry into "
        "the bladder. Size and place foretell passage: below 5 mm most pass, above 10 mm few do. Fever behind an obstruction is "
        "an emergency: say it by telephone. Stones are best seen without contrast and at low dose; in this contrast-enhanced "
        "scan the dense kidney and the delayed pelvis tell the rest.",
        references="1. Smith RC, et al. Acute flank pain: comparison of non-contrast-enhanced CT and intravenous urography. "
        "*Radiology* 1995;194:789–794.",
        group="ureteric stone",
        category="genitourinary",
        organ_system="urinary",
        anatomy="Ureter",
        level="primary",
        age_band="50-59",
        sex="male",
        codes=(Code("I10", "N13.2", "Hydronephrosis with renal and ureteral calculous obstruction"),),
        keywords=("colic", "hydronephrosis", "stone"),
        questions=(
            mark("In front of the left psoas, above the pelvic brim."),
            Ask(
                "single",
                "Which finding would make you call at once?",
                "Infection behind an obstruction may kill within hours.",
                (
                    Option("Fever together with a dilated pelvis", True, "Infected obstruction needs drainage."),
                    Option("A second stone in the lower calyx", False, "Can wait."),
                    Option("A stone of 7 mm", False, "May still pass."),
                    Option("Blood in the urine", False, "Expected in colic."),
                ),
            ),
        ),
    ),
    CaseText(
        study="abdomen-appendix",
        title="Acute appendicitis with an appendicolith",
        alternative_title="46-year-old woman whose pain moved to the right lower quadrant",
        history="Pain began round the navel, moved to the right lower quadrant within a day; nausea, 38.1 °C.",
        findings="The appendix leaves the caecum, measures 12 mm across and has a thick enhancing wall. It holds a small dense "
        "stone. The fat round it is streaky. No gas outside the lumen, no collection.",
        differential="- Caecal diverticulitis: beside a normal appendix\n- Terminal ileitis: long thick ileum\n- Epiploic "
        "appendagitis: oval fat with a rim\n- Ovarian torsion: look at both adnexa",
        diagnosis="Acute appendicitis with appendicolith, no perforation.",
        discussion="Find the caecum by the fat-filled lips of the ileocaecal valve, then look for the only tube that ends blind. "
        "More than 6 mm alone proves little; a thick wall *and* streaky fat do. A stone makes failure of antibiotic therapy and "
        "perforation likelier, so it belongs in the first sentence. Gas outside, a defect in the wall or an abscess turns an "
        "operation for tonight into a drain.",
        references="1. Rao PM, et al. Effect of computed tomography of the appendix on treatment of patients and use of hospital "
        "resources. *N Engl J Med* 1998;338:141–146.",
        group="appendicitis",
        category="emergency",
        organ_system="digestive",
        anatomy="Appendix",
        level="primary",
        age_band="40-49",
        sex="female",
        codes=(Code("I10", "K35.8", "Other and unspecified acute appendicitis"),),
        keywords=("stranding", "appendicolith"),
        questions=(
            mark("Medial to the caecum in the right lower quadrant, with streaky fat round it."),
            Ask(
                "multiple",
                "Which findings mean that it has perforated?",
                "Everything that should be inside and is not, and a wall that is interrupted.",
                (
                    Option("Gas outside the lumen", True, "Sure sign."),
                    Option("A defect in the enhancing wall", True, "Sure sign."),
                    Option("An abscess", True, "The late form."),
                    Option("A diameter of 12 mm", False, "Inflamed, not necessarily perforated."),
                    Option("Streaky fat", False, "Inflamed, not necessarily perforated."),
                ),
            ),
        ),
    ),
    CaseText(
        study="abdomen-normal",
        title="Normal CT of the abdomen",
        alternative_title="66-year-old man who lost weight",
        history="Six kilograms lost over half a year; endoscopy of both ends was normal.",
        findings="Liver of even density, gallbladder, pancreas, spleen, adrenals and kidneys normal. Bowel of normal width. "
        "Calcified aorta of normal calibre.",
        diagnosis="Normal CT of the abdomen apart from arterial calcification.",
        discussion="A clean liver is only clean in a narrow window. Check the corners: lung bases, adrenal glands, tail of the "
        "pancreas, mesentery, bones and the groins.",
        references="1. Berland LL, et al. Managing incidental findings on abdominal CT: white paper of the ACR Incidental "
        "Findings Committee. *J Am Coll Radiol* 2010;7:754–773.",
        group="normal abdomen",
        category="gastrointestinal",
        organ_system="digestive",
        anatomy="Abdomen",
        level="intermediate",
        age_band="60-69",
        sex="male",
        keywords=("normal",),
        questions=(
            mark("There is nothing to mark."),
            normal_choice(
                "Normal",
                (
                    ("Liver metastases", "Density is even; the dark lines are hepatic veins before they fill."),
                    ("Aortic aneurysm", "Calibre is below 25 mm throughout."),
                    ("Bowel obstruction", "Small bowel stays below 25 mm."),
                ),
                "Nothing focal, nothing dilated.",
            ),
        ),
    ),
    CaseText(
        study="ultrasound-gallstone",
        title="Gallstone with acoustic shadow",
        alternative_title="47-year-old woman with pain after meals",
        history="Attacks of pain below the right ribs after heavy meals, one to two hours each. No fever, liver values normal.",
        findings="An echogenic focus of 11 mm with a bright near edge lies in the neck-side half of the gallbladder and casts a "
        "clean dark band behind it. The wall is thin, the lumen otherwise black.",
        differential="- Polyp: no shadow, does not move\n- Sludge: no shadow, moves slowly\n- Gas in the duodenum: dirty shadow",
        diagnosis="Cholecystolithiasis without signs of inflammation.",
        discussion="Three criteria make a stone: echogenic, shadowing, moving with gravity. A stone narrower than the beam casts "
        "no "
        "shadow: put the focus at its depth and raise the frequency. Ask the patient to turn: what does not move is a polyp "
        "until proven otherwise. Inflammation means a wall above 3 mm, fluid round it and pain under the probe.",
        references="1. Cooperberg PL, Burhenne HJ. Real-time ultrasonography: diagnostic technique of choice in calculous "
        "gallbladder disease. *N Engl J Med* 1980;302:1277–1279.",
        group="gallstone",
        category="ultrasound",
        organ_system="hepatobiliary",
        anatomy="Gallbladder",
        level="primary",
        age_band="40-49",
        sex="female",
        codes=(Code("I10", "K80.2", "Calculus of gallbladder without cholecystitis"),),
        keywords=("shadow", "biliary colic"),
        questions=(
            mark("The bright focus inside the dark lumen; its shadow points straight away from the probe."),
            Ask(
                "single",
                "Why is there a dark band behind it?",
                "The stone reflects and absorbs nearly everything: nothing comes back from behind.",
                (
                    Option("The sound is reflected and absorbed", True, "So the beam behind it is empty."),
                    Option(
                        "The sound is refracted at its edge", False, "That makes thin shadows at both edges of a cyst."
                    ),
                    Option(
                        "The sound is slower behind it", False, "That would displace what lies behind, not darken it."
                    ),
                    Option("The gain is set too low", False, "Then everything would be dark."),
                ),
            ),
        ),
    ),
    CaseText(
        study="ultrasound-normal",
        title="Normal ultrasound of the gallbladder",
        alternative_title="43-year-old woman with pain after meals",
        history="Upper abdominal pain after meals for two months. Liver values normal.",
        findings="Thin wall, echo-free lumen. Liver of even texture. No dilated ducts.",
        diagnosis="Normal gallbladder.",
        discussion="Sweep through the whole organ in two planes and in two positions of the patient: stones hide in the neck. "
        "Reverberations at the near wall are not sludge; lower the gain or change the angle.",
        group="normal gallbladder",
        category="ultrasound",
        organ_system="hepatobiliary",
        anatomy="Gallbladder",
        level="primary",
        age_band="40-49",
        sex="female",
        keywords=("normal",),
        questions=(
            mark("There is nothing to mark."),
            normal_choice(
                "Normal",
                (
                    ("Stone in the neck", "Nothing echogenic, no shadow."),
                    ("Thick wall", "Thinner than 3 mm."),
                    ("Dilated bile duct", "The dark tubes are vessels."),
                ),
                "Echo-free lumen, thin wall.",
            ),
        ),
    ),
)
