"""Which phantom studies the demo holds: whose, when, what, and to which archive they go.

Every entry can be built by its key alone, in any process, and gives the same bytes each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pacsweb.demo.people import PEOPLE, REFERRERS, anonymous
from pacsweb.demo.phantoms import (
    APPENDIX,
    AbdomenBody,
    AbdomenFinding,
    Body,
    Breast,
    BreastFinding,
    ChestFilm,
    Embolus,
    FilmFinding,
    Fracture,
    HeadBody,
    HeadFinding,
    Limb,
    Nodule,
    Person,
    PhantomStudy,
    Scene,
    Visit,
    abdomen_ct,
    brain_mr,
    chest_ct,
    chest_xray,
    head_ct,
    mammography,
    msk_xray,
    ultrasound,
)


@dataclass(frozen=True)
class Entry:
    """One study of the demo. ``archive`` is ``organisation/slug``."""

    key: str
    archive: str
    person: Person
    date: str
    time: str
    description: str
    indication: str
    make: Callable[[Visit, str], PhantomStudy]
    #: Entries of one group share a body, whose anatomy is drawn once when they are built in one process.
    group: str = ""
    institution: str = "Demo Hospital"

    @property
    def visit(self) -> Visit:
        number = sum(map(ord, self.key)) % len(REFERRERS)
        accession = f"A{int(self.date[2:]):06d}{sum(ord(c) * (i + 1) for i, c in enumerate(self.key)) % 10000:04d}"
        return Visit(
            key=self.key, person=self.person, date=self.date, time=self.time, accession=accession,
            referring=REFERRERS[number], institution=self.institution, indication=self.indication,
            description=self.description,
        )  # fmt: skip


ENTRIES: dict[str, Entry] = {}


def _add(
    key: str,
    person: str | Person,
    date: str,
    time: str,
    description: str,
    indication: str,
    make: Callable[[Visit, str], PhantomStudy],
    *,
    archive: str = "demo/clinical",
    group: str = "",
    institution: str = "Demo Hospital",
) -> None:
    who = PEOPLE[person] if isinstance(person, str) else person
    ENTRIES[key] = Entry(key, archive, who, date, time, description, indication, make, group or key, institution)


# --- chest CT -------------------------------------------------------------------------------------------------------

SMOKER = Body(seed="chest-a", emphysema=0.9, calcified_arteries=True)
WOMAN = Body(seed="chest-b", female=True, width=0.93, depth=0.95, fat=16)
LARGE = Body(seed="chest-c", width=1.03, depth=1.02, fat=19, heart=1.05)
_SPICULATED = (-74.0, -34.0, 63.0)
_PART_SOLID = (72.0, 34.0, 88.0)

_add(
    "chest-nodule", "bjork", "20250218", "101500", "CT chest with contrast", "Cough for two months, 40 pack-years",
    lambda visit, size: chest_ct(
        visit, body=SMOKER, size=size,
        findings=(Nodule("Spiculated nodule, right upper lobe", _SPICULATED, 19.0, "solid", 0.9, 0.6),),
    ),
    group="chest-a",
)  # fmt: skip
_add(
    "chest-nodule-prior", "bjork", "20230905", "142200", "CT chest with contrast", "Exertional dyspnoea",
    lambda visit, size: chest_ct(
        visit, body=SMOKER, size=size,
        findings=(Nodule("Spiculated nodule, right upper lobe", _SPICULATED, 8.0, "solid", 0.5, 0.4),),
    ),
    group="chest-a",
)  # fmt: skip
_add(
    "chest-normal", "demo-normal-4", "20250114", "083000", "CT chest with contrast", "Pre-operative staging",
    lambda visit, size: chest_ct(visit, body=SMOKER, size=size), group="chest-a",
)  # fmt: skip
_add(
    "chest-part-solid", "sato", "20250327", "111000", "CT chest with contrast", "Incidental opacity elsewhere",
    lambda visit, size: chest_ct(
        visit, body=WOMAN, size=size,
        findings=(Nodule("Part-solid nodule, left upper lobe", _PART_SOLID, 20.0, "part-solid", 0.0, 0.5),),
    ),
    group="chest-b",
)  # fmt: skip
_add(
    "chest-embolism", "yilmaz", "20250402", "021700", "CT chest angiography", "Sudden dyspnoea, tachycardia",
    lambda visit, size: chest_ct(
        visit, body=LARGE, size=size, description="Thorax 5.0 B30f",
        findings=(
            Embolus("Filling defect, right main pulmonary artery", (-8.0, -6.0, 103.0), (-44.0, 0.0, 103.0), 4.6),
            Embolus("Filling defect, left main pulmonary artery", (26.0, -12.0, 93.0), (41.0, 3.0, 93.0), 4.2),
        ),
    ),
    group="chest-c",
)  # fmt: skip

# --- chest radiographs -----------------------------------------------------------------------------------------------

FILM_A = ChestFilm(seed="film-a")
FILM_B = ChestFilm(seed="film-b", female=True, heart=1.08)
FILM_C = ChestFilm(seed="film-c", hyperinflated=True, heart=0.94)

_add(
    "film-pneumothorax", "okafor", "20250311", "183400", "Chest radiograph PA", "Sudden pleuritic pain",
    lambda visit, size: chest_xray(
        visit, film=FILM_C, size=size, findings=(FilmFinding("Apical rim of air, left", "pneumothorax", (80, 60), (24, 78)),),
    ),
    group="film-c",
)  # fmt: skip
_add(
    "film-pneumonia", "lefevre", "20250122", "091200", "Chest radiograph PA", "Fever and productive cough",
    lambda visit, size: chest_xray(
        visit, film=FILM_B, size=size, inverted=True,
        findings=(FilmFinding("Consolidation, right lower zone", "pneumonia", (-80, 178), (40, 34)),),
    ),
    group="film-b",
)  # fmt: skip
_add(
    "film-nodule", "szabo", "20250305", "100500", "Chest radiograph PA", "Before hip replacement",
    lambda visit, size: chest_xray(
        visit, film=FILM_A, size=size, findings=(FilmFinding("Nodule, left upper zone", "nodule", (66, 44), (9.5, 9.5)),),
    ),
    group="film-a",
)  # fmt: skip
_add(
    "film-effusion", "ivanova", "20250219", "143000", "Chest radiograph PA", "Breathless on exertion",
    lambda visit, size: chest_xray(
        visit, film=FILM_B, size=size, computed=True,
        findings=(FilmFinding("Fluid, left base", "effusion", (90, 240), (1, 58)),),
    ),
    group="film-b",
)  # fmt: skip
_add(
    "film-normal", "demo-normal-2", "20250306", "110000", "Chest radiograph PA", "Before hip replacement",
    lambda visit, size: chest_xray(visit, film=FILM_A, size=size), group="film-a",
)  # fmt: skip

# --- head CT and brain MR --------------------------------------------------------------------------------------------

ELDER = HeadBody(seed="head-a", atrophy=0.55, shift=-5.0, squeeze=0.7)
YOUNG = HeadBody(seed="head-b", atrophy=0.08, width=1.02, shift=3.0, squeeze=-0.5)
MIDDLE = HeadBody(seed="head-c", atrophy=0.30)
MR_ADULT = HeadBody(seed="head-d", atrophy=0.22, width=0.98)
MR_YOUNG = HeadBody(seed="head-e", atrophy=0.05, width=0.97, length=0.98)

_add(
    "head-subdural", "dvorakova", "20250213", "194500", "CT head without contrast", "Fall, drowsy, on anticoagulants",
    lambda visit, size: head_ct(
        visit, body=ELDER, size=size,
        findings=(HeadFinding("Crescent along the left convexity", "subdural", (60, -10, 56), (12, 82, 50)),),
    ),
)  # fmt: skip
_add(
    "head-epidural", "hong", "20250330", "231000", "CT head without contrast", "Struck by a ball, lucid, now vomiting",
    lambda visit, size: head_ct(
        visit, body=YOUNG, size=size,
        findings=(HeadFinding("Lens under the right temporal bone", "epidural", (-60, -16, 72), (19, 31, 30)),),
    ),
)  # fmt: skip
_add(
    "head-haematoma", "wang", "20250107", "062000", "CT head without contrast", "Sudden left-sided weakness, BP 212/118",
    lambda visit, size: head_ct(
        visit, body=MIDDLE, size=size,
        findings=(HeadFinding("Dense focus, right putamen", "haematoma", (-27, -3, 70), (11, 18, 15), 0.1, oedema=6),),
    ),
    group="head-c",
)  # fmt: skip
_add(
    "head-normal", "demo-normal-1", "20250109", "152500", "CT head without contrast", "Headache after minor bump",
    lambda visit, size: head_ct(visit, body=MIDDLE, size=size), group="head-c",
)  # fmt: skip
_add(
    "brain-metastasis", "garcia", "20250321", "093000", "MR brain with contrast", "Known breast cancer, new headache",
    lambda visit, size: brain_mr(
        visit, body=MR_ADULT, size=size, weightings=("T2", "FLAIR", "T1", "T1C"), truth_on="T1C",
        findings=(
            HeadFinding("Ring-enhancing mass, left frontal lobe", "metastasis", (31, -38, 51), (11, 10, 10), oedema=18),
            HeadFinding("Small enhancing focus, right parietal lobe", "metastasis", (-34, 40, 41), (4.5, 4.5, 5), oedema=7),
        ),
    ),
    group="head-d",
)  # fmt: skip
_add(
    "brain-plaques", "alhaddad", "20250225", "134000", "MR brain", "Blurred vision last month, now tingling legs",
    lambda visit, size: brain_mr(
        visit, body=MR_YOUNG, size=size, weightings=("T1", "T2", "FLAIR"),
        findings=(
            HeadFinding("Plaque, left periventricular", "plaque", (23, 4, 50), (8.5, 4.2, 6), -0.15),
            HeadFinding("Plaque, right periventricular", "plaque", (-24, 20, 50), (9.0, 4.4, 6), 0.3),
            HeadFinding("Plaque, right juxtacortical", "plaque", (-44, -18, 40), (4.5, 5.0, 5)),
            HeadFinding("Plaque, left parietal", "plaque", (34, 34, 40), (5.0, 4.0, 5)),
        ),
    ),
)  # fmt: skip
_add(
    "brain-infarct", "papadopoulos", "20250408", "073000", "MR brain", "Aphasia since waking",
    lambda visit, size: brain_mr(
        visit, body=MR_ADULT, size=size, weightings=("DWI", "FLAIR", "T2"), truth_on="DWI",
        findings=(HeadFinding("Restricted diffusion, left MCA territory", "infarct", (44, -6, 60), (17, 24, 18)),),
    ),
    group="head-d",
)  # fmt: skip
_add(
    "brain-normal", "demo-normal-3", "20250128", "120500", "MR brain", "Migraine",
    lambda visit, size: brain_mr(visit, body=MR_ADULT, size=size, weightings=("T1", "T2", "FLAIR")),
    group="head-d",
)  # fmt: skip

# --- abdomen ---------------------------------------------------------------------------------------------------------

TRUNK_A = AbdomenBody(seed="abdomen-a", calcified_aorta=True)
TRUNK_STONE = AbdomenBody(seed="abdomen-b", fat=20, width=1.03, hydronephrosis=1.0)
TRUNK_APPENDIX = AbdomenBody(seed="abdomen-c", fat=15, width=0.95, appendix=6.2)

_add(
    "abdomen-metastases", "suksawat", "20250220", "104500", "CT abdomen portal venous", "Follow-up after sigmoid resection",
    lambda visit, size: abdomen_ct(
        visit, body=TRUNK_A, size=size,
        findings=(
            AbdomenFinding("Hypodense lesion, segment VIII", "metastasis", (-88.0, -24.0, 75.0), 32.0),
            AbdomenFinding("Hypodense lesion, segment VI", "metastasis", (-92.0, 26.0, 115.0), 20.0),
            AbdomenFinding("Hypodense lesion, segment III", "metastasis", (14.0, -58.0, 60.0), 14.0),
        ),
    ),
    group="abdomen-a",
)  # fmt: skip
_add(
    "abdomen-normal", "yamada", "20250203", "090500", "CT abdomen portal venous", "Weight loss, all tests normal so far",
    lambda visit, size: abdomen_ct(visit, body=TRUNK_A, size=size), group="abdomen-a",
)  # fmt: skip
_add(
    "abdomen-stone", "demo-normal-2", "20250412", "041000", "CT abdomen", "Colicky left flank pain, haematuria",
    lambda visit, size: abdomen_ct(
        visit, body=TRUNK_STONE, size=size,
        findings=(AbdomenFinding("Calcific density, left ureter", "stone", (40.3, 9.0, 225.0), 7.0),),
    ),
)  # fmt: skip
_add(
    "abdomen-appendix", "cohen", "20250317", "173000", "CT abdomen portal venous", "Pain moved to the right lower quadrant",
    lambda visit, size: abdomen_ct(
        visit, body=TRUNK_APPENDIX, size=size,
        findings=(AbdomenFinding("Thick appendix with stranding", "appendix", APPENDIX[2], 22.0),),
    ),
)  # fmt: skip

# --- bones, breast, ultrasound ---------------------------------------------------------------------------------------

_add(
    "wrist-fracture", "ivanova", "20250131", "162000", "Wrist left PA", "Fell on the outstretched hand",
    lambda visit, size: msk_xray(
        visit, limb=Limb(seed="limb-b", porosis=0.6), size=size, fractures=(Fracture("Distal radius", "distal radius"),)
    ),
)  # fmt: skip
_add(
    "wrist-scaphoid", "okafor", "20250128", "201500", "Wrist left PA", "Tender anatomical snuffbox after a fall",
    lambda visit, size: msk_xray(
        visit, limb=Limb(seed="limb-a"), size=size, fractures=(Fracture("Scaphoid waist", "scaphoid"),)
    ),
    group="limb-a",
)  # fmt: skip
_add(
    "wrist-normal", "demo-normal-3", "20250204", "153500", "Wrist left PA", "Sprain",
    lambda visit, size: msk_xray(visit, limb=Limb(seed="limb-a"), size=size), group="limb-a",
)  # fmt: skip
_add(
    "wrist-buckle", "patel", "20250316", "171000", "Wrist left PA", "Fell from a climbing frame",
    lambda visit, size: msk_xray(
        visit, limb=Limb(seed="limb-c", porosis=0.0, child=True), size=size, fractures=(Fracture("Distal radius", "buckle"),)
    ),
)  # fmt: skip
_add(
    "hip-fracture", "dvorakova", "20240926", "081500", "Hip left AP", "Cannot stand after a fall at home",
    lambda visit, size: msk_xray(
        visit, region="hip", limb=Limb(seed="limb-h", porosis=0.7), size=size,
        fractures=(Fracture("Femoral neck", "femoral neck"),),
    ),
)  # fmt: skip
_add(
    "breast-mass", "nguyen", "20250224", "101000", "Mammography both sides", "Screening round 3",
    lambda visit, size: mammography(
        visit, breast=Breast(seed="breast-a", density=0.35), size=size,
        findings=(BreastFinding("Spiculated mass, left breast", "mass", "L", (60.0, 20.0), 7.5),),
    ),
)  # fmt: skip
_add(
    "breast-calcifications", "cohen", "20250210", "112500", "Mammography both sides", "Screening round 1",
    lambda visit, size: mammography(
        visit, breast=Breast(seed="breast-b", density=0.5, scale=0.94), size=size,
        findings=(BreastFinding("Cluster of calcifications, right breast", "calcifications", "R", (54.0, -16.0), 7.0),),
    ),
)  # fmt: skip
_add(
    "breast-normal", "ivanova", "20241119", "095000", "Mammography both sides", "Screening round 8",
    lambda visit, size: mammography(visit, breast=Breast(seed="breast-c", density=0.2, scale=1.03), size=size),
)  # fmt: skip
_add(
    "ultrasound-kidney", "lefevre", "20250320", "140500", "Ultrasound kidneys", "Flank pain",
    lambda visit, size: ultrasound(
        visit, scene=Scene(seed="scene-k", organ="kidney", hydronephrosis=0.9), size=size
    ),
)  # fmt: skip
# Phantoms that were never anybody's: the machine was told to burn nothing in, so they may go to teaching directly.
_add(
    "ultrasound-gallstone", anonymous("TEACH-US-01", sex="F", birth="19780101"), "20250101", "100000", "Ultrasound abdomen",
    "", lambda visit, size: ultrasound(
        visit, scene=Scene(seed="scene-g", stones=((20.0, 72.0, 11.0),), burned_in=False), size=size,
        label="Echogenic focus with shadow",
    ),
    archive="demo/teaching",
)  # fmt: skip
_add(
    "ultrasound-normal", anonymous("TEACH-US-02", sex="F", birth="19820101"), "20250101", "110000", "Ultrasound abdomen", "",
    lambda visit, size: ultrasound(visit, scene=Scene(seed="scene-n", burned_in=False), size=size),
    archive="demo/teaching",
)  # fmt: skip

# --- trial and partner -----------------------------------------------------------------------------------------------

for _visit_name, _date, _diameters in (("baseline", "20250106", (24.0, 15.0)), ("week-8", "20250303", (17.0, 9.0))):
    _add(
        f"lung-001-{_visit_name}", anonymous("LUNG-01-001", sex="M", birth="19610101"), _date, "090000",
        f"CT chest {_visit_name}", "",
        lambda visit, size, d=_diameters: chest_ct(  # type: ignore[misc]
            visit, body=LARGE, size=size,
            findings=(
                Nodule("Target 1, right upper lobe", (-82.0, -24.0, 78.0), d[0], "solid", 0.2, 0.5),
                Nodule("Target 2, left lower lobe", (78.0, 40.0, 168.0), d[1], "solid", 0.1, 0.4),
            ),
        ),
        archive="demo/trial-lung", group="chest-c",
    )  # fmt: skip
_add(
    "lung-02-001-baseline", anonymous("LUNG-02-001", sex="F", birth="19660101"), "20250122", "143000", "CT chest baseline", "",
    lambda visit, size: chest_ct(
        visit, body=WOMAN, size=size,
        findings=(Nodule("Target 1, left upper lobe", (70.0, 30.0, 90.0), 21.0, "solid", 0.3, 0.5),),
    ),
    archive="demo/trial-lung", group="chest-b",
)  # fmt: skip
# Its Patient ID is mistyped: it waits until somebody says whose it is.
_add(
    "lung-mistyped", anonymous("LUNG-1-002", sex="F", birth="19580101"), "20250203", "100500", "Chest radiograph screening", "",
    lambda visit, size: chest_xray(visit, film=FILM_B, size=size), archive="demo/trial-lung", group="film-b",
)  # fmt: skip
_PARTNER = "Partner University Hospital"
_add(
    "partner-film", Person("PU-77120", "Andersson^Karin", "19770317", "F", "ISO_IR 100", "PARTNER", 1.71, 66.0), "20250415",
    "130000", "Chest radiograph PA", "Fever",
    lambda visit, size: chest_xray(
        visit, film=FILM_B, size=size, findings=(FilmFinding("Consolidation, left upper zone", "pneumonia", (70, 92), (30, 30)),),
    ),
    archive="partner/clinical", group="film-b", institution=_PARTNER,
)  # fmt: skip
_add(
    "partner-head", Person("PU-80431", "Kowalski^Łukasz", "19900228", "M", "ISO_IR 192", "PARTNER", 1.83, 84.0), "20250411",
    "223000", "CT head without contrast", "Cycling accident",
    lambda visit, size: head_ct(visit, body=MIDDLE, size=size), archive="partner/clinical", group="head-c",
    institution=_PARTNER,
)  # fmt: skip


def build(key: str, *, size: str = "full") -> PhantomStudy:
    """Return the study of an entry."""
    entry = ENTRIES[key]
    return entry.make(entry.visit, size)


def build_batch(keys: list[str], size: str) -> list[tuple[str, PhantomStudy]]:
    """Return several studies; other processes call this, so this module must not need Django."""
    return [(key, build(key, size=size)) for key in keys]


def groups() -> list[list[str]]:
    """Return the keys in batches that are best built together, the costliest first."""
    found: dict[str, list[str]] = {}
    for key, entry in ENTRIES.items():
        found.setdefault(entry.group, []).append(key)
    return list(found.values())
