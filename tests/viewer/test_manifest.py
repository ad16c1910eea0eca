"""The manifest's rules, its JSON, and its mirror in TypeScript."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import gettext_lazy

from viewer.domain import manifest as contract
from viewer.domain.events import MAX_EVENTS, parse_events
from viewer.domain.marks import Mark, Measurement
from viewer.texts import SENTENCES

SOURCES = Path(__file__).parents[2] / "static" / "src"
MARK = Mark(
    id="6f1c1c94-38d5-4a6a-9d0e-0a86a1b1c001",
    tool="probe",
    series_instance_uid="1.2",
    sop_instance_uid="1.3",
    points=((1.0, 2.0),),
    verdict="hit",
)


def manifest(**changes: Any) -> contract.Manifest:
    return contract.Manifest(**{"mode": "study", "key": "k", "title": "t", **changes})


@pytest.mark.parametrize(
    "leak",
    [
        {"patient": contract.PatientBanner(name="Doe")},
        {"overlays": contract.Overlays(dates=True)},
        {"studies": (contract.StudyEntry(uid="1", dicomweb="/d", date="2024-01-01"),)},
        {"studies": (contract.StudyEntry(uid="1", dicomweb="/d", label="CT chest, nodule"),)},
        {
            "studies": (
                contract.StudyEntry(uid="1", dicomweb="/d", series=(contract.SeriesEntry(uid="2", description="x"),)),
            )
        },
        {"annotations": contract.Annotations(layers=(contract.Layer(name="truth", label="", role="truth"),))},
        {"annotations": contract.Annotations(layers=(contract.Layer(name="o", label="", role="other"),))},
        {"annotations": contract.Annotations(layers=(contract.Layer(name="own", label="", marks=(MARK,)),))},
    ],
)
def test_an_unknown_cannot_carry_what_gives_it_away(leak: dict[str, Any]) -> None:
    manifest(**leak)
    with pytest.raises(contract.ManifestError):
        manifest(mode="read", **leak)


def test_a_manifest_that_contradicts_itself_is_refused() -> None:
    own = contract.Layer(name="own", label="", editable=True)
    with pytest.raises(contract.ManifestError):
        manifest(tools=("laser",))
    with pytest.raises(contract.ManifestError):
        manifest(layout=contract.Layout(rows=9))
    with pytest.raises(contract.ManifestError):
        manifest(annotations=contract.Annotations(layers=(own, own)))


def test_json_has_the_version_and_plain_values_only() -> None:
    found = manifest(
        title=gettext_lazy("Study"),
        annotations=contract.Annotations(layers=(contract.Layer(name="a", label="", marks=(MARK,)),)),
    ).to_json()
    assert found["version"] == contract.VERSION
    assert json.loads(json.dumps(found)) == found
    assert found["annotations"]["layers"][0]["marks"][0]["verdict"] == "hit"
    assert found["presets"]["CT"][0] == {"label": "Brain", "center": 40, "width": 80}


def test_the_typescript_mirror_has_the_same_fields() -> None:
    source = (SOURCES / "viewer" / "contract.ts").read_text()
    shapes: dict[str, set[str]] = {}
    for name, base, body in re.findall(r"interface (\w+)(?: extends (\w+))? \{(.*?)\n\}", source, re.DOTALL):
        names = set(re.findall(r"^  (\w+):", body, re.MULTILINE))
        shapes[name] = names | shapes.get(base, set())
    classes = [getattr(contract, name) for name in shapes if hasattr(contract, name)] + [Mark, Measurement]
    assert len(classes) >= 18
    for cls in classes:
        expected = {f.name for f in fields(cls)} | ({"version"} if cls is contract.Manifest else set())
        assert shapes[cls.__name__] == expected, cls.__name__


def test_every_sentence_of_the_application_can_be_translated() -> None:
    used = set()
    for path in [*(SOURCES / "viewer").glob("*.ts"), SOURCES / "entries" / "viewer.ts"]:
        used |= set(re.findall(r"\bt\(\s*'((?:[^'\\]|\\.)*)'", path.read_text()))
    assert used == set(SENTENCES)


def test_events_that_make_no_sense_are_dropped_one_by_one() -> None:
    good = {"series": "1.2", "instance": "1.3", "frame": 1, "ms": 40, "zoom": 2, "voi": [40, 400], "rect": [0, 0, 9, 9]}
    (event,) = parse_events(
        [good, None, {}, {**good, "series": "x"}, {**good, "ms": -1}, {**good, "frame": float("nan")}]
    )
    assert event.window == (40, 400)
    assert event.to_json()["ms"] == 40
    assert parse_events([{**good, "voi": ["a", 1], "rect": [1]}])[0].window is None
    with pytest.raises(ValueError, match="list"):
        parse_events({})
    with pytest.raises(ValueError, match="list"):
        parse_events([good] * (MAX_EVENTS + 1))
