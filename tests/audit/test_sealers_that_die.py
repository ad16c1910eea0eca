"""A sealer that dies, is killed or cannot write at any point loses nothing, and the next one goes on."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from audit import heads, sealing, services
from audit.models import ChainLink
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_organisation
from tests.audit.sealing import Dies, kill, no_links


@pytest.mark.django_db(transaction=True)
def test_a_sealer_that_dies_after_the_head_is_continued_by_the_next(
    monkeypatch: pytest.MonkeyPatch, heads_file: Path
) -> None:
    ours, theirs = make_organisation(), make_organisation()
    services.record(action="organisation.changed", organisation=ours)
    seal_chains()
    services.record(action="organisation.changed", organisation=ours)
    services.record(action="organisation.changed", organisation=ours)
    with monkeypatch.context() as patched:
        patched.setattr(sealing.ChainLink.objects, "bulk_create", no_links, raising=False)
        with pytest.raises(Dies):
            sealing.seal(organisation_id=ours.pk)
    promised = json.loads(heads_file.read_bytes().splitlines()[-1])
    # Nothing was taken away: a check in between knows that these events still wait.
    between = verify_chain(organisation_id=ours.pk)
    assert (between.reason, between.unsealed) == ("", 2)
    services.record(action="organisation.changed", organisation=theirs)
    sealing.seal(organisation_id=theirs.pk)
    with all_tenants():
        link = ChainLink.objects.get(organisation=ours, sequence=promised["sequence"])
    assert bytes(link.digest).hex() == promised["digest"]
    seal_chains()
    for organisation in (ours, theirs):
        assert verify_chain(organisation_id=organisation.pk).holds


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_removed_while_the_sealer_is_dead_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = make_organisation()
    seal_chains()
    event = services.record(action="organisation.changed", organisation=ours)
    with monkeypatch.context() as patched:
        patched.setattr(sealing.ChainLink.objects, "bulk_create", no_links, raising=False)
        with pytest.raises(Dies):
            sealing.seal(organisation_id=ours.pk)
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute("DELETE FROM audit_event WHERE id = %s", [event.pk])
    services.record(action="organisation.changed", organisation=ours)
    seal_chains()
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.code, verdict.broken_event) == ("removed", event.pk)


KILLED = """
    import os, signal, django
    django.setup()
    from audit import heads, sealing
    kill = lambda *_unused, **_options: os.kill(os.getpid(), signal.SIGKILL)
    if {place!r} == "before":
        heads.Writer.append = kill
    elif {place!r} == "half":
        def half(self, *_heads):
            os.write(self._descriptor, b'{{"kind":"seal","digest":"00')
            kill()
        heads.Writer.append = half
    else:
        sealing.ChainLink.objects.bulk_create = kill
    sealing.seal(organisation_id={pk})
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["before", "half", "after"])
def test_a_sealer_killed_at_any_point_leaves_a_trail_that_goes_on(place: str, heads_file: Path) -> None:
    ours = make_organisation()
    services.record(action="organisation.changed", organisation=ours)
    seal_chains()
    services.record(action="organisation.changed", organisation=ours)
    kill(KILLED.format(place=place, pk=ours.pk), heads_file=heads_file)
    assert verify_chain(organisation_id=ours.pk).holds
    services.record(action="organisation.changed", organisation=ours)
    seal_chains()
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.reason, verdict.unsealed, verdict.intact) == ("", 0, 4)
    call_command("verify_audit", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_a_seal_is_on_disk_before_its_links_are_committed(monkeypatch: pytest.MonkeyPatch, heads_file: Path) -> None:
    organisation = make_organisation()
    services.record(action="organisation.changed", organisation=organisation)
    done: list[str] = []
    write, sync, commit = os.write, os.fsync, connection.commit

    def noted_write(descriptor: int, content: bytes) -> int:
        if b'"kind"' in content:
            done.append("write")
        return write(descriptor, content)

    def noted_sync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("sync folder" if is_folder else f"sync {len(heads_file.read_bytes().splitlines())} lines")
        sync(descriptor)

    def noted_commit() -> None:
        done.append("commit")
        commit()

    with monkeypatch.context() as patched:
        patched.setattr(heads.os, "write", noted_write)
        patched.setattr(heads.os, "fsync", noted_sync)
        patched.setattr(connection, "commit", noted_commit)
        sealing.seal(organisation_id=organisation.pk)
    # `begin` and `adopted` at once, the marker beside the secrets, then the seal.
    assert done == ["sync folder", "write", "sync 2 lines", "sync folder", "write", "sync 3 lines", "commit"]


@pytest.mark.django_db
@pytest.mark.parametrize("trouble", ["folder", "full"])
def test_where_heads_cannot_be_written_events_wait_and_officers_are_told(
    trouble: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation = make_organisation()
    if trouble == "folder":
        (tmp_path / "file").write_bytes(b"")
        settings.AUDIT_HEADS = tmp_path / "file" / "heads.jsonl"
    else:
        written = os.write

        def full(descriptor: int, content: bytes) -> int:
            if b'"kind"' in content:
                raise OSError(28, "No space left on device")
            return written(descriptor, content)

        monkeypatch.setattr(heads.os, "write", full)
    services.record(action="organisation.changed", organisation=organisation)
    seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-heads-unusable"
    with all_tenants():
        assert not ChainLink.objects.exists()
    monkeypatch.undo()
    settings.AUDIT_HEADS = tmp_path / "heads.jsonl"
    seal_chains()
    assert cache.get(sealing.STOPPED) is None
    assert verify_chain(organisation_id=organisation.pk).holds
