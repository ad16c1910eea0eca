"""The graph of references between instances is the same after as before, with new UIDs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from deid.domain.profile import DEFAULT_OPTIONS, Option
from deid.domain.uids import UidMapper
from tests.deid.builders import KEY, clean, make_dataset

CT = "1.2.840.10008.5.1.4.1.1.2"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
PR = "1.2.840.10008.5.1.4.1.1.11.1"
SR = "1.2.840.10008.5.1.4.1.1.88.22"
IMAGES = [generate_uid() for _unused in range(3)]
STUDY, SERIES, FRAME = generate_uid(), generate_uid(), generate_uid()


def sop(uid: str, sop_class: str = CT) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def series() -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = SERIES
    item.ReferencedInstanceSequence = [sop(uid) for uid in IMAGES]
    return item


def segmentation() -> Dataset:
    source = sop(IMAGES[0])
    derivation = Dataset()
    derivation.SourceImageSequence = [source]
    derivation.DerivationCodeSequence = []
    frame = Dataset()
    frame.DerivationImageSequence = [derivation]
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel, segment.TrackingUID = 1, "Nodule", generate_uid()
    return make_dataset(
        SOPClassUID=SEG,
        Modality="SEG",
        FrameOfReferenceUID=FRAME,
        ReferencedSeriesSequence=[series()],
        PerFrameFunctionalGroupsSequence=[frame],
        SegmentSequence=[segment],
        PixelData=None,
    )


def structure_set() -> Dataset:
    contour_image = sop(IMAGES[1])
    rt_series = Dataset()
    rt_series.SeriesInstanceUID, rt_series.ContourImageSequence = SERIES, [contour_image]
    rt_study = sop(STUDY, "1.2.840.10008.3.1.2.3.1")
    rt_study.RTReferencedSeriesSequence = [rt_series]
    frame = Dataset()
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = FRAME, [rt_study]
    roi = Dataset()
    roi.ROINumber, roi.ReferencedFrameOfReferenceUID, roi.ROIName = 1, FRAME, "GTV"
    return make_dataset(
        SOPClassUID=RTSTRUCT,
        Modality="RTSTRUCT",
        StructureSetLabel="PLAN",
        ReferencedFrameOfReferenceSequence=[frame],
        StructureSetROISequence=[roi],
        PixelData=None,
    )


def presentation_state() -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID, item.ReferencedImageSequence = SERIES, [sop(uid) for uid in IMAGES]
    return make_dataset(SOPClassUID=PR, Modality="PR", ReferencedSeriesSequence=[item], PixelData=None)


def report() -> Dataset:
    image = Dataset()
    image.RelationshipType, image.ValueType, image.ReferencedSOPSequence = "CONTAINS", "IMAGE", [sop(IMAGES[2])]
    container = Dataset()
    container.RelationshipType, container.ValueType, container.ContentSequence = "CONTAINS", "CONTAINER", [image]
    evidence_series = Dataset()
    evidence_series.SeriesInstanceUID, evidence_series.ReferencedSOPSequence = SERIES, [sop(uid) for uid in IMAGES]
    evidence = Dataset()
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = STUDY, [evidence_series]
    return make_dataset(
        SOPClassUID=SR,
        Modality="SR",
        ContentSequence=[container],
        CurrentRequestedProcedureEvidenceSequence=[evidence],
        PixelData=None,
    )


def uids_of(dataset: Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, UID) of everything that names an instance, series, study or frame of reference."""
    for element in dataset:
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from uids_of(item, f"{path}{element.keyword}[{number}].")
        elif element.VR == "UI":
            yield path + element.keyword, str(element.value)


@pytest.mark.parametrize("make", [segmentation, structure_set, presentation_state, report])
def test_every_reference_points_to_the_new_instance(make: object) -> None:
    dataset = make()  # type: ignore[operator]
    before = dict(uids_of(dataset))
    clean(dataset, options=DEFAULT_OPTIONS | {Option.CLEAN_STRUCTURED_CONTENT})
    after = dict(uids_of(dataset))
    mapper = UidMapper(key=KEY)
    assert after == {path: mapper.new_uid(uid) for path, uid in before.items()}
    assert any(mapper.new_uid(uid) in after.values() for uid in IMAGES)


def test_a_report_without_the_option_keeps_its_evidence_and_loses_its_content() -> None:
    dataset = report()
    clean(dataset)
    assert dataset.ContentSequence[0].TextValue == "REMOVED"
    evidence = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert len(evidence.ReferencedSOPSequence) == 3


def test_text_of_a_report_is_cut_to_safe_words_under_the_option() -> None:
    dataset = report()
    text = Dataset()
    text.RelationshipType, text.ValueType, text.TextValue = (
        "CONTAINS",
        "TEXT",
        "nodule in the right lung, as Mr Quixano says",
    )
    person = Dataset()
    person.RelationshipType, person.ValueType, person.PersonName = "HAS OBS CONTEXT", "PNAME", "Cervantes^Miguel"
    dataset.ContentSequence[0].ContentSequence.extend([text, person])
    clean(dataset, options=DEFAULT_OPTIONS | {Option.CLEAN_STRUCTURED_CONTENT})
    items = dataset.ContentSequence[0].ContentSequence
    assert "Quixano" not in str(dataset) and "Cervantes" not in str(dataset)
    assert items[1].TextValue == "nodule in the right lung" and items[2].PersonName == "REMOVED"


def test_text_objects_of_a_presentation_state_go_even_when_graphics_stay() -> None:
    dataset = presentation_state()
    text, line, annotation = Dataset(), Dataset(), Dataset()
    text.UnformattedTextValue = "Quixano"
    line.GraphicType, line.GraphicData, line.GraphicDimensions = "POLYLINE", [1.0, 1.0, 2.0, 2.0], 2
    annotation.GraphicLayer, annotation.TextObjectSequence, annotation.GraphicObjectSequence = "L", [text], [line]
    dataset.GraphicAnnotationSequence = [annotation]
    clean(dataset, options=DEFAULT_OPTIONS | {Option.CLEAN_GRAPHICS})
    kept = dataset.GraphicAnnotationSequence[0]
    assert "TextObjectSequence" not in kept and kept.GraphicObjectSequence[0].GraphicType == "POLYLINE"
