"""The audit key is replaced by a statement of both keys; what was signed before is believed up to it and no further."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from access.models import Organisation
from audit import heads, key_folder, rotation, sealing, services
from audit.checks import check_key
from audit.domain import heads as form
from audit.domain.heads import Head
from audit.domain.keys import AuditKey
from audit.models import Event
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants, tenant
from tests import superuser
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db(transaction=True)


def text_of(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


FIRST, SECOND, THIRD, STRANGE = (text_of(number) for number in range(1, 5))


class Trail:
    """Two organisations with sealed events under the first key."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.use(FIRST)
        self.ours, self.theirs = make_organisation(), make_organisation()
        self.add()

    def use(self, key: str, *previous: str) -> None:
        self.settings.AUDIT_KEY, self.settings.AUDIT_KEY_PREVIOUS = key, previous

    def record(self) -> None:
        for organisation in (self.ours, self.theirs):
            services.record(action="organisation.changed", organisation=organisation)

    def add(self) -> None:
        self.record()
        seal_chains()

    def rotate(self, key: str = SECOND, *previous: str) -> None:
        self.use(key, *(previous or (FIRST,)))
        call_command("rotate_audit_key", verbosity=0)
        seal_chains()


@pytest.fixture
def trail(settings: Any) -> Trail:
    return Trail(settings)


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in heads.path().read_bytes().splitlines()]


def checked(*options: str) -> str:
    told = io.StringIO()
    try:
        call_command("verify_audit", *options, stdout=told)
    except CommandError as error:
        return f"{told.getvalue()}{error}"
    return told.getvalue()


def holds(*options: str) -> bool:
    told = checked(*options)
    assert ("BROKEN" in told) == ("does not hold" in told), told
    return "intact" in told and "BROKEN" not in told


# How it is done ----------------------------------------------------------------------------------------------------------


def test_a_trail_goes_on_under_a_new_key_and_all_of_it_holds(trail: Trail) -> None:
    trail.rotate()
    trail.add()
    trail.rotate(THIRD, SECOND, FIRST)
    trail.add()
    assert holds()
    changes = [line for line in lines() if line["kind"] == "rotate"]
    names = [AuditKey.read(one).name for one in (FIRST, SECOND, THIRD)]
    assert [line["key"] for line in changes] == names[:2]
    assert [one.key for one in heads.read().of(trail.ours.pk)] == sorted(  # type: ignore[union-attr]
        (one.key for one in heads.read().of(trail.ours.pk)),  # type: ignore[union-attr]
        key=names.index,
    )
    assert verify_chain(organisation_id=trail.ours.pk).unsealed == 0


def test_what_waits_when_the_key_is_changed_is_sealed_with_the_new_one(trail: Trail) -> None:
    trail.record()
    trail.use(SECOND, FIRST)
    trail.record()
    seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-key-changed"
    trail.rotate()
    assert cache.get(sealing.STOPPED) is None
    assert holds()
    assert verify_chain(organisation_id=trail.ours.pk).unsealed == 0


def test_officers_of_each_organisation_read_that_the_key_was_changed(trail: Trail) -> None:
    trail.rotate()
    for organisation in (trail.ours, trail.theirs):
        officer = make_member(organisation, roles=("officer",))
        client = Client()
        client.force_login(officer)
        there = {"organisation": organisation.slug}
        page = client.get(reverse("audit:event-list", kwargs=there)).content.decode()
        assert f"audit key {AuditKey.read(FIRST).name} was replaced by {AuditKey.read(SECOND).name}" in page
        with tenant(organisation):
            job = services.start_verification(actor=officer, organisation=organisation)
            services.verify_as_job(organisation_id=organisation.pk, job_id=str(job.pk))
        shown = client.get(reverse("audit:check", kwargs=there | {"check": job.pk})).content.decode()
        for key in (FIRST, SECOND):
            assert AuditKey.read(key).public.hex() in shown


def test_the_same_key_or_one_without_the_old_one_is_refused(trail: Trail) -> None:
    before = heads.path().read_bytes()
    with pytest.raises(CommandError, match="signs already"):
        call_command("rotate_audit_key")
    trail.use(SECOND, THIRD)
    with pytest.raises(CommandError, match="PACSWEB_AUDIT_KEY_PREVIOUS"):
        call_command("rotate_audit_key")
    assert heads.path().read_bytes() == before


