"""How the file of heads begins: what was sealed before there were any is adopted once, whoever dies over it."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from audit import heads, sealing, services
from audit.models import ChainLink
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests.access.factories import make_organisation
from tests.audit.sealing import all_hold, as_of_old, kill


@pytest.mark.django_db(transaction=True)
def test_a_trail_from_before_there_were_heads_is_adopted_once(heads_file: Path) -> None:
    ours = make_organisation()
    for _step in range(3):
        services.record(action="organisation.changed", organisation=ours)
    seal_chains()
    as_of_old()
    heads_file.unlink()
    assert verify_chain(organisation_id=ours.pk).holds
    event = services.record(action="organisation.changed", organisation=ours)
    seal_chains()
    kinds = [json.loads(line)["kind"] for line in heads_file.read_bytes().splitlines()]
    assert kinds[:3] == ["begin", "adopt", "adopted"]
    assert verify_chain(organisation_id=ours.pk).holds
    # From now on nothing of the first form is believed, and what was adopted is fixed.
    heads_file.unlink()
    services.record(action="organisation.changed", organisation=ours)
    seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-heads-lost"
    with pytest.raises(CommandError):
        call_command("verify_audit", verbosity=0)
    call_command("begin_audit_heads", verbosity=0)
    seal_chains()
    assert verify_chain(organisation_id=ours.pk).holds
    with all_tenants():
        assert ChainLink.objects.get(event=event).form == sealing.FORM
    with pytest.raises(CommandError):
        call_command("begin_audit_heads")


@pytest.fixture
def two_old() -> list[int]:
    """The numbers of two organisations whose trails are from before there were heads."""
    found = []
    for organisation in (make_organisation(), make_organisation()):
        for _step in range(2):
            services.record(action="organisation.changed", organisation=organisation)
        found.append(organisation.pk)
    seal_chains()
    as_of_old()
    heads.path().unlink()
    return found


@pytest.mark.django_db(transaction=True)
def test_the_beginning_of_the_file_is_one_write(two_old: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    write = os.write

    def noted(descriptor: int, content: bytes) -> int:
        written.append(content)
        return write(descriptor, content)

    with monkeypatch.context() as patched:
        patched.setattr(heads.os, "write", noted)
        sealing.begin_again()
    assert [json.loads(line)["kind"] for line in written[0].splitlines()] == ["begin", "adopt", "adopt", "adopted"]
    assert len(written) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lines", [0, 1, 2, 3])
@pytest.mark.parametrize("torn", [b"", b'{"kind":"adopt","dig'])
def test_a_file_that_was_begun_by_halves_is_finished_by_the_next_sealer(
    two_old: list[int], heads_file: Path, lines: int, torn: bytes
) -> None:
    sealing.begin_again()
    heads.marker().unlink()
    whole = heads_file.read_bytes().splitlines(keepends=True)
    heads_file.write_bytes(b"".join(whole[:lines]) + torn)
    # What is not adopted yet is not called forged.
    all_hold()
    services.record(action="organisation.changed", organisation=None)
    seal_chains()
    assert cache.get(sealing.STOPPED) is None
    kinds = [json.loads(line)["kind"] for line in heads_file.read_bytes().splitlines() if line != torn]
    assert kinds == ["begin", "adopt", "adopt", "adopted", "seal"]
    all_hold()
    for pk in two_old:
        assert verify_chain(organisation_id=pk).intact == 3


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_fills_while_the_file_is_begun_leaves_no_trail_that_reads_as_forged(
    two_old: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        at = content.find(b'{"digest"')
        if at == 0:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[: at if at > 0 else None])

    services.record(action="organisation.changed", organisation=None)
    with monkeypatch.context() as patched:
        patched.setattr(heads.os, "write", full)
        seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-heads-unusable"
    all_hold()
    seal_chains()
    all_hold()
    assert [verify_chain(organisation_id=pk).intact for pk in two_old] == [3, 3]


KILLED_AT_THE_BEGINNING = """
    import os, signal, django
    django.setup()
    from audit import sealing
    written = os.write
    def half(descriptor, content):
        if b'"kind"' not in content:
            return written(descriptor, content)
        written(descriptor, content[:{bytes}])
        os.kill(os.getpid(), signal.SIGKILL)
    os.write = half
    sealing.seal(organisation_id=None)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kept", [30, 700])
def test_a_sealer_killed_while_it_begins_the_file_is_continued(two_old: list[int], heads_file: Path, kept: int) -> None:
    services.record(action="organisation.changed", organisation=None)
    kill(KILLED_AT_THE_BEGINNING.replace("{bytes}", str(kept)), heads_file=heads_file)
    assert len(heads_file.read_bytes()) == kept
    all_hold()
    seal_chains()
    all_hold()
    assert [verify_chain(organisation_id=pk).intact for pk in two_old] == [3, 3]


@pytest.mark.django_db(transaction=True)
def test_a_file_cut_back_to_its_beginning_does_not_vouch_for_the_database(heads_file: Path) -> None:
    organisation = make_organisation()
    services.record(action="organisation.changed", organisation=organisation)
    seal_chains()
    heads_file.write_bytes(heads_file.read_bytes().splitlines(keepends=True)[0])
    services.record(action="organisation.changed", organisation=organisation)
    seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-heads-lost"
    assert not verify_chain(organisation_id=organisation.pk).holds
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=told)
    assert "started but not finished" in told.getvalue()
    # An administrator who began it, and whose command died, may finish it.
    call_command("begin_audit_heads", verbosity=0)
    seal_chains()
    all_hold()
