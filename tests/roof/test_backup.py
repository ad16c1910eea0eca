"""A backup of a running system, restored into a new data folder, is the same system."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archive.factories import make_dataset, to_bytes
from tests.roof.trees import Tree

pytestmark = [pytest.mark.tree, pytest.mark.timeout(600)]

SET_UP = """
from access import services as access
from access.models import User
from archive import services
organisation = access.create_organisation(slug="kept", name="Kept")
user = User.objects.create_user(username="keeper@kept", password=None)
access.add_member(actor=None, organisation=organisation, user=user, roles=("administrator",))
services.create_archive(actor=user, organisation=organisation, slug="clinical", name="Clinical", ae_title="KEPT")
print("TOKEN", access.create_token(user=user, name="keeper", scopes=["read", "write", "dicomweb"])[1])
"""
WEB = "/o/kept/dicomweb/clinical"


@dataclass
class System:
    tree: Tree
    token: str

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(self.tree.environment["PACSWEB_HTTP_PORT"]), timeout=60
        )
        try:
            sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def store(self, content: bytes) -> None:
        status, answer = self.request("POST", f"{WEB}/studies", content, Content_Type="application/dicom")
        assert status == 200, answer

    def instances(self) -> set[str]:
        """The UIDs of all instances, page by page."""
        found: set[str] = set()
        while True:
            page = f"{WEB}/instances?limit=1000&offset={len(found)}"
            status, answer = self.request("GET", page, Accept="application/dicom+json")
            assert status in (200, 204), answer
            more = {one["00080018"]["Value"][0] for one in json.loads(answer or b"[]")} - found
            if not more:
                return found
            found |= more


@pytest.fixture(scope="module")
def system(rested: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    tree = rested.copied(tmp_path_factory.mktemp("kept") / "var")
    try:
        tree.up()
        found = System(tree=tree, token="")
        found.token = found.tree.manage("shell", "-c", SET_UP).split("TOKEN", 1)[1].strip()
        yield found
    finally:
        tree.down()


def test_a_restored_backup_is_the_same_system(system: System, tmp_path: Path) -> None:
    datasets = [make_dataset() for _index in range(3)]
    contents = [to_bytes(dataset) for dataset in datasets]
    for content in contents[:2]:
        system.store(content)
    folder = tmp_path / "backup"
    first = system.tree.command("backup", str(folder))
    assert first.returncode == 0, first.stdout
    assert folder.stat().st_mode & 0o077 == 0
    kept = {path: path.stat().st_mtime_ns for path in (folder / "files" / "instances").rglob("*.dcm")}
    assert len(kept) == 2

    # The next night: only what is new is copied.
    system.store(contents[2])
    time.sleep(2.5)  # events are sealed
    again = system.tree.command("backup", str(folder))
    assert again.returncode == 0, again.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list((folder / "files" / "instances").rglob("*.dcm"))) == 3
    system.store(to_bytes(make_dataset()))  # after the backup: not in it

    other = System(tree=Tree.at(tmp_path / "new" / "var"), token=system.token)
    done = other.tree.command("restore", str(folder))
    assert done.returncode == 0, done.stdout
    try:
        other.tree.up()
        assert other.instances() == {str(dataset.SOPInstanceUID) for dataset in datasets}
        for dataset, content in zip(datasets, contents, strict=True):
            path = (
                f"{WEB}/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
                f"/instances/{dataset.SOPInstanceUID}"
            )
            status, answer = other.request("GET", path, Accept="application/dicom; transfer-syntax=*")
            assert (status, answer) == (200, content)
        verdict = other.tree.manage("verify_audit")
        assert "kept:" in verdict and "BROKEN" not in verdict
        assert not verdict.split("kept: ", 1)[1].startswith("0 of")
        # It is a whole system: it takes new images.
        new = make_dataset()
        other.store(to_bytes(new))
        assert str(new.SOPInstanceUID) in other.instances()
        with other.tree.database() as database:
            owners = database.execute(
                "SELECT DISTINCT tableowner, tablename LIKE 'audit%' FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
        assert set(owners) == {("pacsweb", False), ("pacsweb_audit", True)}
    finally:
        other.tree.down()


def test_what_cannot_be_restored_is_one_sentence_and_changes_nothing(system: System, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    assert system.tree.command("backup", str(folder)).returncode == 0
    done = system.tree.command("restore", str(folder))
    assert done.returncode == 1 and "already holds a database" in done.stdout

    fresh = Tree.at(tmp_path / "new" / "var")
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    content = (cut / "database.dump").read_bytes()
    (cut / "database.dump").write_bytes(content[:-10])
    done = fresh.command("restore", str(cut))
    assert done.returncode == 1 and "changed or cut" in done.stdout
    (cut / "backup.json").unlink()
    done = fresh.command("restore", str(cut))
    assert done.returncode == 1 and "no whole backup" in done.stdout
    done = fresh.command("restore", str(tmp_path / "nothing"))
    assert done.returncode == 1 and "no whole backup" in done.stdout
    assert not (tmp_path / "new" / "var" / "postgres").exists()


def test_a_backup_needs_a_running_system_and_a_place_outside_of_it(system: System, tmp_path: Path) -> None:
    resting = Tree.at(tmp_path / "var").command("backup", str(tmp_path / "backup"))
    assert resting.returncode == 1 and "does not run" in resting.stdout
    inside = system.tree.command("backup", str(system.tree.data / "backup"))
    assert inside.returncode == 1 and "lost with it" in inside.stdout
