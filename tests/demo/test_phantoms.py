"""Phantoms: the same bytes every time, valid DICOM, and truth that can be found in the pixels."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from pacsweb.demo.catalogue import ENTRIES, build
from pacsweb.demo.people import PEOPLE
from pacsweb.demo.phantoms import (
    BEADS,
    INSERTS,
    AbdomenFinding,
    BreastFinding,
    FilmFinding,
    Fracture,
    HeadFinding,
    Lesion,
    Nodule,
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
    ruler,
    ultrasound,
)

SMALL = {
    "chest CT": lambda key: chest_ct(
        Visit(key=key), size="small", findings=(Nodule("nodule", (-78.0, 10.0, 84.0), 34.0, spiculation=0.4),)
    ),
    "head CT": lambda key: head_ct(
        Visit(key=key), size="small", findings=(HeadFinding("clot", "haematoma", (27.0, -3.0, 70.0), (13.0, 18.0, 14.0)),)
    ),
    "abdomen CT": lambda key: abdomen_ct(
        Visit(key=key), size="small", findings=(AbdomenFinding("lesion", "metastasis", (-88.0, -20.0, 75.0), 34.0),)
    ),
    "brain MR": lambda key: brain_mr(
        Visit(key=key), size="small", weightings=("T1", "T2", "FLAIR", "DWI", "T1C"), truth_on="FLAIR",
        findings=(HeadFinding("infarct", "infarct", (42.0, -6.0, 60.0), (17.0, 22.0, 18.0)),),
    ),
    "chest film": lambda key: chest_xray(
        Visit(key=key), size="small", findings=(FilmFinding("nodule", "nodule", (-70.0, 60.0), (13.0, 13.0)),)
    ),
    "computed chest film": lambda key: chest_xray(
        Visit(key=key), size="small", computed=True, inverted=True,
        findings=(FilmFinding("opacity", "pneumonia", (-80.0, 178.0), (40.0, 34.0)),),
    ),
    "wrist": lambda key: msk_xray(Visit(key=key), size="small", fractures=(Fracture("radius", "distal radius"),)),
    "hip": lambda key: msk_xray(
        Visit(key=key), region="hip", size="small", inverted=True, fractures=(Fracture("neck", "femoral neck"),)
    ),
    "ultrasound": lambda key: ultrasound(Visit(key=key), size="small", scene=Scene(stones=((20.0, 72.0, 12.0),))),
    "breast": lambda key: mammography(
        Visit(key=key), size="small", findings=(BreastFinding("mass", "mass", "L", (60.0, 20.0), 8.0),)
    ),
    "ruler": lambda key: ruler(Visit(key=key), size="small"),
}  # fmt: skip


def _datasets(study: PhantomStudy) -> dict[str, Dataset]:
    found = [dcmread(io.BytesIO(content)) for _name, content in study.files()]
    return {str(ds.SOPInstanceUID): ds for ds in found}


def _values(ds: Dataset, frame: int = 1) -> np.ndarray:
    pixels = ds.pixel_array.astype(float)
    if pixels.ndim == 3:
        pixels = pixels[frame - 1]
    if ds.PhotometricInterpretation == "MONOCHROME1":
        pixels = 4095 - pixels
    return np.asarray(pixels * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0)))


def _disc(shape: tuple[int, ...], lesion: Lesion, factor: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    x, y = lesion.centre_px
    return np.asarray(np.hypot(columns - x, rows - y) <= max(lesion.radius_px * factor, 1.0))


@pytest.mark.parametrize("name", SMALL)
def test_a_phantom_has_the_same_bytes_every_time(name: str) -> None:
    assert SMALL[name]("determined").digest() == SMALL[name]("determined").digest()


@pytest.mark.parametrize("name", SMALL)
def test_the_truth_lies_inside_its_image(name: str) -> None:
    study = SMALL[name]("placed")
    images = _datasets(study)
    assert study.lesions
    for lesion in study.lesions:
        ds = images[lesion.sop_instance_uid]
        assert ds.SeriesInstanceUID == lesion.series_instance_uid
        x, y = lesion.centre_px
        assert 0 <= x <= ds.Columns - 1
        assert 0 <= y <= ds.Rows - 1
        assert lesion.sop_instance_uid in lesion.extent
        assert set(lesion.extent) <= set(images)
        if lesion.centre_mm is not None:
            position, spacing = [float(v) for v in ds.ImagePositionPatient], [float(v) for v in ds.PixelSpacing]
            assert lesion.centre_mm[0] == pytest.approx(position[0] + x * spacing[1], abs=0.01)
            assert lesion.centre_mm[1] == pytest.approx(position[1] + y * spacing[0], abs=0.01)
            assert lesion.centre_mm[2] == pytest.approx(position[2], abs=0.01)


#: Lesion → (twin without it, how its mean differs from the twin's: sign and least size)
TWINS: dict[str, tuple[Callable[[Visit], PhantomStudy], float]] = {
    "chest CT": (lambda visit: chest_ct(visit, size="small"), 300),
    "head CT": (lambda visit: head_ct(visit, size="small"), 20),
    "abdomen CT": (lambda visit: abdomen_ct(visit, size="small"), -20),
    "brain MR": (lambda visit: brain_mr(visit, size="small", weightings=("T1", "T2", "FLAIR", "DWI", "T1C")), 150),
    "chest film": (lambda visit: chest_xray(visit, size="small"), 60),
    "ultrasound": (lambda visit: ultrasound(visit, size="small", scene=Scene()), 20),
    "breast": (lambda visit: mammography(visit, size="small"), 100),
}


@pytest.mark.parametrize("name", TWINS)
def test_the_lesion_stands_out_and_its_normal_twin_is_the_same_elsewhere(name: str) -> None:
    study = SMALL[name]("twins")
    twin = TWINS[name][0](study.visit)
    difference = TWINS[name][1]
    assert not twin.lesions
    ill, well = _datasets(study), _datasets(twin)
    assert set(ill) == set(well)
    lesion = study.lesions[0]
    a, b = _values(ill[lesion.sop_instance_uid]), _values(well[lesion.sop_instance_uid])
    core = _disc(a.shape, lesion, 0.5)
    assert (a[core].mean() - b[core].mean()) * np.sign(difference) > abs(difference)
    untouched = [
        uid for uid in ill if uid not in lesion.extent and ill[uid].SeriesInstanceUID == lesion.series_instance_uid
    ]
    for uid in untouched[:: max(len(untouched) // 3, 1)]:
        if name in ("chest CT", "abdomen CT", "head CT"):
            far = _values(ill[uid]) != _values(well[uid])
            assert far.mean() < 0.01
    outside = ~_disc(a.shape, lesion, 3.0)
    if name not in ("chest film", "ultrasound"):
        # Films are sharpened over the whole picture, and a stone throws its shadow.
        assert (a[outside] == b[outside]).mean() > 0.985


def test_the_ruler_measures_what_it_says() -> None:
    study = ruler()
    images = _datasets(study)
    ds = images[study.lesions[0].sop_instance_uid]
    values = _values(ds)
    found = {lesion.label: lesion for lesion in study.lesions}
    for label, (_x, _y, _radius, density) in INSERTS.items():
        assert values[_disc(values.shape, found[label], 0.8)].mean() == pytest.approx(density, abs=0.5)
    centre = found["centre"].centre_mm
    assert centre is not None
    for label, (x, y) in BEADS.items():
        place = found[label].centre_mm
        assert place is not None
        assert (place[0] - centre[0], place[1] - centre[1]) == pytest.approx((x, y), abs=0.01)


@pytest.mark.parametrize("name", SMALL)
def test_an_independent_checker_finds_no_error(name: str, tmp_path: Path) -> None:
    checker = shutil.which("dciodvfy") or str(Path(__import__("sys").executable).with_name("dciodvfy"))
    paths = SMALL[name]("checked").write(tmp_path)
    one_of_each_series = {path.parent: path for path in paths}
    for path in one_of_each_series.values():
        done = subprocess.run([checker, "-new", str(path)], capture_output=True, text=True, check=False)
        errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
        assert not errors, path.name


def test_every_entry_of_the_catalogue_is_valid_and_names_survive_their_character_sets(tmp_path: Path) -> None:
    checker = str(Path(__import__("sys").executable).with_name("dciodvfy"))
    scripts = set()
    for key, entry in ENTRIES.items():
        study = build(key, size="small")
        paths = study.write(tmp_path)
        ds = dcmread(paths[0])
        assert str(ds.PatientName).rstrip("^=") == entry.person.name.rstrip("^="), key
        scripts.add(entry.person.character_set)
        done = subprocess.run([checker, "-new", str(paths[0])], capture_output=True, text=True, check=False)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")], key
    assert len(scripts) >= 8


def test_no_two_objects_of_the_demo_share_a_uid_and_all_are_well_formed() -> None:
    seen: set[str] = set()
    for key in ENTRIES:
        for series in build(key, size="small").series:
            assert series.series_instance_uid not in seen
            seen.add(series.series_instance_uid)
            for instance in series.instances:
                assert instance.sop_instance_uid not in seen
                assert UID(instance.sop_instance_uid).is_valid
                seen.add(instance.sop_instance_uid)


def test_people_are_all_different() -> None:
    assert len({person.patient_id for person in PEOPLE.values()}) == len(PEOPLE)


def test_ages_at_the_examination_fit_the_cases() -> None:
    from pacsweb.demo.cases import CASES

    bands: dict[str, tuple[int, int]] = {
        f"{low}-{high}": (low, high) for low, high in
        ((1, 5), (6, 12), (13, 17), (18, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, 79), (80, 89))
    }  # fmt: skip
    for text in CASES:
        entry = ENTRIES[text.study]
        age = int(entry.visit.age[:3])
        low, high = bands[text.age_band]
        assert low <= age <= high, (text.study, age)
        assert {"M": "male", "F": "female", "O": "other"}[entry.person.sex] == text.sex, text.study
        words = text.alternative_title.split("-year-old ")
        if len(words) > 1:
            assert int(words[0].split()[-1]) == age, (text.study, age)


def test_questions_of_the_cases_are_sound() -> None:
    from pacsweb.demo.cases import CASES
    from pacsweb.demo.cases.model import MAX_MARKS
    from teaching.domain import questions

    for text in CASES:
        assert any(ask.kind == "mark" for ask in text.questions)
        for ask in text.questions:
            row: dict[str, Any] = {
                "kind": ask.kind, "stem": ask.stem, "points": ask.points, "max_marks": MAX_MARKS,
                "options": [{"text": option.text, "is_correct": option.correct} for option in ask.options],
                "rubric": [{"text": line, "points": points} for line, points in ask.rubric],
            }  # fmt: skip
            assert questions.faults(row) == [], (text.study, ask.stem)
