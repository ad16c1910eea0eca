"""The receivers that ours is measured against, each as a process on a free port."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.dimse.test_processes import free_port, listener_process, wait_for_port

PYNETDICOM = """
import sys
from pynetdicom import AE, evt, AllStoragePresentationContexts, ALL_TRANSFER_SYNTAXES
port, folder = int(sys.argv[1]), sys.argv[2]
def store(event):
    with open(f"{folder}/{event.request.AffectedSOPInstanceUID}", "wb") as file:
        file.write(event.encoded_dataset())
    return 0
ae = AE(ae_title="HERE")
ae.maximum_pdu_size = 1 << 17
for context in AllStoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, store)])
"""


@dataclass(frozen=True, slots=True)
class Receiver:
    port: int
    process_id: int

    def cpu_seconds(self) -> float:
        """Processor time of the whole tree so far, ended children included: says more than the clock on a busy machine."""
        total = 0.0
        root = psutil.Process(self.process_id)
        for one in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system
                if one is root:
                    total += times.children_user + times.children_system
        return total


@contextlib.contextmanager
def process(command: list[str], *, port: int, **options: object) -> Iterator[int]:
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        wait_for_port(port)
        yield running.pid
    finally:
        running.terminate()
        try:
            running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def ours(_folder: Path) -> Iterator[Receiver]:
    port = free_port()
    with listener_process(port) as running:
        yield Receiver(port, running.pid)


@contextlib.contextmanager
def pynetdicom(folder: Path) -> Iterator[Receiver]:
    port = free_port()
    with process([sys.executable, "-c", PYNETDICOM, str(port), str(folder)], port=port) as process_id:
        yield Receiver(port, process_id)


@contextlib.contextmanager
def dcmtk(folder: Path) -> Iterator[Receiver]:
    port = free_port()
    command = ["storescp", "--fork", "-aet", "HERE", "+xa", "-od", str(folder), str(port)]
    with process(command, port=port) as process_id:
        yield Receiver(port, process_id)


def orthanc_binary() -> str | None:
    return shutil.which("Orthanc")


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[Receiver]:
    port = free_port()
    with orthanc_server(folder, dicom=port, http=free_port()) as process_id:
        yield Receiver(port, process_id)


@contextlib.contextmanager
def orthanc_server(folder: Path, *, dicom: int, http: int) -> Iterator[int]:
    """Orthanc with its DICOMweb plugin, reachable from this machine only."""
    plugins = sorted(Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb*"))
    configuration = {
        "Name": "peer", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"),
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "HttpPort": http, "DicomPort": dicom,
        "DicomAet": "HERE", "DicomCheckCalledAet": False, "DicomAlwaysAllowStore": True, "OverwriteInstances": True,
        "Plugins": [str(path) for path in plugins[:1]], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    with process([orthanc_binary() or "Orthanc", str(file)], port=http, cwd=folder) as process_id:
        wait_for_port(dicom)
        yield process_id


def send(files: list[Path], *, port: int, associations: int, no_delay: bool) -> float:
    """Send with storescu in so many associations at once; returns files a second."""
    environment = {**os.environ, **({"TCP_NODELAY": "1"} if no_delay else {})}
    groups = [files[index::associations] for index in range(associations)]
    began = time.monotonic()
    running = [
        subprocess.Popen(
            ["storescu", "-aec", "HERE", "-aet", "BENCH", "127.0.0.1", str(port), *map(str, group)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for group in groups
    ]  # fmt: skip
    assert all(one.wait(timeout=600) == 0 for one in running), "a sender failed"
    return len(files) / (time.monotonic() - began)


def table(title: str, columns: list[str], rows: dict[str, list[float]], *, base: str, unit: str, is_rate: bool) -> str:
    """A Markdown table; behind each peer's figure how many times faster ours was in the same run."""
    lines = [f"### {title} ({unit})", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in rows.items():
        cells = []
        for figure, reference in zip(figures, rows[base], strict=True):
            faster = reference / figure if is_rate else figure / reference
            cells.append(f"{figure:,.1f}" + ("" if name == base else f" ({faster:.1f}×)"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, load {load:.1f} before the run, loopback, {socket.AF_INET.name}"
