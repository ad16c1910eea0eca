"""Which text of an attribute that Table E.1-1 does not list may stay, word by word.

PS3.15 E.1.1 leaves unlisted attributes to whoever implements it. Their text is free: people write names, numbers and
dates into labels that were meant for a kernel or a coil. So a value stays only when nothing but technique can be in
it: its words are in the lexicon, its codes have the form of one, and nothing in it is a date, an age or an identifier.
"""

from __future__ import annotations

import re
from typing import Final

from pydicom.charset import python_encoding

from deid.domain import lexicon, moments, persons, terms
from deid.domain.descriptors import MEASURE
from deid.domain.identifiers import Identifiers, fold
from deid.domain.words import words

# Attributes that hold a maker's name or product.
PRODUCTS: Final = words(
    """
    Manufacturer ManufacturerModelName ManufacturerRelatedModelGroup SecondaryCaptureDeviceManufacturer
    SecondaryCaptureDeviceManufacturerModelName HardcopyDeviceManufacturer HardcopyDeviceManufacturerModelName
    DetectorManufacturerName DetectorManufacturerModelName ReceiveCoilManufacturerName ApplicationManufacturer
    ApplicationName IOLManufacturer ManufacturerModelVersion AlgorithmName SegmentAlgorithmName SoftwareVersions
    SecondaryCaptureDeviceSoftwareVersions HardcopyDeviceSoftwareVersion ApplicationVersion AlgorithmVersion
    ModifyingDeviceManufacturer WedgeManufacturerName
    """
)

# Attributes of technique: beside words they hold codes, such as "B30f" or "*tfl3d1".
TECHNIQUE: Final = words(
    """
    ConvolutionKernel SequenceName PulseSequenceName FilterType TypeOfFilters ReceiveCoilName TransmitCoilName
    MultiCoilConfiguration MultiCoilElementName CollimatorGridName GridID PlateType PhosphorType ImagedNucleus RescaleType
    ModalityLUTType LUTExplanation LUTLabel WindowCenterWidthExplanation PositionReferenceIndicator
    TargetPositionReferenceIndicator TransducerData ProcessingFunction PostprocessingFunction
    AcquisitionDeviceProcessingCode Radiopharmaceutical RadiopharmaceuticalRoute ContrastBolusRoute Radionuclide
    ReconstructionMethod AttenuationCorrectionMethod ScatterCorrectionMethod DetectorLinesOfResponseUsed PVCRejection
    EnergyWindowName AcquisitionMode DoseModeName StackID ImageFilter DimensionDescriptionLabel OpticalPathIdentifier
    ReferencedOpticalPathIdentifier TriggerSourceOrType CardiacFramingType PaddleDescription ImageGeometryType
    FrameLabel FrameLabelVector SegmentLabel ImageID OutputPower ASLTechniqueDescription ASLCrusherDescription
    ASLBolusCutoffTechnique DetectorMode ViewName StageName DigitalImageFormatAcquired VideoImageFormatAcquired
    IntendedStartDayOfWeek EXIFVersion FluenceModeID WedgeID SourceIsotopeName BatteryLevel ImageDisplayFormat
    GridAbsorbingMaterial GridSpacingMaterial FilterMaterialUsedInGainCalibration MIMETypeOfEncapsulatedDocument
    ListOfMIMETypes DetectorDescription PixelSpacingCalibrationDescription ReconstructionDescription
    ExposureControlModeDescription ParallelAcquisitionTechniqueDescription AcquisitionProtocolName
    """
)

# Of these, labels and explanations that people write: a code in them may as well be somebody's age and sex.
WRITTEN: Final = words(
    """
    LUTExplanation LUTLabel WindowCenterWidthExplanation FrameLabel FrameLabelVector SegmentLabel ImageID StackID
    DimensionDescriptionLabel PaddleDescription ASLTechniqueDescription ASLCrusherDescription DetectorDescription
    PixelSpacingCalibrationDescription ReconstructionDescription ExposureControlModeDescription
    ParallelAcquisitionTechniqueDescription AcquisitionProtocolName EnergyWindowName ViewName StageName
    """
)

