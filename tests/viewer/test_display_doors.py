"""Rendered images and thumbnails show what the standard says, for every way to say it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import JPEG2000Lossless

from archive.models import Study
from archive.services.derive import derive_series
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive
from tests.dicomweb.factories import Door, make_reader, paths
from tests.viewer import display_zoo, images
from tests.viewer.display_zoo import ZOO, Specimen, difference

AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'

pytestmark = pytest.mark.django_db


def part10(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def picture(door: Door, address: str, accept: str = "image/png") -> Any:
    answer = door.get(address, accept=accept)
    assert answer.status_code == 200, (address, answer.status_code)
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_rendered_images_and_thumbnails_show_what_the_standard_says() -> None:
    archive = make_archive()
    _delivery, outcomes = deliver(archive, [part10(one.dataset) for one in ZOO.values()])
    assert [outcome.status for outcome in outcomes] == ["stored"] * len(ZOO)
    with tenant(archive.organisation):
        for series in Study.objects.get(archive=archive).series.all():
            derive_series(series=series)
    door, wrong = Door(archive, user=make_reader(archive)), {}
    for name, specimen in ZOO.items():
        for what, found in shown(door, specimen).items():
            if found > specimen.tolerance:
                wrong[name, what] = found
    assert wrong == {}


def shown(door: Door, specimen: Specimen) -> dict[str, float]:
    """How far each picture of a specimen is from what is right."""
    instance = paths(specimen.dataset)[2]
    series = instance.rpartition("/instances/")[0]
    frames = specimen.frames or [specimen.expected]
    found = {
        f"rendered {n}": difference(picture(door, f"{instance}/frames/{n}/rendered"), expected)
        for n, expected in enumerate(frames, 1)
    }
    middle = frames[len(frames) // 2]
    found["thumbnail"] = difference(picture(door, f"{instance}/thumbnail"), middle)
    found["stored thumbnail"] = difference(picture(door, f"{series}/thumbnail", "image/webp"), middle)
    return found


@pytest.mark.parametrize(
    ("more", "size"),
    [
        ({}, (64, 64)),
        ({"PixelAspectRatio": [1, 2]}, (128, 64)),
        ({"ImagerPixelSpacing": [0.6, 0.3]}, (64, 128)),
        ({"PixelSpacing": [0.5, 0.25]}, (64, 128)),
        ({"PixelSpacing": [0, 0]}, (64, 64)),
        ({"PixelSpacing": [0, 0], "PixelAspectRatio": [2, 1]}, (64, 128)),
    ],
)
def test_pixels_that_are_not_square_shape_every_picture(more: dict[str, Any], size: tuple[int, int]) -> None:
    archive = make_archive()
    name = f"shape {more}"
    dataset = display_zoo.grey_image(name, display_zoo.spread(0, 255, "u1"), **more)
    deliver(archive, [part10(dataset)])
    door, path = Door(archive, user=make_reader(archive)), paths(dataset)[2]
    for address, accept in ((f"{path}/rendered", "image/png"), (f"{path}/thumbnail", "image/png")):
        height, width = picture(door, address, accept).shape[:2]
        assert width / height == size[0] / size[1], address
    assert picture(door, f"{path}/rendered").shape[:2] == (size[1], size[0])


def test_colours_of_a_space_that_is_not_converted_are_refused() -> None:
    archive = make_archive()
    dataset = display_zoo.grey_image("partial", display_zoo.COLOURS, photometric="RGB")
    dataset.PhotometricInterpretation = "HSV"
    deliver(archive, [part10(dataset)])
    answer = Door(archive, user=make_reader(archive)).get(f"{paths(dataset)[2]}/rendered", accept="image/png")
    assert answer.status_code == 406


def test_an_overlay_of_some_frames_lies_over_those_only() -> None:
    archive = make_archive()
    dataset = images.image(
        np.full((3, 8, 8), 40, dtype=np.uint8), series="overlay of frames", study="overlay", spacing=None
    )
    for element, vr, value in (
        (0x0010, "US", 8), (0x0011, "US", 8), (0x0015, "IS", 1), (0x0040, "CS", "G"), (0x0050, "SS", [1, 1]),
        (0x0051, "US", 2), (0x0100, "US", 1), (0x0102, "US", 0), (0x3000, "OW", b"\xff" * 8),
    ):  # fmt: skip
        dataset.add_new(0x60000000 | element, vr, value)
    deliver(archive, [part10(dataset)])
    door, path = Door(archive, user=make_reader(archive)), paths(dataset)[2]
    levels = [int(picture(door, f"{path}/frames/{n}/rendered").max()) for n in (1, 2, 3)]
    assert levels == [40, 255, 40]


@pytest.mark.parametrize("kind", ["native", "JPEG 2000"])
def test_frames_that_are_missing_are_refused_and_the_others_shown(kind: str) -> None:
    archive = make_archive()
    values = np.stack([np.full((64, 64), 50 * n, dtype=np.uint8) for n in (1, 2, 3)])
    dataset = images.image(values, series=f"too few, {kind}", study="too few", spacing=None)
    if kind != "native":
        dataset = images.compressed(dataset, JPEG2000Lossless)
    dataset.NumberOfFrames = 5
    deliver(archive, [part10(dataset)])
    door, path = Door(archive, user=make_reader(archive)), paths(dataset)[2]
    assert [int(picture(door, f"{path}/frames/{n}/rendered").max()) for n in (1, 2, 3)] == [50, 100, 150]
    assert door.get(f"{path}/frames/3", accept=AS_STORED).status_code == 200
    for address, accept in ((f"{path}/frames/4", AS_STORED), (f"{path}/frames/5/rendered", "image/png")):
        answer = door.get(address, accept=accept)
        assert answer.status_code == 406
        assert "this one is missing" in answer.json()["detail"]
