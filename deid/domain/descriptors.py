"""Clean Descriptors: free text cut down to words that can only be technique and anatomy.

What is not in the vocabulary goes, so an unknown word, a name, a number or a date never passes; what a series is
("T2 axial head 3 mm") usually does.
"""

from __future__ import annotations

import re
from typing import Final

from deid.domain import moments, persons
from deid.domain.identifiers import Identifiers, fold
from deid.domain.words import words

OLDEST_AGE: Final = 90

VOCABULARY: Final = words(
    """
    abdomen abdominal acquisition acute adc adrenal after ankle angio angiography anterior aorta aortic ap apical
    arm arterial arthrography artery asl atlas attenuation ax axial axis axl back base basal bilateral biopsy
    bladder blade blood bold bone bowel brachial brain brainstem breast bronchial calf cardiac carotid cc ce
    cervical cest chamber chest cine circle clavicle cochlea coil collar colon colonography combined comparison
    contrast control cor coronal coronary corrected cranial cranium cross ct cta cube cuff data delay delayed dce
    deep delta derived diagnosis diaphragm diastole diastolic diff diffusion dixon dorsal dose double drip dual dwi
    dynamic ear early echo effusion elbow enhanced enhancement epi epigastric esophagus exam expiration extremity
    eye face facial fast fat fatsat feet female femoral femur ffe fibula fiesta filter finger fingers fissure flair
    flash flow fluid foot for fossa fov frfse fs fse ft full function functional fundus gadolinium gall gallbladder
    gated gd gi gland gradient gre hand haste head heart hemi hepatic high hilar hip hips hrct humerus iac iliac
    image images imaging in inf inferior initial inner inspiration internal intracranial inversion iv ivc ivim jaw
    joint kernel kidney kidneys knee kub large larynx lat lateral leg legs liver localiser localizer long loop low
    lower lumbar lung lungs lymph male mammography mandible mask maxilla maxillary mean mediastinum medial medium
    mesenteric mid middle minip mip mlo motion mp mpr mprage mr mra mrcp mri mrv multi multiplanar multiphase muscle
    myelography nasal native navigator neck nerve non noncontrast nerves normal oblique opp opposed optic oral orbit
    orbital orbits out ovary pa pancreas paranasal parenchyma parotid patella pc pd pe pediatric pelvic pelvis
    perfusion pet phase phases pituitary plain plane plus popliteal portal post posterior power pre precontrast
    postcontrast prone prostate protocol proton pulmonary quantitative radius reconstruction rectum recon reformat
    reformatted region renal repeat resolution rest rib ribs right left roi rotator run sacral sacroiliac sacrum sag
    sagittal scan scapula scout screening se sella sense sequence series shoulder sinus sinuses skeletal skull small
    soft space spgr spin spine spiral spleen standard standing static stationary sternum stir stomach stress study
    subtraction sup superior supine susceptibility swi systole systolic t1 t1w t2 t2w t2star t1rho te temporal ti
    tibia thick thickness thigh thin thoracic thorax throat thumb thymus thyroid time tir tirm tissue tmj toe toes
    tof topogram tr trachea tract trans transverse trauma tse turbo ulna ultrasound unenhanced upper ureter urethra
    urinary urography uterus vein venous ventricle ventricular vertebra vertebral vessel vessels vibe view views
    volume vr water weighted whole window with without wrist xray cerebral cerebellum cerebellar brainlab lesion
    nodule mass metal artifact artefact reduction model iterative smooth sharp ultra isotropic fused fusion
    registered average averages trace map maps value values b0 b500 b800 b1000 b1500 2d 3d 4d hi res lo swi qsm dti
    dki mrs csi svs spect fdg nm petct spectral monoenergetic kev virtual iodine overlay slice slices slab mm cm
    lumen axials coronals sagittals and of or the to on at no off only all rt lt bi l r c/a/p cap
    """
)

#: A number with its unit. A unit of one letter takes three figures at most: "1961s" is a year.
MEASURE: Final = re.compile(
    r"\d{1,4}(?:\.\d{1,3})?(?:mm|cm|ms|msec|sec|hz|khz|mhz|kv|kvp|mas|kev|deg|ml|hu|mw|db)"
    r"|\d{1,3}(?:\.\d{1,3})?[stxw°%]",
    re.IGNORECASE,
)
_VERTEBRA: Final = re.compile(r"[ctls]\d{1,2}", re.IGNORECASE)
_SMALL: Final = re.compile(r"\d{1,2}")
_DECIMAL: Final = re.compile(r"\d{1,2}\.\d{1,2}")
_UNITS: Final = frozenset(("mm", "cm", "ms", "s", "sec", "t", "hz", "kv", "kev", "%", "deg"))
_JOINTS: Final = re.compile(r"[\s_/+&,;:()\[\]*=|\\-]+")


def clean_text(text: str, *, identifiers: Identifiers, keeps_sex: bool = False) -> str:
    """The words of a descriptor that are safe, in their order; empty when none is.

    A measure with its unit is kept. A bare number of up to two digits is kept once at most, so that no date or number
    can be put together, and only where nothing else is cut, no date or age is told, and it cannot be a great age. A sex
    stays if `keeps_sex` (Retain Patient Characteristics), unless the text describes a person by it ("patient 61 y female").
    """
    if not text.strip():
        return ""
    kept: list[str] = []
    tokens = [token.strip(".'\"") for token in _JOINTS.split(text) if token.strip(".'\"")]
    describes = persons.describes(text)
    barred = frozenset[str]() if keeps_sex and not describes else persons.SEXES
    is_known = [_is_known(token) and fold(token) not in barred for token in tokens]
    is_bare = [bool(_SMALL.fullmatch(token) or _DECIMAL.fullmatch(token)) for token in tokens]
    # Beside a word that goes, a number may be that of a house, a day or a year of somebody's life.
    has_numbers = (
        all(map(any, zip(is_known, is_bare, strict=True)))
        and not describes
        and not moments.tells(text)
        and not moments.of(text)
    )
    numbers = 0
    for position, token in enumerate(tokens):
        following = fold(tokens[position + 1]) if position + 1 < len(tokens) else ""
        if is_known[position] or (is_bare[position] and following in _UNITS):
            kept.append(token)
        elif is_bare[position] and has_numbers and numbers == 0 and float(token) < OLDEST_AGE:
            numbers += 1
            kept.append(token)
    if not any(fold(token) in VOCABULARY or _VERTEBRA.fullmatch(token) for token in kept):
        return ""
    cleaned = " ".join(kept)
    # A patient may be called Hand or Long: then the whole descriptor goes.
    return "" if identifiers.find(cleaned) else cleaned


def _is_known(token: str) -> bool:
    return bool(fold(token) in VOCABULARY or MEASURE.fullmatch(token) or _VERTEBRA.fullmatch(token))
