"""Names of contours and segments: kept whole, or replaced by a number, and never cut.

A plan tells its structures by their names, so two of them must not become one, and part of a name is the name of another
structure ("Glnd_Submand_L" is not "L"). The words are those of AAPM's Task Group 263 and what is usually joined to them.
"""

from __future__ import annotations

import re
from typing import Final

from deid.domain import lexicon, moments, persons
from deid.domain.descriptors import MEASURE
from deid.domain.identifiers import Identifiers, fold
from deid.domain.words import words

#: What stands for a name that cannot stay, by its attribute.
KINDS: Final = {"ROIName": "ROI", "ROIObservationLabel": "Observation", "SegmentLabel": "Segment"}

_WORDS: Final = words(
    """
    a acetabulum acetabulums act adrenal airway all anal anus aorta aortic apical appendix arytenoid asc ascending atrium ax
    azygos bag base bileduct bladder body bolus bone bonemarrow boost bowel brachialplex brachialplexs brachioceph
    brachiocephls brachiocephs brain brainstem breast breasts bronchpulm bronchpulms bronchus c canal carina carotid cartlg
    caudaequina cavernosum cavity cecum celiac central centrals cerebellum cerebrum cerv cervix cflx chestwall cist clavicle
    cn cochlea colon common condyloid constrict core cornea coronary coronoid cortex cribriformplate cricoid cricopharyngeus
    decending dens desc descending diaphragm diaphragmatic digastric dist duct duodenum e ear edema elbow esophagus ethmoid
    ev eval ext external externals eye eyes femoral femoralhead femoralheads femur femurs fibula foley fossa frontal
    gallbladder genitals glenohum glnd glottis greatves growthplate hardpalate head heart hemisphere hemispheres
    hepatogastrc hilum hilums hippocampi hippocampus humeral humerus hyoid hypophyseal hypothalmus i ia ib ii iia iib iii
    ileum iliac ilium imn imns incus inf inguinofem int intercostals internal internals ischium iv ix jejunum joint jugular
    kidney kidneys knee l lacrimal lad large laryngl larynx lat lateral laterals leads lens lig ligamentarter lips liver lll
    lobe lul lum lung lungs main malleus mandible markers masseter mastoid maxilla maxilry med mediastinals mediastinum
    mesenteric middle mitral musc nadj nasal nasalconcha nasopharynx neck node nodes nodal nose nrv obturator occipital
    opticchiasm opticnrv optictract oral oralcavity orbit oropharynx ostomy ovaries ovary pacemaker palate palatine
    pancjejuno pancreas paraaortic paramammary paramammarys parametrium parasternal parasternals parathyroid parietal
    parotid parotids pectoral pectorals pelvic pelvics pelvis penilebulb penis pericardium perineum peripheral peritoneum
    pharynx pharynxconst pineal pituitary platysma pons pontine portahepatis portal posterior postop preop presacral proc
    prostatc prostate prostatebed prosthesis prox pterygoid pubicsymphys pulmonary pulmonarys pulmonic quad r radius rectal
    rectum retina retinas retrophar retrophars retrosty rib ri rll rml root rul s sac sacralplex sacrum scalp scapula scar
    sclav sclmast scrotum seminalves shaft sigmoid sinus skin skull small soft spc sphenoid sphincter spinalcanal spinalcord
    spleen spongiosum stapes stomach strct subclavian subclavians subling sublings submand submands subscap subscaps sup
    supmammary supmammarys supraclav suprapatel suprasellar surf surface surgicalbed sys tail temporal tendon testis
    thecalsac thor thoracic thymus thyroid tm tongue tonsil trachbrnchs trachea transverse tricuspid tumorbed ureter
    ureterdivert ureters urethra uterus v va vagina vaginalcuff valve vb vbs vc venacava ventricle ventricular vertebral vi
    vii viii vocalcord vocalcords vomer vulva wall xi xii zygomatic zygomatics ln idl ant post
    artifact avoid avoidance bed block boolean bladderwall cold couch couchsurface couchinterior crop cropped density dose
    exp expanded expansion fiducial fiducials gating help helper hot hotspot implant inner iso isocenter isodose kv low high
    mid intermediate max mean min minus mr ct pet margin marker nos not opt opti optimization organ other outer overlap
    override partial patient plus primary pseudo ring rings roi seed seeds shell sib struct structure sub subtracted
    target temp tissue titanium tumor tumour tuning tune union unspecified volume wire z x spacer rectalwall rectumwall
    medulla myelon cord oar oars tbd air metal dental teeth lymph level levels left right bilat
    """
)
#: "GTVp1", "CTVn2a", "IGTV", "PTV!", "PRV05", "Ev20", "CN_III", "Rib04", "T01", "C5".
_TARGET: Final = re.compile(
    r"[xz]?(?:(?:i?gtv|i?ctv|i?ptv|itv|tv|htv|btv|mtv)(?:p|n|v|sb|par|t|m)?\d{0,2}[a-d]?|prv\d{0,2}|ev\d{0,2}|rib\d{2}|[ctls]\d{1,2}"
    r"|ring\d{1,2}|roi\d{1,2}|exp\d{0,2}|opt\d{0,2})"
)
_DOSE: Final = re.compile(
    r"\d{1,2}(?:\.\d{1,2})?|\d{1,5}(?:cgy|gy)|\d{1,2}(?:[.p]\d{1,2})?gy|\d{1,2}(?:p\d{1,2})|[1-9]\d{2,4}|\d{1,2}fx|\d{1,2}x\d{1,5}"
)
_YEAR: Final = re.compile(r"19\d\d|20[0-4]\d")
#: A dose belongs to a target; elsewhere a number of three figures is anybody's.
_LONG_NUMBER: Final = re.compile(r"\d{3,}")
_DOSED: Final = ("gtv", "ctv", "ptv", "itv", "dose")
_MOST_NUMBERS: Final = 3
#: Letters standing alone: "A_Carotid_L". More may be initials.
_MOST_LETTERS: Final = 2
_LETTERS: Final = words("a v l r e i s x z c m t")
_SEPARATORS: Final = re.compile(r"[_~^!+*()]+")
_MOST_DIGITS: Final = 10
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Z])")