# A whole value of one of them names a place or a thing of the institution, an order or a journey, never technique.
NEVER: Final = words(
    """
    HL7InstanceIdentifier LocalNamespaceEntityID UniversalEntityID ReferenceToRecordedSound PatientReliabilityIndicator
    BreedRegistrationNumber StrainStockNumber NTPSourceAddress SelectorUCValue PrivateDataElementEncoding ItineraryID
    BoardingPassID RouteID RouteSegmentID CarrierID OwnerID PrintJobID PrintQueueID AssignedLocation
    PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar PatientAlternativeCalendar
    """
)

# Short codes of kernels and coils (PS3.3 leaves them to the maker), where two letters are the rule.
_SHORT_CODES: Final = words("a b c d e f g h i k l m n o p q r s t u v w x y z ya yb yc yd ye ua ub uc ca cb cc cd ce")

_JOINTS: Final = re.compile(r"[\s_/+&,;:()\[\]{}*=|\\\"'<>#@!?~^-]+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Z])")
_NUMBER: Final = re.compile(r"\d{1,3}(?:[.,]\d{1,3})?")
# Up to three letters and groups of up to three digits: no number of a person has so few, no name of more letters fits.
_CODE: Final = re.compile(
    r"(?:[a-z]{0,3}\d{1,3}(?:\.\d{1,3}){0,4}[a-z]{0,3}\d{0,3}[a-z]?|[a-z]{1,3}\d[a-z]{1,3}|[a-z]{1,7}[23]d\d{0,3}[a-z]{0,2})"
)
_SIZE: Final = re.compile(r"\d{1,3}(?:cm|in|mm)?x\d{1,3}(?:cm|in|mm)?")
_YEAR_OF_RELEASE: Final = re.compile(r"20[0-4]\d[a-z]?")
MOST_DIGITS: Final = 9
MOST_DIGITS_IN_A_WORD: Final = 5
MOST_BARE_NUMBERS: Final = 2
#: Of all bare numbers together: a telephone number in groups has more.
MOST_BARE_DIGITS: Final = 6
_YEAR: Final = re.compile(r"19\d\d[a-z]?")
_LONG_NUMBER: Final = re.compile(r"\d{4}")


def is_kept(*, keyword: str, vr: str, value: str, identifiers: Identifiers) -> bool:
    """Whether one value of an unlisted text attribute may stay as it is."""
    text = value.strip(" \0")
    if not text:
        return True
    if keyword in NEVER:
        return False
    if vr == "CS":
        return is_term(keyword=keyword, value=text, identifiers=identifiers)
    if keyword in PRODUCTS:
        return _is_product(text, identifiers=identifiers)
    if identifiers.find(text) is not None:
        return False
    if keyword in WRITTEN and persons.abbreviates(text):
        return False
    return is_technical(text, has_codes=keyword in TECHNIQUE)


def is_term(*, keyword: str, value: str, identifiers: Identifiers) -> bool:
    """Whether a code string is a term of the standard, or is made of words of the lexicon and short codes."""
    if keyword == "SpecificCharacterSet":
        return value in python_encoding
    folded = fold(value)
    if folded in CLOSED.get(keyword, ()):
        return True
    parts = [part for part in re.split(r"[ _/-]+", folded) if part]
    if keyword in CLOSED:
        return False
    if not terms.is_defined(keyword=keyword, value=value) and not all(
        _is_word(part, vocabulary=lexicon.technical_words(), has_codes=True) for part in parts
    ):
        return False
    if moments.tells(value):
        return False
    return identifiers.find_in_element(vr="CS", values=[value]) is None


def is_defined(*, keyword: str, value: str) -> bool:
    """Whether a code string is a term that the standard defines for just this attribute, whoever is called so."""
    folded = fold(value).strip(" \0")
    return keyword == "SpecificCharacterSet" or folded in CLOSED.get(keyword, ())


