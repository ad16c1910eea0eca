"""Truths of a case, and what may come to its images: what no reader may be able to tell apart before the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from access.models import User
from archive.models import Archive, Instance, Study
from teaching import services
from teaching.models import Case
from tests.archive.factories import deliver, make_file
from tests.dicomweb.test_partial_sight import BASIC_TEXT_SR, NO_IMAGE
from tests.teaching.factories import make_mark

STUDY_UID, SERIES_UID = "1.2.826.0.1.3680043.8.77.1", "1.2.826.0.1.3680043.8.77.2"
PATIENT = {"PatientID": "CASE-1", "PatientName": "Case^One", "AccessionNumber": "1"}

Change = Callable[["Read"], None]


@dataclass
class Read:
    """One case on its way to its reader."""

    educator: User
    archive: Archive
    study: Study
    case: Case

    def fields(self, **changes: Any) -> None:
        services.save_case(actor=self.educator, case=self.case, changes=changes)

    def sections(self, **bodies: str) -> None:
        services.set_sections(actor=self.educator, case=self.case, bodies=bodies)

    def truth(self, *marks: Any) -> None:
        services.save_truth(actor=self.educator, case=self.case, marks=marks)

    def question(self, kind: str, **changes: Any) -> None:
        row = self.case.questions.get(kind=kind)
        services.change_question(actor=self.educator, case=self.case, question_id=row.public_id, changes=changes)

    def arrive(self, **elements: Any) -> None:
        deliver(self.archive, [make_file(StudyInstanceUID=STUDY_UID, **{**PATIENT, **elements})])


def normal(read: Read) -> None:
    read.truth()
    read.fields(is_normal=True)


def three_lesions(read: Read) -> None:
    read.truth(*(make_mark(read.study, at=(4.0 + n, 5.0, 1.5), label=f"lesion {n}") for n in range(3)))


def an_outline(read: Read) -> None:
    points = ((3.0, 3.0), (9.0, 3.0), (9.0, 9.0), (3.0, 9.0))
    read.truth(make_mark(read.study, tool="freehand", points=points, patient_points=None, label="calcifiedrim"))


def on_another_image(read: Read) -> None:
    image = Instance.objects.filter(study=read.study).select_related("series").latest("instance_number")
    read.truth(make_mark(read.study, sop_instance_uid=image.sop_instance_uid))


def another_diagnosis(read: Read) -> None:
    read.fields(
        title="Glioma of the thalamus", diagnosis_group="glioma", abstract="A glioma.",
        codes=[{"system": "RADLEX", "code": "RID2", "display": "Glioma", "role": "diagnosis"}],
    )  # fmt: skip
    read.sections(diagnosis="Glioma")


def another_text(read: Read) -> None:
    read.sections(
        findings="Nothing of note, at some length. " * 20,
        discussion="Short.",
        differential="- One\n- Two",
        references="1.",
    )
    read.question("single", explanation="Because.")
    read.question("mark", explanation="There. " * 50)


def other_tags(read: Read) -> None:
    read.fields(
        keywords=["glioma", "tumour", "third"], anatomy="Thalamus", certainty="pathology", codes=[], licence="CC0-1.0"
    )


def key_images(read: Read) -> None:
    image = Instance.objects.filter(study=read.study).select_related("series").latest("instance_number")
    read.fields(
        key_images=[{
            "id": "1", "series": image.series.series_instance_uid, "sop": image.sop_instance_uid, "caption": "The glioma",
        }]
    )  # fmt: skip


def another_right_answer(read: Read) -> None:
    """The one after the right one."""
    options = read.case.questions.get(kind="single").options
    right = [
        {**option, "is_correct": bool(before["is_correct"]), "explanation": f"why {number}"}
        for number, (before, option) in enumerate(zip([options[-1], *options], options, strict=False))
    ]
    read.question("single", options=right)


def another_rubric(read: Read) -> None:
    read.question("text", rubric=[{"text": "Says glioma", "points": 7}, {"text": "Says where", "points": 3}])


def a_report_arrives(read: Read) -> None:
    read.arrive(
        Modality="SR", SOPClassUID=BASIC_TEXT_SR, PixelData=None, SeriesNumber=0, SeriesDescription="Xanthogranuloma",
        **NO_IMAGE,
    )  # fmt: skip


def a_segmentation_arrives(read: Read) -> None:
    read.arrive(Modality="SEG", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", SeriesNumber=0, SeriesDescription="Glioma")


def an_image_arrives(read: Read) -> None:
    read.arrive(Modality="MR", SeriesInstanceUID=SERIES_UID, SeriesNumber=1, InstanceNumber=2)


#: What was published.
TRUTHS: Mapping[str, Change] = {
    "normal": normal,
    "three lesions": three_lesions,
    "an outline": an_outline,
    "on another image": on_another_image,
    "another diagnosis": another_diagnosis,
    "another text": another_text,
    "other tags": other_tags,
    "key images": key_images,
    "another right answer": another_right_answer,
    "another rubric": another_rubric,
}
#: What came to the images afterwards.
ARRIVALS: Mapping[str, Change] = {
    "a report": a_report_arrives,
    "a segmentation": a_segmentation_arrives,
    "an image": an_image_arrives,
}
#: What is written in the headers of the images.
HEADERS: Mapping[str, Mapping[str, Any]] = {
    "other texts": {
        "StudyDescription": "Oncoword follow-up", "SeriesDescription": "Oncoword", "ProtocolName": "ONCO",
        "ImageComments": "Oncoword here", "PatientName": "Other^Name", "BodyPartExamined": "PLEXUS",
        "RequestedProcedureDescription": "Oncoword", "OperatorsName": "Other^Operator",
    },
    "other dates": {"StudyDate": "20210304", "SeriesDate": "20210305", "AcquisitionTime": "101112", "StudyTime": "223344"},
}  # fmt: skip


def all_of(*changes: Change) -> Change:
    def change(read: Read) -> None:
        for one in changes:
            one(read)

    return change


#: No lesion, and what can be told at once of a case with several. Which one is at fault is asked when one is.
EVERYTHING_ELSE = all_of(*(change for name, change in TRUTHS.items() if name not in ("normal", "an outline")))