def test_without_the_earlier_key_nothing_is_called_forged_but_the_key_is_asked_for(trail: Trail) -> None:
    trail.rotate()
    trail.use(SECOND)
    told = checked()
    assert AuditKey.read(FIRST).name in told
    assert "BROKEN" not in told
    assert "PACSWEB_AUDIT_KEY_PREVIOUS" in told


@pytest.mark.parametrize("halt", ["nowhere", "before it signs", "after it signed", "while it is taken"])
def test_a_key_of_the_data_folder_is_replaced_and_a_halt_at_any_point_is_finished(
    trail: Trail, halt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "audit-key").write_text(FIRST + "\n")
    trail.settings.AUDIT_KEY_FOLDER = tmp_path

    class Halted(Exception):
        pass

    def halted(*_arguments: Any, **_options: Any) -> None:
        raise Halted

    with monkeypatch.context() as patched:
        if halt == "before it signs":
            patched.setattr(rotation.sealing, "rotate", halted)
        elif halt == "after it signed":
            patched.setattr(rotation.key_folder, "take_next", halted)
        elif halt == "while it is taken":
            patched.setattr(Path, "unlink", halted)
        if halt == "nowhere":
            call_command("rotate_audit_key", verbosity=0)
        else:
            with pytest.raises(Halted):
                call_command("rotate_audit_key")
    if halt != "nowhere":
        # A process of the old key, or one that was started since.
        trail.use((folder / "audit-key").read_text().strip(), *key_folder.read_previous(tmp_path))
        call_command("rotate_audit_key", verbosity=0)
    kept = (folder / "audit-key").read_text().strip()
    assert sorted(one.name for one in folder.iterdir()) == ["audit-key", "audit-key-previous"]
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir() if one.name != "audit-key" or halt == "nowhere"} == {
        0o600
    }
    assert key_folder.read_previous(tmp_path) == (FIRST,)
    assert [line["kind"] for line in lines()].count("rotate") == 1
    trail.use(kept, FIRST)
    trail.add()
    assert holds()


def test_a_copy_from_before_the_change_checks_what_it_reaches(trail: Trail, tmp_path: Path) -> None:
    copy = tmp_path / "heads.jsonl"
    copy.write_bytes(heads.path().read_bytes())
    trail.rotate()
    trail.add()
    assert holds("--heads", str(copy))
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute(
            "UPDATE audit_event SET outcome = 'failed' WHERE organisation_id = %s AND action = 'organisation.changed'",
            [trail.ours.pk],
        )
    assert not holds("--heads", str(copy))


# Somebody else does it -------------------------------------------------------------------------------------------------


def appended(head: Head) -> None:
    with heads.path().open("ab") as stream:
        stream.write(head.line() + b"\n")


def last_digest() -> str:
    return form.digest_of(heads.path().read_bytes().splitlines()[-1])


def statement(*, old: str, new: str) -> Head:
    return form.rotation(
        old=AuditKey.read(old), new=AuditKey.read(new), time="2026-11-30T00:00:00.000000+00:00", previous=last_digest()
    )


def by_a_stranger(_trail: Trail) -> None:
    """Signed twice with the new key, in the name of the old one."""
    made = statement(old=STRANGE, new=STRANGE)
    appended(replace(made, key=AuditKey.read(FIRST).name))


def with_a_signature_of_another_line(_trail: Trail) -> None:
    old = form.parse(heads.path().read_bytes().splitlines()[-1])
    assert old is not None
    made = statement(old=STRANGE, new=STRANGE)
    appended(replace(made, key=AuditKey.read(FIRST).name, signature=old.signature))


def for_a_key_that_did_not_agree(_trail: Trail) -> None:
    made = statement(old=FIRST, new=STRANGE)
    appended(replace(made, countersignature=made.signature))


def without_a_second_signature(_trail: Trail) -> None:
    appended(replace(statement(old=FIRST, new=STRANGE), countersignature=b""))


def to_a_key_that_is_not_ours(_trail: Trail) -> None:
    """By somebody who got hold of the key that signs."""
    appended(statement(old=FIRST, new=STRANGE))