def is_kept(name: str, *, kind: str, identifiers: Identifiers) -> bool:
    """Whether a name may stay. "ROI 3" may not: it could be the number that another structure gets."""
    text = name.strip(" \0")
    if re.fullmatch(rf"{kind}\s*\d+", text, re.IGNORECASE):
        return False
    return not text or is_structure(text, identifiers=identifiers)


def is_structure(name: str, *, identifiers: Identifiers) -> bool:
    """Whether a name is made of words for structures, targets, doses and margins, and of nothing that may be a person's."""
    if (
        moments.tells(name)
        or moments.of(_SEPARATORS.sub(" ", name))
        or persons.tells(name)
        or persons.addresses(name)
        or persons.abbreviates(name)
    ):
        return False
    if identifiers.find(name) is not None:
        return False
    pieces = [piece for raw in re.split(r"[\s_~^!+*()/-]+|[.,](?!\d)", name) if (piece := raw.strip(".,"))]
    numbers = [piece for piece in pieces if piece[0].isdecimal()]
    if len(numbers) > _MOST_NUMBERS or sum(map(str.isdigit, name)) > _MOST_DIGITS:
        return False
    if sum(len(piece) == 1 and piece.isalpha() for piece in pieces) > _MOST_LETTERS:
        return False
    has_dose = any(target in fold(name) for target in _DOSED)
    if not has_dose and any(_LONG_NUMBER.fullmatch(piece) for piece in pieces):
        return False
    return any(character.isalpha() for character in name) and all(map(_is_piece, pieces))


def _is_piece(piece: str) -> bool:
    folded = fold(piece)
    if _YEAR.fullmatch(folded):
        # Doses are round: 2000 cGy.
        return folded.endswith("00")
    if _is_word(folded) or _DOSE.fullmatch(folded) or MEASURE.fullmatch(folded):
        return True
    parts = [fold(part) for part in _CAMEL.split(piece) if part]
    return len(parts) > 1 and all(_is_word(part) if not part.isdecimal() else len(part) < len("1961") for part in parts)


def _is_word(folded: str) -> bool:
    if len(folded) == 1:
        return folded in _LETTERS
    return folded in _WORDS or folded in lexicon.technical_words() or _TARGET.fullmatch(folded) is not None


def numbered(*, kind: str, path: str) -> str:
    """The name of a structure by its place in the innermost sequence of a path: "StructureSetROISequence[3]." → "ROI 3"."""
    found = re.search(r"\[(\d+)\]\.$", path)
    return f"{kind} {found[1] if found else 1}"
