"""The receipt of a run: what was applied, to what, with what result; proves the outputs without naming the patient."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

from deid.domain.profile import Option, Profile, load_table
from deid.models import DeidentificationRun, DeidentifiedInstance

FORMAT = "pacsweb-deidentification-receipt/1"


def build(run: DeidentificationRun) -> dict[str, Any]:
    """The receipt as JSON data. `sha256` is over the rest in canonical form (see `digest_of`)."""
    profile = Profile(table=load_table(), options=[Option(name) for name in run.options])
    actions: Counter[str] = Counter()
    outputs: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    rows = DeidentifiedInstance.objects.filter(run=run).select_related("decided_by", "approved_by").order_by("pk")
    frames = dict(rows.exclude(decision="").values_list("pk", "source_instance__number_of_frames"))
    for row in rows.iterator():
        if row.is_held_back:
            held.append(
                {
                    "source_sha256": bytes(row.source_digest).hex(),
                    "instance_number": row.instance_number,
                    "sop_class_uid": row.sop_class_uid,
                    "reasons": row.reasons,
                    **_decision(row, frames=frames.get(row.pk)),
                }
            )
            continue
        if not row.is_stored:
            continue
        actions.update(row.actions)
        outputs.append(
            {
                "source_sha256": bytes(row.source_digest).hex(),
                "sop_instance_uid": row.target_sop_instance_uid,
                "sha256": bytes(row.target_digest).hex(),
                "warnings": row.reasons,
                **_approval(row),
                **_decision(row, frames=frames.get(row.pk)),
            }
        )
    receipt: dict[str, Any] = {
        "format": FORMAT,
        "run": run.public_id,
        "organisation": run.organisation.slug,
        "source": {
            "archive": run.source_archive.slug,
            "study": run.source_study.public_id if run.source_study is not None else "",
        },
        "target": {"archive": run.target_archive.slug, "study_instance_uid": run.target_study_instance_uid},
        "profile": {
            "standard": "DICOM PS3.15 Table E.1-1",
            "edition": run.edition,
            "table_sha256": run.table_sha256,
            "options": run.options,
            "method_codes": [{"scheme": "DCM", "value": v, "meaning": m} for v, m in profile.method_codes],
        },
        "requested_by": run.requested_by.username,
        "requested_at": run.created_at.isoformat(),
        "approved_by": run.decided_by.username if run.decided_by is not None else "",
        "approved_at": run.decided_at.isoformat() if run.decided_at is not None else "",
        "finished_at": run.finished_at.isoformat() if run.finished_at is not None else "",
        "state": run.state,
        "counts": {
            "instances": run.total,
            "stored": len(outputs),
            "held_back": len(held),
            "late": run.late,
            "actions": dict(actions),
        },
        "outputs": outputs,
        "held_back": held,
        "acknowledgement": "The confidentiality profile is from the DICOM Standard, (c) NEMA.",
    }
    receipt["sha256"] = digest_of(receipt)
    return receipt


def renew(run: DeidentificationRun) -> dict[str, str]:
    """Put into a receipt that was given what was decided since; its digest for the audit trail. {}: there is none yet."""
    if not run.receipt or not run.is_finished:
        return {}
    run.receipt = build(run)
    DeidentificationRun.objects.filter(pk=run.pk).update(receipt=run.receipt)
    return {"receipt_sha256": run.receipt["sha256"]}


def _approval(row: DeidentifiedInstance) -> dict[str, Any]:
    if row.approved_by is None or row.approved_at is None:
        return {}
    return {"approved": {"by": row.approved_by.username, "at": row.approved_at.isoformat()}}


def _decision(row: DeidentifiedInstance, *, frames: int | None) -> dict[str, Any]:
    """Who put aside what held the image back or left it out, why, and how much of it they were shown."""
    if not row.decision or row.decided_at is None or row.decided_by is None:
        return {}
    found: dict[str, Any] = {
        "by": row.decided_by.username,
        "at": row.decided_at.isoformat(),
        "reason": row.decision_reason,
    }
    if row.frames_shown is not None and frames is not None:
        found |= {"frames": frames, "frames_shown": row.frames_shown}
    if row.decision == DeidentifiedInstance.Decision.DROPPED:
        return {"left_out": found}
    return {"released": {**found, "held_for": row.released_reasons, "instance_number": row.instance_number}}


def digest_of(receipt: dict[str, Any]) -> str:
    """SHA-256 over the receipt without its `sha256`, as UTF-8 JSON with sorted keys and no spaces."""
    content = {key: value for key, value in receipt.items() if key != "sha256"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
