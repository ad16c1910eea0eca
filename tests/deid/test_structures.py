"""Contours and segments keep their names or get one of their own; code strings keep the standard's terms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.valuerep import STR_VR

from deid.domain import structures, texts
from deid.domain.identifiers import Identifiers
from deid.domain.profile import DEFAULT_OPTIONS, Option
from tests.deid.builders import clean, make_dataset

OPTIONS = DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}
NAMES = [
    "Lungs-GTV", "FemoralHead_R", "OpticNrv_L", "Glnd_Submand_L", "Glnd_Submand_R", "GTV", "CTV", "PTV", "ITV", "SpinalCord",
    "BODY", "GTVp1", "CTVn2", "PTV_7000", "PTV70Gy", "SpinalCord_PRV05", "zRing", "Brain-PTV", "PTV_6000-02", "PTV_EVAL",
    "Eye_L+05", "~Lung_R", "LN_Neck_II_L", "VB_L1", "Rib05_L", "CN_VII_R", "Left lung", "Heart", "Opt PTV 50.4Gy", "A_Carotid_L",
    "IGTV_1",
]  # fmt: skip
STRANGE = [
    "Meyer_GTV", "GTV Meyer", "GTV_Zofia", "ZofiaPTV", "PTV_19540312", "PTV_1961", "GTV 12.03.1961", "PTV_12_03_61", "Lung_M47",
    "PTV 0171 5551 22", "Mr lung", "GTV_61y", "12345", "B_M_K_GTV", "Zofia_L",
    "Lung 4711",
]  # fmt: skip
NAME = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(STRANGE),
    st.sampled_from(["ROI 1", "ROI 2", "roi 3", "Segment 2", "Observation 1"]),
)


def labelled(names: list[str]) -> Dataset:
    """A data set in which the names stand as those of contours, of observations and of segments."""
    dataset = make_dataset()
    dataset.StructureSetROISequence, dataset.RTROIObservationsSequence, dataset.SegmentSequence = [], [], []
    for number, name in enumerate(names, start=1):
        roi, observation, segment = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        observation.ReferencedROINumber, observation.ROIObservationLabel = number, name
        segment.SegmentNumber, segment.SegmentLabel = number, name
        dataset.StructureSetROISequence.append(roi)
        dataset.RTROIObservationsSequence.append(observation)
        dataset.SegmentSequence.append(segment)
    return dataset


def names_of(dataset: Dataset) -> list[list[str]]:
    return [
        [item.ROIName for item in dataset.StructureSetROISequence],
        [item.ROIObservationLabel for item in dataset.RTROIObservationsSequence],
        [item.SegmentLabel for item in dataset.SegmentSequence],
    ]


def test_structures_keep_the_names_that_the_standard_of_radiotherapy_gives_them() -> None:
    dataset = labelled(NAMES)
    clean(dataset, options=OPTIONS)
    assert names_of(dataset) == [NAMES, NAMES, NAMES]


def test_a_name_that_may_be_a_persons_becomes_a_number_and_never_part_of_itself() -> None:
    dataset = labelled(STRANGE)
    clean(dataset, options=OPTIONS)
    numbers = range(1, len(STRANGE) + 1)
    assert names_of(dataset) == [[f"{kind} {one}" for one in numbers] for kind in ("ROI", "Observation", "Segment")]


@given(st.lists(NAME, min_size=1, max_size=8, unique_by=str.casefold))
def test_structures_that_differ_by_name_still_do(names: list[str]) -> None:
    dataset = labelled(names)
    clean(dataset, options=OPTIONS)
    for kept in names_of(dataset):
        assert len({name.casefold() for name in kept}) == len(names)


def test_segments_differ_by_name_without_the_option_too() -> None:
    dataset = labelled(["Meyer", "Zofia", "GTV"])
    clean(dataset, options=DEFAULT_OPTIONS)
    assert [item.SegmentLabel for item in dataset.SegmentSequence] == ["Segment 1", "Segment 2", "GTV"]


def test_a_structure_that_is_called_like_the_patient_becomes_a_number() -> None:
    dataset = labelled(["Liver", "GTV"])
    dataset.PatientName = "Liver^Ann"
    clean(dataset, options=OPTIONS)
    assert names_of(dataset)[0] == ["ROI 1", "GTV"]


def test_a_sex_in_the_name_of_a_structure_stays_only_with_the_characteristics_of_the_patient() -> None:
    for options, expected in (
        (OPTIONS, ["ROI 1", "Observation 1", "Segment 1"]),
        (OPTIONS | {Option.RETAIN_PATIENT_CHARACTERISTICS}, ["Female pelvis"] * 3),
    ):
        dataset = labelled(["Female pelvis"])
        clean(dataset, options=options)
        assert [kept for (kept,) in names_of(dataset)] == expected


@given(st.text(max_size=40))
def test_any_text_is_a_structure_or_not(text: str) -> None:
    assert structures.is_structure(text, identifiers=Identifiers()) in (True, False)


#: (attribute, term) as PS3.3 defines them.
TERMS = [
    ("PresentationSizeMode", "SCALE TO FIT"), ("PresentationSizeMode", "TRUE SIZE"), ("PresentationSizeMode", "MAGNIFY"),
    ("SUVType", "LBMJANMA"), ("SUVType", "LBMJAMES128"), ("SUVType", "BW"), ("SUVType", "IBW"), ("SUVType", "BSA"),
    ("RTROIInterpretedType", "IRRAD_VOLUME"), ("RTROIInterpretedType", "TREATED_VOLUME"),
    ("RTROIInterpretedType", "BRACHY_SRC_APP"),
    ("TypeOfDetectorMotion", "STEP AND SHOOT"), ("EchoPulseSequence", "SPIN"), ("SteadyStatePulseSequence", "FREE_PRECESSION"),
    ("ParallelAcquisitionTechnique", "PILS"), ("WaterReferencedPhaseCorrection", "YES"),
    ("FixationDeviceType", "VACUUM_MOLD"), ("FixationDeviceType", "CAST"), ("PrimaryDosimeterUnit", "MINUTE"),
    ("VolumeLocalizationTechnique", "SLOOP"), ("GantryMotionCorrected", "NO"), ("Units", "CPS"), ("Units", "CM2ML"),
    ("RespiratoryMotionCompensationTechnique", "PHASE_RESCANNING"), ("PixelPresentation", "TRUE_COLOR"),
    ("VolumeLocalizationTechnique", "PRESS"), ("DecouplingMethod", "MLEV"), ("SegmentationType", "FRACTIONAL"),
    ("DimensionOrganizationType", "TILED_SPARSE"), ("SelectorAttributeVR", "PN"), ("SelectorAttributeVR", "UI"),
]  # fmt: skip


@pytest.mark.parametrize(("keyword", "term"), TERMS)
def test_a_term_of_the_standard_stays_in_a_code_string(keyword: str, term: str) -> None:
    assert texts.is_term(keyword=keyword, value=term, identifiers=Identifiers())


@pytest.mark.parametrize(
    "term", ["PHASE_REORDER", "SILICONE_GEL", "IEC", "ACQ DURING STEP", "TREATED_VOLUME", "CLAMSHELL"]
)
def test_a_term_of_three_letters_and_more_stays_whatever_attribute_it_is_defined_for(term: str) -> None:
    assert texts.is_term(keyword="ScanOptions", value=term, identifiers=Identifiers())


@pytest.mark.parametrize("term", ["ZOFIA", "CHASE", "HENSCHKE", "LI", "KOWALSKA_LUNG", "PTV_ZOFIA", "AXIAL 19540312"])
def test_what_no_attribute_defines_goes_from_a_code_string(term: str) -> None:
    assert not texts.is_term(keyword="ScanOptions", value=term, identifiers=Identifiers())


def test_every_vr_is_a_term_of_the_attribute_that_names_one() -> None:
    assert all(texts.is_term(keyword="SelectorAttributeVR", value=str(vr), identifiers=Identifiers()) for vr in STR_VR)
