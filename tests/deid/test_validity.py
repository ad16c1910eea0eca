"""The output is as valid as the input, says an independent checker; and a score in the manner of the MIDI-B benchmark."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from deid.domain import dates
from deid.domain.findings import RELEASABLE, Verdict
from deid.domain.profile import Option
from deid.domain.pseudonyms import subject
from deid.domain.uids import UidMapper
from tests.deid.builders import KEY, make_dataset, process, read, stored_values

DCIODVFY = shutil.which("dciodvfy") or str(Path(sys.executable).with_name("dciodvfy"))
FILES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "693_UNCI.dcm",
    "693_J2KR.dcm",
    "MR2_UNCI.dcm",
    "rtplan.dcm",
    "rtdose.dcm",
    "liver.dcm",
]


def errors(path: Path) -> set[str]:
    """Errors that dciodvfy finds, by their text without values and places."""
    found = subprocess.run(
        [DCIODVFY, str(path)], capture_output=True, text=True, errors="replace", timeout=60, check=False
    )
    lines = (found.stdout + found.stderr).splitlines()
    return {re.sub(r"[<\[(].*?[>\])]", "", line).strip() for line in lines if line.startswith("Error")}


@pytest.mark.peer
@pytest.mark.parametrize("options", [(), (Option.RETAIN_MODIFIED_DATES,)], ids=["basic", "modified dates"])
@pytest.mark.parametrize("name", FILES)
def test_dciodvfy_finds_no_error_that_was_not_there(name: str, options: tuple[Option, ...], tmp_path: Path) -> None:
    if not Path(DCIODVFY).exists():
        pytest.skip("dciodvfy is not installed")
    source = get_testdata_file(name)
    if source is None:
        pytest.skip("the file is not in the installed test data")
    outcome, output = process(Path(str(source)).read_bytes(), options=options, released=RELEASABLE)
    assert outcome.verdict is not Verdict.HELD_BACK, (outcome.reasons, outcome.residue_paths)
    target = tmp_path / "out.dcm"
    target.write_bytes(output)
    assert errors(target) - errors(Path(str(source))) == set()


def test_a_score_in_the_manner_of_midi_b_is_complete() -> None:
    """Correct actions ÷ required actions over its ten checks; intervals, file meta and preamble counted too."""
    who = subject(key=KEY, patient_key="somebody")
    mapper = UidMapper(key=KEY)
    correct = required = 0
    wrong: list[str] = []

    def score(check: str, passed: bool) -> None:
        nonlocal correct, required
        required += 1
        correct += passed
        if not passed:
            wrong.append(check)

    seen_uids: dict[str, str] = {}
    for number in range(12):
        nested = Dataset()
        nested.ReferencedSOPClassUID, nested.ReferencedSOPInstanceUID = (
            "1.2.840.10008.5.1.4.1.1.4",
            f"1.2.3.{number % 4}",
        )
        before = make_dataset(
            PatientName="Panza^Sancho",
            PatientID="SP-0042-77",
            StudyDate=f"202401{10 + number}",
            SeriesDate=f"202401{12 + number}",
            AcquisitionDateTime=f"202402{10 + number}083000",
            SeriesDescription="Sancho Panza knee",
            ImageComments="call 030 1234567",
            InstitutionAddress="1 Isle of Barataria",
            Manufacturer="ACME",
            EchoTime="12.5",
            FrameOfReferenceUID="1.2.3.99",
            ReferencedImageSequence=[nested],
        )
        outcome, output = process(before)
        score("file there", outcome.verdict is Verdict.PASS)
        after = read(output)
        for keyword in (
            "Rows",
            "Columns",
            "Modality",
            "SOPClassUID",
            "ReferencedImageSequence",
            "EchoTime",
            "Manufacturer",
        ):
            score(f"tag_retained {keyword}", keyword in after)
        score("text_notnull PatientName", bool(str(after.PatientName)))
        score("text_notnull PatientID", bool(after.PatientID))
        for keyword in ("Manufacturer", "EchoTime", "BodyPartExamined"):
            score(f"text_retained {keyword}", after[keyword].value == before[keyword].value)
        whole = str(after) + output.decode("latin-1")
        for text in ("Panza", "Sancho", "SP-0042", "1234567", "Barataria"):
            score(f"text_removed {text}", text not in whole)
        for keyword in ("StudyDate", "SeriesDate"):
            expected = dates.shift_date(before[keyword].value, days=who.shift_days)
            score(f"date_shifted {keyword}", after[keyword].value == expected != before[keyword].value)
        score("interval", int(after.SeriesDate) - int(after.StudyDate) in (2, 2 + 70, 2 + 71, 2 + 8869, 2 + 8870))
        for old, new in (
            (before.SOPInstanceUID, after.SOPInstanceUID),
            (before.StudyInstanceUID, after.StudyInstanceUID),
            (before.FrameOfReferenceUID, after.FrameOfReferenceUID),
            (nested.ReferencedSOPInstanceUID, after.ReferencedImageSequence[0].ReferencedSOPInstanceUID),
        ):
            score("uid_changed", old != new)
            score("uid_consistent", seen_uids.setdefault(str(old), str(new)) == str(new) == mapper.new_uid(str(old)))
        score("patid_consistent", after.PatientID == who.patient_id)
        score("pixels_retained", stored_values(after) == stored_values(before))
        score("preamble", not any(output[:128]))
        score("file meta", after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID)
        hidden, _nothing = process(make_dataset(BurnedInAnnotation="YES"))
        score("pixels_hidden", hidden.verdict is Verdict.HELD_BACK)
    assert required > 300
    assert correct == required, sorted(set(wrong))


def test_it_says_what_was_done_to_it() -> None:
    _outcome, output = process(make_dataset(), options=[Option.RETAIN_MODIFIED_DATES, Option.RETAIN_DEVICE_IDENTITY])
    after = read(output)
    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert [code.CodeValue for code in after.DeidentificationMethodCodeSequence] == ["113100", "113107", "113109"]
    assert all(len(code.CodeMeaning) <= 64 for code in after.DeidentificationMethodCodeSequence)
    buffer = io.BytesIO(output)
    assert pydicom.dcmread(buffer).file_meta.ImplementationVersionName.startswith("PACSWEB")
