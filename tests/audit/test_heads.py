"""Signed heads: their form, and a sealer that dies, or cannot write, at every point."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from audit import heads, sealing, services
from audit.domain import heads as form
from audit.domain import stamps
from audit.domain.chain import canonical_json
from audit.domain.heads import Head
from audit.domain.keys import AuditKey, is_signed
from audit.models import ChainLink
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_organisation

KEY = AuditKey(bytes(range(32)))


@given(st.lists(st.integers(min_value=1, max_value=60), unique=True, max_size=40))
def test_ranges_keep_numbers_and_their_order(numbers: list[int]) -> None:
    assert list(form.spread(form.ranges(numbers))) == numbers


class Held:
    """Lines in memory as a file of heads."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return iter(enumerate(self.lines))

    def at(self, places: Iterable[int]) -> Iterator[bytes]:
        return (self.lines[place] for place in places)


def made(*bodies: Head) -> list[bytes]:
    lines: list[bytes] = []
    previous = form.NOTHING_BEFORE
    for body in bodies:
        head = form.signed(Head(**{**vars(body), "previous": previous}), key=KEY)
        lines.append(head.line())
        previous = form.digest_of(lines[-1])
    return lines


def three() -> list[bytes]:
    time = "2026-01-01T00:00:00.000000+00:00"
    seals = [
        Head(
            kind="seal",
            time=time,
            previous="",
            organisation=7,
            sequence=n,
            digest="00" * 32,
            events=(n,),
            marks=b"mark",
        )
        for n in (1, 2)
    ]
    return made(Head(kind="begin", time=time, previous="", public_key=KEY.public.hex()), *seals)


def test_anybody_can_check_a_line_with_the_public_key() -> None:
    line = json.loads(three()[-1])
    import base64

    signature = base64.b64decode(line.pop("signature"))
    assert is_signed(public=KEY.public, content=canonical_json(line), signature=signature)
    line["sequence"] += 1
    assert not is_signed(public=KEY.public, content=canonical_json(line), signature=signature)


@given(st.data())
def test_no_byte_of_the_file_can_be_changed(data: st.DataObject) -> None:
    content = bytearray(b"\n".join(three()) + b"\n")
    place = data.draw(st.integers(min_value=0, max_value=len(content) - 1))
    other = data.draw(st.integers(min_value=0, max_value=255).filter(lambda byte: byte != content[place]))
    content[place] = other
    whole = form.read(Held(three()), public=KEY.public)
    read = form.read(Held(bytes(content).split(b"\n")), public=KEY.public)
    # White space between values says nothing; whatever is read as a line is one that was signed.
    for organisation, found in read.heads.items():
        assert list(found) == list(whole.of(organisation)[: len(found)])


@given(st.integers(min_value=1, max_value=40))
def test_a_line_that_was_cut_belongs_to_nothing(kept: int) -> None:
    lines = three()
    torn = [*lines[:2], lines[2][:kept], lines[2]]
    read = form.read(Held(torn), public=KEY.public)
    assert (read.broken_at, len(read.of(7))) == (None, 2)


def test_a_line_that_is_changed_after_the_file_was_checked_is_not_believed() -> None:
    lines = Held(three())
    read = form.read(lines, public=KEY.public)
    assert [head.sequence for head in read.of(7)] == [1, 2]
    lines.lines[1] = lines.lines[1].replace(b'"sequence":1', b'"sequence":3')
    with pytest.raises(form.Changed):
        list(read.of(7))


def test_a_long_file_of_heads_is_checked_without_being_held(tmp_path: Path, settings: Any) -> None:
    """20,000 lines of 40 chains are 8 MB; where they are is held, 16 bytes each."""
    file = tmp_path / "heads.jsonl"
    key, time = heads.key(), "2026-01-01T00:00:00.000000+00:00"
    begin = Head(kind="begin", time=time, previous=form.NOTHING_BEFORE, public_key=key.public.hex())
    with file.open("wb") as stream:
        line = form.signed(begin, key=key).line()
        stream.write(line + b"\n")
        for number in range(1, 20_001):
            head = Head(
                kind="seal", time=time, previous=form.digest_of(line), organisation=number % 40,
                sequence=number // 40 + 1, digest="00" * 32, events=(number,), marks=b"mark",
            )  # fmt: skip
            line = form.signed(head, key=key).line()
            stream.write(line + b"\n")
    tracemalloc.start()
    try:
        record = heads.read(file=file)
        assert record is not None
        assert sum(1 for _head in record.of(7)) == 500
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (record.lines, record.broken_at) == (20_001, None)
    assert peak < 2_000_000


json_numbers = st.integers(min_value=-(10**15), max_value=10**15) | st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15
)
details = st.dictionaries(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    st.none()
    | st.booleans()
    | json_numbers
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
    | st.lists(json_numbers, max_size=3),
    max_size=4,
)


@pytest.mark.django_db
def test_a_stamp_survives_the_trip_through_the_database() -> None:
    @given(details)
    def check(detail: dict[str, Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::jsonb::text", [json.dumps(detail)])
            back = json.loads(cursor.fetchone()[0])
        assert stamps.content({"detail": back, "address": None}) == stamps.content({"detail": detail, "address": None})

    check()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["203.0.113.9", "2001:DB8::1", "::ffff:203.0.113.9", "::1", None])
def test_an_event_from_any_address_holds(address: str | None) -> None:
    organisation = make_organisation()
    services.record(action="organisation.changed", organisation=organisation, address=address, detail={"n": 1e20})
    seal_chains()
    assert verify_chain(organisation_id=organisation.pk).holds


@pytest.mark.django_db
def test_the_key_is_refused_unless_it_has_32_bytes() -> None:
    assert AuditKey.read("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8") == KEY
    for text in ("", "AAEC", "not base64 at all!", "A" * 60):
        with pytest.raises(ValueError, match="audit key"):
            AuditKey.read(text)


# A sealer that dies ---------------------------------------------------------------------------------------------------


class Dies(BaseException):
    pass


def no_links(*_arguments: Any, **_options: Any) -> None:
    raise Dies


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


def kill(program: str, *, heads_file: Path) -> None:
    """Run a program, on the database of this test, that kills itself."""
    values = connection.settings_dict
    url = f"postgresql://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | {"DATABASE_URL": url, "PACSWEB_DATA": str(heads_file.parents[1])},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


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


# What was there before ------------------------------------------------------------------------------------------------


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


def all_hold() -> None:
    told = io.StringIO()
    call_command("verify_audit", stdout=told)
    assert "BROKEN" not in told.getvalue()


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
    assert "begun and not finished" in told.getvalue()
    # An administrator who began it, and whose command died, may finish it.
    call_command("begin_audit_heads", verbosity=0)
    seal_chains()
    all_hold()


def as_of_old() -> None:
    """The events and links of this test as an older release would have written them."""
    heads.marker().unlink(missing_ok=True)
    from audit.domain import chain
    from audit.models import Event, as_sealed

    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute("UPDATE audit_event SET stamp = NULL, recorded_at = NULL, studies = '{}', place = ''")
    with all_tenants():
        links = list(ChainLink.objects.order_by("organisation_id", "sequence"))
        events = {one.pk: one for one in Event.objects.all()}
    last: dict[Any, bytes] = {}
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        for link in links:
            previous = last.get(link.organisation_id, chain.GENESIS)
            digest = chain.link_digest(previous=previous, event=as_sealed(events[link.event_id], form=1))
            master.execute(
                "UPDATE audit_chainlink SET form = 1, previous = %s, digest = %s WHERE id = %s",
                [previous, digest, link.pk],
            )
            last[link.organisation_id] = digest
