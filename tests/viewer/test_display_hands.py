"""Pictures under a person's hands: what one image or series does never spoils the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, JPEG2000Lossless

from tests.viewer import images, site
from tests.viewer.conftest import Viewer

pytestmark = pytest.mark.e2e

GRADIENT = np.tile(np.arange(64, dtype=np.uint16) * 60, (48, 1))


def stack(name: str, *, slices: int = 3, **more: Any) -> list[Dataset]:
    """Slices with windows of their own."""
    return [
        images.image(
            GRADIENT + np.uint16(k),
            series=name,
            number=k + 1,
            study=f"hands {name}",
            description=name,
            position=(0.0, 0.0, 30.0 - 3 * k),
            bits_stored=12,
            **{"window": (1000 + 100 * k, 2000), **more},
        )
        for k in range(slices)
    ]


def show(viewer: Viewer, dataset: Dataset) -> None:
    series = str(dataset.SeriesInstanceUID)
    viewer.page.click(f'.rail-item[data-series="{series}"]')
    viewer.wait(lambda: viewer.pane()["series"] == series and viewer.pane()["drawn"] >= 0)


def center(viewer: Viewer) -> float:
    return float(viewer.pane()["window"]["center"])


def scroll(viewer: Viewer, key: str, drawn: int) -> None:
    viewer.focus()
    viewer.key(key)
    viewer.wait(lambda: viewer.pane()["drawn"] == drawn)


def test_a_window_chosen_for_one_series_does_not_stick_to_the_next(viewer: Viewer) -> None:
    first, second = stack("chosen"), stack("next")
    site.page("chosen window", site.entry(first, number=1), site.entry(second, number=2), study="chosen")
    viewer.open("chosen window")
    assert viewer.wait(lambda: center(viewer) == 1100)
    viewer.focus()
    viewer.key("Shift+W")
    viewer.wait(lambda: center(viewer) != 1100)
    chosen = center(viewer)
    scroll(viewer, "ArrowDown", 2)
    assert center(viewer) == chosen
    show(viewer, second[0])
    assert center(viewer) == 1100
    scroll(viewer, "ArrowDown", 2)
    assert center(viewer) == 1200
    show(viewer, first[0])
    assert center(viewer) == 1100


def test_a_spacing_of_0_blanks_nothing(viewer: Viewer) -> None:
    odd, good = stack("no spacing"), stack("good spacing")
    odd[1].PixelSpacing = [0, 0]
    site.page("no spacing", site.entry(odd, number=1), site.entry(good, number=2), study="no spacing")
    viewer.open("no spacing")
    for key in ("Home", "ArrowDown", "ArrowDown"):
        viewer.focus()
        viewer.key(key)
    viewer.wait(lambda: viewer.pane()["drawn"] == viewer.pane()["index"])
    assert viewer.pane()["pixelSize"] > 1
    show(viewer, good[0])
    assert viewer.pane()["pixelSize"] > 1
    viewer.wait(lambda: viewer.get("colours(0, [[60, 20]])") == [[255, 255, 255]])


def test_a_damaged_slice_says_so_and_the_next_ones_are_shown(viewer: Viewer) -> None:
    slices = [images.compressed(one, JPEG2000Lossless) for one in stack("damaged slice")]
    whole = bytes(slices[1].PixelData)
    slices[1].PixelData = whole[:60] + bytes(len(whole) - 60)
    good = stack("beside a damaged slice")
    site.page("damaged", site.entry(slices, number=1), site.entry(good, number=2), study="damaged")
    viewer.open("damaged", ready=False)
    viewer.wait(lambda: viewer.page.locator(".pane-status.is-error").is_visible())
    scroll(viewer, "ArrowDown", 2)
    assert viewer.pane()["pixelSize"] > 1
    assert not viewer.page.locator(".pane-status.is-error").is_visible()
    scroll(viewer, "Home", 0)
    viewer.wait(lambda: viewer.get("colours(0, [[60, 20]])") == [[255, 255, 255]])
    show(viewer, good[0])
    assert viewer.pane()["pixelSize"] > 1


def directions(viewer: Viewer) -> tuple[str, str]:
    """Where the rows and the columns of the image run on screen."""
    origin, right, down = (viewer.get(f"toScreen(0, [{x}, {y}])") for x, y in ((0, 0), (10, 0), (0, 10)))

    def way(to: list[float]) -> str:
        x, y = to[0] - origin[0], to[1] - origin[1]
        return ("right" if x > 0 else "left") if abs(x) > abs(y) else ("down" if y > 0 else "up")

    return way(right), way(down)


def test_turning_and_mirroring_change_what_is_on_screen_in_any_order(viewer: Viewer) -> None:
    first, second = stack("turned"), stack("turned next")
    site.page("turned", site.entry(first, number=1), site.entry(second, number=2), study="turned")
    viewer.open("turned")
    viewer.focus()
    assert directions(viewer) == ("right", "down")
    for key, expected in (
        ("Shift+R", ("down", "left")),
        ("h", ("down", "right")),
        ("h", ("down", "left")),
        ("v", ("up", "left")),
        ("Shift+R", ("right", "up")),
        ("v", ("right", "down")),
        ("h", ("left", "down")),
        ("Alt+r", ("down", "right")),
    ):
        viewer.key(key)
        viewer.wait(lambda expected=expected: directions(viewer) == expected, within=10, what=f"{key}: {expected}")  # type: ignore[misc]
    scroll(viewer, "ArrowDown", 2)
    assert directions(viewer) == ("down", "right")
    show(viewer, second[0])
    assert directions(viewer) == ("right", "down")


def radiograph(name: str, **more: Any) -> Dataset:
    return images.image(
        GRADIENT,
        series=name,
        study="radiographs",
        description=name,
        modality="DX",
        sop_class=DigitalXRayImageStorageForPresentation,
        bits_stored=12,
        **{"spacing": None, "PatientOrientation": ["L", "F"], "ImageLaterality": "R", "ViewPosition": "PA", **more},
    )


def sides(viewer: Viewer) -> list[str]:
    return [viewer.page.inner_text(f".pane-{side}") for side in ("left", "right", "top", "bottom")]


def test_a_radiograph_names_its_sides_its_laterality_and_its_view(viewer: Viewer) -> None:
    site.page("sides", site.entry([radiograph("sides")]), study="radiographs")
    viewer.open("sides")
    viewer.wait(lambda: sides(viewer) == ["R", "L", "H", "F"])
    assert "R PA" in viewer.page.inner_text(".pane-tr")
    viewer.focus()
    viewer.key("h")
    viewer.wait(lambda: sides(viewer) == ["L", "R", "H", "F"])
    viewer.key("Shift+R")
    viewer.wait(lambda: sides(viewer) == ["F", "H", "L", "R"])


@pytest.mark.parametrize(
    ("name", "more", "note", "length"),
    [
        ("plain", {"spacing": (0.5, 0.5)}, "", 20),
        ("detector", {"ImagerPixelSpacing": [0.5, 0.5]}, "Spacing at the detector", 20),
        (
            "magnified",
            {"ImagerPixelSpacing": [0.5, 0.5], "EstimatedRadiographicMagnificationFactor": "1.25"},
            "Spacing corrected for a magnification of 1.25",
            16,
        ),
        (
            "corrected",
            {"spacing": (0.4, 0.4), "ImagerPixelSpacing": [0.5, 0.5]},
            "Spacing corrected by the modality",
            16,
        ),
        ("film", {"NominalScannedPixelSpacing": [0.5, 0.5]}, "Spacing of the film", 20),
        ("zero", {"spacing": None, "PixelSpacing": [0, 0]}, "No pixel spacing: lengths in pixels", 40),
        ("proportion", {"PixelAspectRatio": [2, 1]}, "No pixel spacing: lengths in pixels", 40),
    ],
)
def test_ruler_scale_bar_and_note_agree(
    viewer: Viewer, name: str, more: dict[str, Any], note: str, length: float
) -> None:
    site.page(f"size {name}", site.entry([radiograph(f"size {name}", **more)]), study="radiographs")
    viewer.open(f"size {name}")
    corner = viewer.page.inner_text(".pane-bl")
    assert note in corner and ("pacing" in corner) == bool(note)
    viewer.tool("length")
    viewer.drag((10, 20), (50, 20))
    # A pointer is on whole pixels of the screen, so that the ends are a little beside those of the image.
    viewer.wait(lambda: abs((viewer.value("length") or 0) - length) < 0.01 * length, within=10)
    unit = viewer.marks[-1]["measurements"][0]["unit"]
    bar = viewer.page.locator(".pane-scale")
    assert (unit == "mm") == bar.is_visible()
    if bar.is_visible():
        words, width = (
            bar.inner_text(),
            float(bar.evaluate("e => e.style.getPropertyValue('--length').replace('px', '')")),
        )
        millimetres = float(words.split()[0]) * (10 if "cm" in words else 1)
        along = viewer.get("toScreen(0, [50, 20])")[0] - viewer.get("toScreen(0, [10, 20])")[0]
        assert abs(width / millimetres - along / length) < 0.02 * along / length


def test_thumbnails_are_shown_whole(viewer: Viewer) -> None:
    tall = images.image(
        np.tile(GRADIENT, (6, 1)), series="tall", study="rail", description="tall", spacing=None, bits_stored=12
    )
    site.page("rail", site.entry([tall]), study="rail")
    viewer.open("rail")
    inside, around = (viewer.page.locator(where).bounding_box() for where in (".rail-picture img", ".rail-picture"))
    assert inside["height"] <= around["height"] + 0.5 and inside["width"] <= around["width"] + 0.5
