"""Clean Descriptors: free text cut down to words that can only be technique and anatomy.

What is not in the vocabulary goes, so an unknown word, a name, a number or a date never passes; what a series is
("T2 axial head 3 mm") usually does. What stays means what it meant: of a phrase only words that stood side by side stay,
and all or none of them where one is a negation, a side, a time or a finding (`deid.domain.claims`).
"""

from __future__ import annotations

import re
from typing import Final

from deid.domain import claims, moments, persons
from deid.domain.identifiers import Identifiers, fold
from deid.domain.words import words

OLDEST_AGE: Final = 90

VOCABULARY: Final = claims.WORDS | words(
    """
    abd abdo abdomen abdominal acquisition adc adrenal after ankle angio angiography anterior aorta aortic ap apical arm
    arterial arthrography artery asl atlas attenuation ax axial axis axl back base basal bladder blade blood bold
    bone bowel brachial brain brainstem breast bronchial calf cardiac carotid cc cervical cest chamber chest cine
    circle clavicle cochlea coil collar colon colonography combined control cor coronal coronary corrected cranial
    cranium cross ct cta cube cuff data delay delayed dce deep delta derived diaphragm diastole diastolic diff
    diffusion dixon dorsal dose double drip dual dwi dynamic ear early echo elbow epi epigastric esophagus exam
    expiration extremity eye face facial fast fat fatsat feet female femoral femur ffe fibula fiesta filter finger
    fingers flair flash flow fluid foot for fossa fov frfse fs fse ft full function functional fundus gall
    gallbladder gated gd gi gland gradient gre hand haste head heart hemi hepatic high hilar hip hips hrct humerus
    iac iliac image images imaging in inf inferior initial inner inspiration internal intracranial inversion iv ivc
    ivim jaw joint kernel kidney kidneys knee kub large larynx lat lateral leg legs liver localiser localizer long
    loop low lower lumbar lung lungs lymph male mammography mandible mask maxilla maxillary mean mediastinum medial
    medium mesenteric mid middle minip mip mlo motion mp mpr mprage mr mra mrcp mri mrv multi multiplanar multiphase
    muscle myelography nasal navigator neck nerve nerves oblique opp opposed optic oral orbit orbital orbits out
    ovary pa pancreas paranasal parenchyma parotid patella pc pd pe pediatric pelvic pelvis perfusion pet phase
    phases pituitary plain plane popliteal portal posterior power prone prostate protocol proton pulmonary
    quantitative radius reconstruction rectum recon reformat reformatted region renal resolution rest rib ribs roi
    rotator run sacral sacroiliac sacrum sag sagittal scan scapula scout screening se sella sense sequence series
    shoulder sinus sinuses skeletal skull small soft space spgr spin spine spiral spleen standard standing static
    stationary sternum stir stomach stress study subtraction sup superior supine susceptibility swi systole systolic
    t1 t1w t2 t2w t2star t1rho te temporal ti tibia thick thickness thigh thin thoracic thorax throat thumb thymus
    thyroid time tir tirm tissue tmj toe toes tof topogram tr trachea tract trans transverse tse turbo ulna
    ultrasound upper ureter urethra urinary urography uterus vein venous ventricle ventricular vertebra vertebral
    vessel vessels vibe view views volume vr water weighted whole window wrist xray cerebral cerebellum cerebellar
    brainlab reduction model iterative smooth sharp ultra isotropic fused fusion registered average averages trace
    map maps value values b0 b500 b800 b1000 b1500 2d 3d 4d hi res lo swi qsm dti dki mrs csi svs spect fdg nm petct
    spectral monoenergetic kev virtual iodine overlay slice slices slab mm cm lumen axials coronals sagittals and of
    or the to on at all c/a/p cap
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
_PHRASES: Final = re.compile(r"[,;|\\]")
_DECIMAL_COMMA: Final = re.compile(
    r"(?<![\w.,])(\d{1,3}),(\d{1,3})(?=\s?(?:mm|cm|ms|s|sec|t|hz|kv|kev|ml|deg|%)(?![^\W_]))", re.IGNORECASE
)
_JOINTS: Final = re.compile(r"[\s_/+&:()\[\]*=\-±−]+")
#: What no phrase ends or begins with where the rest of it was cut.
_LINKS: Final = words("and of or the to on at for in by")


def clean_text(text: str, *, identifiers: Identifiers, keeps_sex: bool = False) -> str:
    """The words of a descriptor that are safe, in their order; empty when none is.

    Commas and semicolons part phrases. A phrase of which all words are known stays. Of another the longest row of known
    words stays, and nothing where the phrase holds a word that the rest depends on ("left", "no", "contrast").

    A measure with its unit is kept. A bare number of up to two digits is kept once at most, so that no date or number
    can be put together, and only where nothing else is cut, no date or age is told, and it cannot be a great age. A sex
    stays if `keeps_sex` (Retain Patient Characteristics), unless the text describes a person by it ("patient 61 y female").
    """
    if not text.strip():
        return ""
    describes = persons.describes(text)
    barred = frozenset[str]() if keeps_sex and not describes else persons.SEXES
    phrases = [
        _Phrase(part.strip(), barred=barred)
        for part in _PHRASES.split(_DECIMAL_COMMA.sub(r"\1.\2", text))
        if part.strip()
    ]
    # Beside a word that goes, a number may be that of a house, a day or a year of somebody's life.
    has_numbers = (
        all(phrase.is_plain for phrase in phrases)
        and not describes
        and not moments.tells(text)
        and not moments.of(text)
    )
    budget = 1 if has_numbers else 0
    kept: list[str] = []
    for phrase in phrases:
        budget = phrase.spend(budget)
        kept.append(phrase.left())
    cleaned = ", ".join(part for part in kept if part)
    # A patient may be called Hand or Long: then the whole descriptor goes.
    return "" if identifiers.find(cleaned) else cleaned


def fitted(text: str, *, limit: int) -> str:
    """A cleaned text of at most `limit` characters: whole phrases of it, as fewer words may say something else."""
    while len(text) > limit:
        text = text.rpartition(", ")[0]
    return text


class _Phrase:
    """Words between commas, and which of them may stay."""

    def __init__(self, text: str, *, barred: frozenset[str]) -> None:
        self.text = " ".join(text.split())
        self.tokens = _tokens(self.text)
        self.folded = [fold(token) for token in self.tokens]
        self.is_claim = claims.is_claim(phrase=self.text, folded=self.folded)
        self.is_bare = [bool(_SMALL.fullmatch(token) or _DECIMAL.fullmatch(token)) for token in self.tokens]
        self.is_known = [self._knows(position, barred=barred) for position in range(len(self.tokens))]
        self.is_kept = [
            known or (bare and self._following(position) in _UNITS)
            for position, (known, bare) in enumerate(zip(self.is_known, self.is_bare, strict=True))
        ]

    @property
    def is_plain(self) -> bool:
        return all(map(any, zip(self.is_known, self.is_bare, strict=True)))

    def _following(self, position: int) -> str:
        return self.folded[position + 1] if position + 1 < len(self.folded) else ""

    def _knows(self, position: int, *, barred: frozenset[str]) -> bool:
        token, folded = self.tokens[position], self.folded[position]
        following = self._following(position)
        behind = "" if following in VOCABULARY or not following.isalpha() else following
        if folded in barred or persons.is_title(
            self.text, token=token, before=self.folded[position - 1] if position else "", behind=behind
        ):
            return False
        return bool(
            folded in VOCABULARY
            or MEASURE.fullmatch(token)
            or _VERTEBRA.fullmatch(token)
            or (claims.is_agent(folded) and self._gives(position))
            or (folded in _UNITS and position > 0 and self.is_bare[position - 1])
        )

    def _gives(self, position: int) -> bool:
        """Whether another word, or a sign, says that an agent was given or not."""
        others = self.folded[:position] + self.folded[position + 1 :]
        return claims.is_signed(self.text) or any(word in claims.WORDS for word in others)

    def spend(self, budget: int) -> int:
        """Keep as many bare numbers as are left to keep; give back how many remain."""
        for position, token in enumerate(self.tokens):
            if budget and self.is_bare[position] and not self.is_kept[position] and float(token) < OLDEST_AGE:
                self.is_kept[position] = True
                budget -= 1
        return budget

    def left(self) -> str:
        if all(self.is_kept):
            row = self.tokens
        elif self.is_claim:
            return ""
        else:
            row = self._longest_row()
        if not any(fold(token) in VOCABULARY or _VERTEBRA.fullmatch(token) for token in row):
            return ""
        return self.text if self.is_claim else " ".join(row)

    def _longest_row(self) -> list[str]:
        """The most words side by side, the first of equals, without what linked them to words that go."""
        best: list[str] = []
        begin = 0
        for end in range(len(self.tokens) + 1):
            if end < len(self.tokens) and self.is_kept[end]:
                continue
            first, last = begin, end
            while last > first and last < len(self.tokens) and self.folded[last - 1] in _LINKS:
                last -= 1
            while last > first > 0 and self.folded[first] in _LINKS:
                first += 1
            if last - first > len(best):
                best = self.tokens[first:last]
            begin = end + 1
        return best


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    begin = 0
    for match in claims.WRITTEN.finditer(text):
        found += [*_JOINTS.split(text[begin : match.start()]), match[0]]
        begin = match.end()
    found += _JOINTS.split(text[begin:])
    return [token for raw in found if (token := raw.strip(".'\""))]
