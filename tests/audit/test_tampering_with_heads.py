"""What is done to the file of signed heads is found, and none vouches for the database by being made anew."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit import services
from audit.domain import chain
from audit.tasks import seal_chains
from tests.audit.tampering import Trail, removed_at_the_end

pytestmark = pytest.mark.django_db(transaction=True)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_missing_file_of_heads_is_found_and_no_new_one_vouches_for_the_database(
    trail: Trail, heads_file: Path
) -> None:
    heads_file.unlink()
    services.record(action="organisation.changed", organisation=trail.ours)
    seal_chains()
    assert not heads_file.exists() or not heads_file.read_bytes()
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=told)
    assert "missing" in told.getvalue()


@pytest.mark.parametrize("line", [0, 2, -1])
def test_a_changed_line_of_the_heads_is_found(trail: Trail, heads_file: Path, line: int) -> None:
    lines = lines_of(heads_file)
    found = json.loads(lines[line])
    found["time"] = "2020-01-01T00:00:00.000000+00:00"
    lines[line] = chain.canonical_json(found) + b"\n"
    heads_file.write_bytes(b"".join(lines))
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=told)
    assert "signed heads: BROKEN" in told.getvalue()


def test_a_line_that_was_cut_out_of_the_heads_is_found(trail: Trail, heads_file: Path) -> None:
    lines = lines_of(heads_file)
    heads_file.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=io.StringIO())


def test_heads_that_were_cut_with_the_chain_are_found_by_a_copy_kept_elsewhere(
    trail: Trail, heads_file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "heads.jsonl"
    copy.write_bytes(heads_file.read_bytes())
    removed_at_the_end(trail)
    lines = lines_of(heads_file)
    ours = [index for index, line in enumerate(lines) if json.loads(line).get("organisation") == trail.ours.pk]
    heads_file.write_bytes(b"".join(lines[: ours[-1]]))
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", "--organisation", trail.ours.slug, "--heads", str(copy), stdout=told)
    assert f"BROKEN at event {trail.events[-2]} (removed)" in told.getvalue()


def test_heads_signed_with_another_key_are_not_believed(trail: Trail, settings: Any) -> None:
    settings.AUDIT_KEY = base64.b64encode(bytes(32)).decode()
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=told)
    assert "not with the audit key" in told.getvalue()
