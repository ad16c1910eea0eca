"""C-STORE: our listener beside pynetdicom, dcmtk and Orthanc, the same sender and files in one run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from tests.archive.factories import make_archive, make_dataset, to_bytes
from tests.bench import peers

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]

SIZES = {"MR 35 kB": (128, 136, 200), "CT 0.5 MB": (512, 512, 100)}


def make_files(folder: Path, *, rows: int, columns: int, count: int) -> list[Path]:
    generator = np.random.default_rng(1)
    study, series = generate_uid(), generate_uid()
    found = []
    for number in range(count):
        pixels = generator.integers(0, 4096, (rows, columns), dtype=np.uint16)
        dataset = make_dataset(
            StudyInstanceUID=study, SeriesInstanceUID=series, PatientID="BENCH", PatientName="Bench", Rows=rows,
            Columns=columns, InstanceNumber=number + 1, PixelData=pixels.tobytes(),
        )  # fmt: skip
        path = folder / f"{number:05d}.dcm"
        path.write_bytes(to_bytes(dataset))
        found.append(path)
    return found


def receivers() -> dict[str, object]:
    found: dict[str, object] = {"PACSWeb (synced to disk)": peers.ours, "pynetdicom": peers.pynetdicom}
    if shutil.which("storescp"):
        found["dcmtk storescp"] = peers.dcmtk
    if peers.orthanc_binary():
        found["Orthanc"] = peers.orthanc
    return found


@pytest.mark.skipif(not shutil.which("storescu"), reason="needs dcmtk's storescu")
def test_receiving(tmp_path: Path) -> None:
    make_archive(ae_title="HERE")
    columns = [
        f"{size} ×{count}{suffix}"
        for size in SIZES
        for count, suffix in ((1, ""), (1, ", no delay"), (4, ", no delay"))
    ]
    rows: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    files = {}
    for size, (height, width, count) in SIZES.items():
        folder = tmp_path / size.replace(" ", "")
        folder.mkdir()
        files[size] = make_files(folder, rows=height, columns=width, count=count)
    print("\n" + peers.machine())
    for name, start in receivers().items():
        folder = tmp_path / name.split()[0]
        folder.mkdir()
        with start(folder) as receiver:  # type: ignore[operator]
            peers.send(files["MR 35 kB"][:5], port=receiver.port, associations=2, no_delay=True)  # nothing is cold
            figures, processor = [], []
            for size in SIZES:
                # A sender with Nagle's algorithm waits 40 ms for each answer of a receiver that does not acknowledge
                # at once: a few files tell.
                figures.append(peers.send(files[size][:40], port=receiver.port, associations=1, no_delay=False))
                before = receiver.cpu_seconds()
                figures.append(peers.send(files[size], port=receiver.port, associations=1, no_delay=True))
                processor.append((receiver.cpu_seconds() - before) * 1000 / len(files[size]))
                figures.append(peers.send(files[size], port=receiver.port, associations=4, no_delay=True))
        rows[name], costs[name] = figures, processor
        print(name, [f"{figure:.0f}" for figure in figures], [f"{cost:.2f} ms" for cost in processor])
    print(
        peers.table(
            "Receiving with storescu", columns, rows, base="PACSWeb (synced to disk)", unit="files/s", is_rate=True
        )
    )
    print(
        peers.table(
            "Processor time of the receiver", list(SIZES), costs, base="PACSWeb (synced to disk)", unit="ms a file",
            is_rate=False,
        )
    )  # fmt: skip