@pytest.mark.parametrize(
    "forge",
    [
        by_a_stranger,
        with_a_signature_of_another_line,
        for_a_key_that_did_not_agree,
        without_a_second_signature,
        to_a_key_that_is_not_ours,
    ],
    ids=lambda one: one.__name__,
)
def test_a_change_of_key_that_was_forged_is_found_and_nothing_is_sealed_behind_it(
    trail: Trail, forge: Callable[[Trail], None]
) -> None:
    forge(trail)
    line = len(heads.path().read_bytes().splitlines())
    trail.record()
    seal_chains()
    assert cache.get(sealing.STOPPED) in ("audit-key-changed", "audit-heads-forged")
    assert len(heads.path().read_bytes().splitlines()) == line
    told = checked()
    assert f"signed heads: BROKEN: line {line} " in told
    assert not holds()
    # Whoever can also set the new key as this installation's still needs the old one.
    if forge in (by_a_stranger, with_a_signature_of_another_line):
        trail.use(STRANGE, FIRST)
        assert f"signed heads: BROKEN: line {line} " in checked()


def test_the_old_key_signs_nothing_behind_the_change(trail: Trail) -> None:
    trail.rotate()
    trail.add()
    seal = next(head for head in reversed([form.parse(one) for one in heads.path().read_bytes().splitlines()]) if head)
    forged = form.signed(
        replace(seal, previous=last_digest(), sequence=seal.sequence + len(seal.events)), key=AuditKey.read(FIRST)
    )
    appended(forged)
    line = len(heads.path().read_bytes().splitlines())
    trail.record()
    seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-key-changed"
    assert f"signed heads: BROKEN: line {line} " in checked()
    assert [one.id for one in check_key()] == ["pacsweb.audit.key"]


def test_the_old_key_cannot_write_the_past_anew(trail: Trail) -> None:
    trail.rotate()
    trail.add()
    whole = heads.path().read_bytes().splitlines()
    first = form.parse(whole[2])
    assert first is not None
    assert first.kind == "seal"
    whole[2] = form.signed(replace(first, time="2020-01-01T00:00:00.000000+00:00"), key=AuditKey.read(FIRST)).line()
    heads.path().write_bytes(b"\n".join(whole) + b"\n")
    assert "signed heads: BROKEN: line 4 " in checked()


def test_the_old_key_stamps_nothing_once_every_process_was_started_again(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = sealing._now
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "_now", lambda: now() - timedelta(hours=3, minutes=1))
        trail.use(SECOND, FIRST)
        sealing.rotate(old=AuditKey.read(FIRST), new=AuditKey.read(SECOND))
    trail.use(FIRST)
    event = services.record(action="organisation.changed", organisation=trail.ours)
    trail.use(SECOND, FIRST)
    seal_chains()
    verdict = verify_chain(organisation_id=trail.ours.pk)
    assert (verdict.code, verdict.broken_event) == ("forged", event.pk)
    with all_tenants():
        assert not Event.objects.filter(pk=event.pk, link__isnull=False).exists()
    assert verify_chain(organisation_id=trail.theirs.pk).holds


def test_a_line_that_nobody_signed_is_not_vouched_for_by_the_next_seal(trail: Trail) -> None:
    seal = form.parse(heads.path().read_bytes().splitlines()[-1])
    assert seal is not None
    appended(replace(seal, previous=last_digest(), sequence=seal.sequence + 1, signature=bytes(64)))
    before = heads.path().read_bytes()
    trail.record()
    seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-heads-forged"
    assert heads.path().read_bytes() == before
    assert not holds()


def test_two_sealers_that_die_one_after_the_other_lose_no_event(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dies(BaseException):
        pass

    made = sealing.ChainLink.objects.bulk_create

    def die_at(number: int) -> Callable[..., Any]:
        left = [number]

        def create(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Dies
            return made(*arguments, **options)

        return create

    organisation: Organisation = trail.ours
    for number in (1, 2):
        services.record(action="organisation.changed", organisation=organisation)
        with monkeypatch.context() as patched:
            patched.setattr(sealing.ChainLink.objects, "bulk_create", die_at(number), raising=False)
            with pytest.raises(Dies):
                sealing.seal(organisation_id=organisation.pk)
    seal_chains()
    verdict = verify_chain(organisation_id=organisation.pk)
    assert (verdict.reason, verdict.unsealed) == ("", 0)
