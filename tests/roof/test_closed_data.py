"""What lies in the data folder is its owner's alone, whatever the umask is and whatever was there before."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pacsweb.launcher import modes
from pacsweb.launcher.folders import Folders

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: only root can give a file to another user")


def open_to_others(folder: Path) -> list[str]:
    """Files and folders, the folder itself included, that any other user might enter, read or write."""
    paths = [folder, *folder.rglob("*")]
    return sorted(
        str(path.relative_to(folder)) for path in paths if path.lstat().st_mode & 0o077 and not path.is_symlink()
    )


def make_old_folder(data: Path) -> None:
    """As a PACSWeb before this one left it under the usual umask."""
    for name, mode in (
        ("files/ab/image", 0o644),
        ("run/services.json", 0o640),
        ("log/web.log", 0o666),
        ("tool", 0o755),
    ):
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="ascii")
        path.chmod(mode)
    for folder in (data, *(path for path in data.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


def test_old_folder_is_closed_and_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "var"
    data.mkdir()
    make_old_folder(data)
    Folders(data=data).prepare()
    assert open_to_others(data) == []
    assert stat.S_IMODE((data / "tool").stat().st_mode) == 0o700, "what can be executed stays so"
    assert stat.S_IMODE((data / "files" / "ab" / "image").stat().st_mode) == 0o600
    assert "were open to other users of this machine" in capsys.readouterr().out
    Folders(data=data).prepare()
    assert capsys.readouterr().out == "", "nothing was left to put right"


@needs_root
def test_another_user_of_the_machine_reads_nothing() -> None:
    top = Path(tempfile.mkdtemp(prefix="pacsweb-closed-", dir="/var/tmp"))
    try:
        top.chmod(0o755)
        make_old_folder(top / "var")
        assert "files/ab/image" in readable_by_others(top)
        Folders(data=top / "var").prepare()
        # Its name and owner are seen, what is in it is not.
        assert readable_by_others(top).split() == [str(top)]
    finally:
        shutil.rmtree(top)


def readable_by_others(top: Path) -> str:
    command = ["find", str(top), "-readable"]
    return subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        check=False,
    ).stdout  # fmt: skip


def test_new_folder_is_closed_under_an_open_umask(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pacsweb", "restore", str(tmp_path / "nothing")], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "PACSWEB_DATA": str(tmp_path / "var")}, umask=0, check=False,
    )  # fmt: skip
    assert "holds no whole backup" in done.stderr
    program = "from pathlib import Path; from pacsweb.launcher import modes; modes.be_private(); "
    program += f"from pacsweb.launcher.folders import Folders; Folders(data=Path({str(tmp_path / 'var')!r})).prepare()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, umask=0, check=True)
    assert open_to_others(tmp_path / "var") == []


def test_every_process_that_loads_the_settings_writes_closed_files(tmp_path: Path) -> None:
    program = "import django, os; django.setup(); print(oct(os.umask(0)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, umask=0, check=True,
        env={
            "PATH": os.environ["PATH"], "PACSWEB_DATA": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "pacsweb.settings.development",
        },
    )  # fmt: skip
    assert done.stdout.strip() == "0o77"


def test_folder_on_another_disk_is_closed_through_its_link(tmp_path: Path) -> None:
    disk, data = tmp_path / "disk", tmp_path / "var"
    data.mkdir(mode=0o700)
    disk.mkdir()
    (disk / "image").write_text("x", encoding="ascii")
    (disk / "image").chmod(0o644)
    disk.chmod(0o755)
    (data / "files").symlink_to(disk)
    assert modes.close(data).put_right == 2
    assert open_to_others(disk) == []


def test_link_deep_inside_changes_nothing_outside(tmp_path: Path) -> None:
    outside, data = tmp_path / "outside", tmp_path / "var"
    outside.write_text("x", encoding="ascii")
    outside.chmod(0o644)
    (data / "files").mkdir(parents=True)
    (data / "files" / "link").symlink_to(outside)
    modes.close(data)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


@needs_root
def test_folder_of_the_database_user_is_closed_and_not_entered(tmp_path: Path) -> None:
    inner = tmp_path / "postgres" / "base"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    inner.parent.chmod(0o755)
    os.chown(inner.parent, NOBODY, NOBODY)
    modes.close(tmp_path)
    assert stat.S_IMODE(inner.parent.stat().st_mode) == 0o700
    assert inner.parent.stat().st_uid == NOBODY
    assert stat.S_IMODE(inner.stat().st_mode) == 0o755, "its owner might exchange it for a link at any moment"
