"""What every edit of a working copy has in common: authorise, lock, compare the revision, act, keep, audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.postgres.search import SearchVector
from django.db import transaction
from django.db.models import Q, Value
from django.utils import timezone

from access.queries import require
from audit.services import record
from teaching.errors import CaseBusy, CaseChanged, PartChanged
from teaching.models import Case, CaseRevision
from teaching.services.snapshot import content_of

#: Edits to the same thing from one open page within this time share a revision in the history.
COALESCE = timedelta(minutes=3)


@contextmanager
def editing(
    *,
    actor: Any,
    case: Case,
    summary: str,
    revision: int | None = None,
    request: Any = None,
    coalesce: bool = False,
    editor: str = "",
    action: str = "case.changed",
    detail: dict[str, Any] | None = None,
) -> Iterator[Case]:
    """The locked case to edit; on leaving, its revision rises and the new state enters the history.

    :param revision: the revision the caller saw; an edit of somebody else since then means they were faster.
    :param coalesce: merge with the last edit of the same person, page (`editor`) and summary (autosave).
    :raises CaseBusy: while the images are still being prepared. CaseChanged: on a stale revision.
    """
    with transaction.atomic():
        locked: Case = Case.objects.select_for_update(of=("self",)).select_related("library").get(pk=case.pk)
        require(actor, "teaching.edit_cases", locked.library)
        if not locked.is_editable:
            raise CaseBusy
        if revision is not None and _changed_by_others(case=locked, actor=actor, since=revision):
            raise CaseChanged
        yield locked
        locked.revision += 1
        locked.save()
        fresh = keep_revision(case=locked, actor=actor, summary=summary, coalesce=coalesce, editor=editor)
        if fresh:
            record(
                action=action,
                organisation=locked.organisation,
                actor=actor,
                target=locked,
                detail={"summary": summary, "revision": locked.revision, **(detail or {})},
                request=request,
            )
        # Before the lock is given up: the caller must not take somebody else's next revision for its own.
        _bring_up_to_date(case=case, locked=locked)


def refuse_stale(*, case: Case, version: int, seen: int | None, fields: Sequence[str] = ()) -> None:
    """Refuse to overwrite what the caller has not seen, whoever wrote it.

    :param version: the revision at which the part last changed. seen: the revision at which the caller saw it; None: the
        caller does not say, and wants to overwrite.
    """
    if seen is not None and (version > seen or seen > case.revision):
        raise PartChanged(version=version, fields=fields)


def changed_elsewhere(*, case: Case, actor: Any, editor: str, since: int) -> bool:
    """Whether somebody else, or another page of the same person, edited since that revision."""
    if since > case.revision:
        return True
    own = Q(actor=actor, editor__in=("", editor))
    return CaseRevision.objects.filter(case=case, number__gt=since).exclude(own).exists()


def _changed_by_others(*, case: Case, actor: Any, since: int) -> bool:
    """Whether somebody else edited since that revision. Own edits (text beside truth marks) do not collide."""
    if since == case.revision:
        return False
    return (
        CaseRevision.objects.filter(case=case, number__gt=since).exclude(actor=actor).exists() or since > case.revision
    )


def _bring_up_to_date(*, case: Case, locked: Case) -> None:
    """The caller's own copy shows what was stored."""
    if case is not locked:
        case.refresh_from_db()


def keep_revision(*, case: Case, actor: Any, summary: str, coalesce: bool = False, editor: str = "") -> bool:
    """Put the working copy into the history; False when it was merged into the last entry."""
    content, now = content_of(case), timezone.now()
    update_search(case=case, content=content)
    last = CaseRevision.objects.filter(case=case).first()
    merges = (
        coalesce
        and last is not None
        and last.actor_id == actor.pk
        and last.editor == editor
        and last.summary == summary[:200]
        and now - last.created_at < COALESCE
        and last.number != case.published_revision
    )
    if merges and last is not None:
        last.number, last.content = case.revision, content
        last.save(update_fields=["number", "content"])
        return False
    CaseRevision.objects.create(
        organisation_id=case.organisation_id,
        case=case,
        number=case.revision,
        actor=actor,
        summary=summary[:200],
        content=content,
        editor=editor,
        created_at=now,
    )
    return True


def update_search(*, case: Case, content: dict[str, Any]) -> None:
    """Everything an editor may search by, weighted: titles and diagnosis before the rest."""
    heavy = " ".join([content["title"], content["alternative_title"], *(str(w) for w in content["keywords"])])
    heavy += " " + " ".join(f"{c.get('code', '')} {c.get('display', '')}" for c in content["codes"])
    diagnosis = " ".join(s["body"] for s in content["sections"] if s["kind"] == "diagnosis")
    body = " ".join([content["abstract"], content["anatomy"], *(s["body"] for s in content["sections"])])
    body += " " + " ".join(q["stem"] for q in content["questions"])
    Case.objects.filter(pk=case.pk).update(
        search=SearchVector(Value(heavy), weight="A", config="simple")
        + SearchVector(Value(heavy), weight="A", config="english")
        + SearchVector(Value(diagnosis), weight="B", config="english")
        + SearchVector(Value(body), weight="C", config="english")
    )