def is_technical(text: str, *, has_codes: bool, vocabulary: frozenset[str] | None = None) -> bool:
    """Whether every word of a text is of the lexicon and no number in it can be a person's, a date or an age."""
    if moments.tells(text) or sum(character.isdigit() for character in text) > MOST_DIGITS:
        return False
    if persons.tells(text) or persons.addresses(text) or (not has_codes and persons.abbreviates(text)):
        return False
    # Without codes there are no versions, so "2.3.61" is a date.
    if not has_codes and any(year > 9 for word in text.split() for year, _month, _day in moments.written(word)):
        return False
    known = lexicon.technical_words() if vocabulary is None else vocabulary
    bare: list[str] = []
    for raw in _JOINTS.split(text):
        token = raw.strip(".,")
        if not token:
            continue
        folded = fold(token)
        if _NUMBER.fullmatch(folded) or _LONG_NUMBER.fullmatch(folded):
            if folded not in known and not _is_word(folded, vocabulary=known, has_codes=has_codes):
                return False
            bare.append(folded)
        elif not _is_word(folded, vocabulary=known, has_codes=has_codes) and not _is_compound(token, known, has_codes):
            return False
    return _are_few(bare, most=2 * MOST_BARE_NUMBERS if has_codes else MOST_BARE_NUMBERS)


def _are_few(numbers: list[str], *, most: int) -> bool:
    """Whether numbers without a unit are too few and too short to be somebody's: "0171 5551" is a telephone number."""
    if sum(character.isdigit() for number in numbers for character in number) > MOST_BARE_DIGITS:
        return False
    has_long = any(_LONG_NUMBER.fullmatch(number) for number in numbers)
    return len(numbers) <= (1 if has_long else most)


def _is_word(folded: str, *, vocabulary: frozenset[str], has_codes: bool) -> bool:
    if folded in vocabulary or any(form.fullmatch(folded) for form in (MEASURE, _NUMBER, _SIZE)):
        return True
    if folded.isdecimal():
        return len(folded) <= 4 and not 1900 <= int(folded) <= 2050
    return has_codes and (
        folded in _SHORT_CODES
        or (_CODE.fullmatch(folded) is not None and not moments.is_age(folded) and not _YEAR.fullmatch(folded))
    )


def _is_compound(token: str, vocabulary: frozenset[str], has_codes: bool) -> bool:
    """Words run together in capitals ("ReferencedSegmentNumber"), or joined by dots ("syngo.via")."""
    if sum(character.isdigit() for character in token) > MOST_DIGITS_IN_A_WORD:
        return False
    dotted = [part for part in token.split(".") if part]
    pieces = [piece for part in dotted for piece in _CAMEL.split(part) if piece]
    return len(pieces) > 1 and all(
        _is_word(fold(part), vocabulary=vocabulary, has_codes=has_codes)
        or all(
            _is_word(fold(piece), vocabulary=vocabulary, has_codes=has_codes) for piece in _CAMEL.split(part) if piece
        )
        for part in dotted
    )


def _is_product(text: str, *, identifiers: Identifiers) -> bool:
    """Whether a value can only be a maker's name, a product or a version.

    A maker may share a word with the hospital or the station (Philips, Achieva): names of makers and products do not
    count as theirs. A word that nobody knows may be anybody's name, also beside a maker's.
    """
    if identifiers.find(text) is not None and not _is_of_a_maker(text, identifiers=identifiers):
        return False
    if identifiers.of_persons().find(text) is not None or moments.tells(text):
        return False
    if sum(character.isdigit() for character in text) > MOST_DIGITS:
        return False
    known = lexicon.product_words()
    for raw in _JOINTS.split(text):
        token = raw.strip(".,")
        folded = fold(token)
        if not token or _NUMBER.fullmatch(folded) or _YEAR_OF_RELEASE.fullmatch(folded):
            continue
        if not _is_word(folded, vocabulary=known, has_codes=True) and not _is_compound(token, known, has_codes=True):
            return False
    return True


def _is_of_a_maker(text: str, *, identifiers: Identifiers) -> bool:
    """Whether a text that names the institution or a device does so only by names of makers and products."""
    named = all(word in lexicon.MAKERS or word in lexicon.MODELS for word in re.findall(r"[^\W\d_]+", fold(text)))
    return named and identifiers.find(" ".join(re.findall(r"\d{3,}", text))) is None


# Attributes whose terms are few and short: anything else in them is not what it should be (PS3.3 C.7 and C.8).
CLOSED: Final[dict[str, frozenset[str]]] = {
    "PatientSex": words("m f o"),
    "Laterality": words("r l u b"),
    "ImageLaterality": words("r l u b"),
    "FrameLaterality": words("r l u b m"),
    "MeasurementLaterality": words("r l u b"),
    "PatientOrientation": frozenset(
        one + two + three
        for one in ("a", "p", "r", "l", "h", "f", "le", "rt", "d", "v", "cr", "cd")
        for two in ("", "a", "p", "r", "l", "h", "f", "d", "v")
        for three in ("", "a", "p", "r", "l", "h", "f")
    ),
    "LossyImageCompression": words("00 01"),
    "LossyImageCompressionMethod": words(
        """
        iso_10918_1 iso_14495_1 iso_15444_1 iso_15444_2 iso_15444_15 iso_13818_2 iso_14496_10 iso_23008_2 iso_18181_1
        """
    ),
    "MRAcquisitionType": words("2d 3d"),
    "RotationDirection": words("cw cc"),
    "ScanningSequence": words("se ir gr ep rm"),
    "SequenceVariant": words("sk mtc ss trss sp mp osp none other"),
    "BurnedInAnnotation": words("yes no"),
    "PatientIdentityRemoved": words("yes no"),
    "AngioFlag": words("y n"),
    "VariableFlipAngleFlag": words("y n"),
    "ContextGroupExtensionFlag": words("y n"),
    "Modality": words(
        """
        ct mr nm us cr dx mg io px rf xa pt ot sm sr seg reg rt es xc gm dms oct op opt opm opv oam ecg eps hd au pr ko
        doc ivus bdus rg ls tg vf ss ar len va ker srf iol ivoct bmd asmt plan stl obj mtl m3d rwv dss smr hc resp fid emg
        eeg eog cfm dg bi as cd cf cp cs dd df dm ds ec fa fs lp ma ms st rtimage rtdose rtstruct rtplan rtrecord
        rtintent rtrad rtsegann opten optent optenf optbsv ctprotocol xaprotocol text pos ann thermo
        """
    ),
    "SeriesType": frozenset(("whole body", "static", "dynamic", "gated", "image", "reprojection")),
    "CorrectedImage": words("decy attn scat dtim motn pmot clos ran radl dcal norm nrgy unif cor lin motion"),
    "PresentationLUTShape": words("identity inverse lin"),
    "VOILUTFunction": words("linear linear_exact sigmoid"),
    "PhotometricInterpretation": frozenset(
        (
            *("monochrome1", "monochrome2", "palette color", "rgb", "hsv", "argb", "cmyk", "xyb", "ybr_full"),
            *("ybr_full_422", "ybr_partial_422", "ybr_partial_420", "ybr_ict", "ybr_rct"),
        )
    ),
    "ConversionType": words("dv di df wsd sd si drw syn"),
    "ViewPosition": words("ap pa ll rl rld lld rlo llo lao rao cc mlo ml lm lmo xccl xccm fb sio iso cv at tan"),
    "PatientPosition": words(
        "hfp hfs hfdr hfdl ffp ffs ffdr ffdl afdr afdl pfdr pfdl lfp lfs rfp rfs sitting standing"
    ),
}
