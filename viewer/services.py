"""Manifests, reading sessions, and a person's own marks on archive studies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from access.queries import require
from archive.models import Instance, Series, Study
from audit.services import record
from core.errors import NotFound
from viewer import hooks, queries
from viewer.domain import manifest as contract
from viewer.domain.events import ViewEvent
from viewer.domain.marks import Mark
from viewer.errors import MarksConflict
from viewer.models import ReadingSession, SeriesView, StudyAnnotation

#: A page opened again within this time goes on in the same session.
SESSION_IDLE = timedelta(minutes=30)


def open_session(
    *,
    user: Any,
    organisation: Any,
    kind: str,
    key: str,
    studies: Sequence[Study],
    target: Any = None,
    explained_by: str = "",
    request: Any = None,
) -> ReadingSession:
    """The reading session of a person with one thing; opening a new one is audited, on `target` when given.

    The caller has authorised the person for the studies.
    """
    now = timezone.now()
    series = queries.series_ids(studies=studies)
    with transaction.atomic():
        session = (
            ReadingSession.objects.select_for_update()
            .filter(user=user, kind=kind, key=key, last_seen_at__gt=now - SESSION_IDLE)
            .order_by("-last_seen_at")
            .first()
        )
        if session is not None:
            session.last_seen_at = now
            session.series = {**session.series, **series}
            session.save(update_fields=["last_seen_at", "series"])
            return session
        session = ReadingSession.objects.create(
            organisation=organisation, user=user, kind=kind, key=key, series=series, explained_by=explained_by
        )
        record(
            action="viewer.opened",
            organisation=organisation,
            actor=user,
            target=target if target is not None else session,
            detail={"session": session.public_id, "studies": [study.public_id for study in studies]},
            explained_by=explained_by,
            request=request,
        )
    return session


def take_events(*, session: ReadingSession, user: Any, events: Sequence[ViewEvent], request: Any = None) -> int:
    """Take a batch of what was on screen; returns how many events were of this session's series.

    A series is audited the first time it appears in the session.
    """
    if session.user_id != user.pk:
        raise NotFound
    known = [event for event in events if event.series in session.series]
    with transaction.atomic():
        ReadingSession.objects.filter(pk=session.pk).update(last_seen_at=timezone.now())
        totals: dict[str, int] = {}
        for event in known:
            totals[event.series] = totals.get(event.series, 0) + event.milliseconds
        for series_uid, milliseconds in totals.items():
            _count_view(session=session, series_uid=series_uid, milliseconds=milliseconds, request=request)
        if known:
            hooks.tell_view_events(session=session, events=tuple(known))
    return len(known)


def _count_view(*, session: ReadingSession, series_uid: str, milliseconds: int, request: Any) -> None:
    views = SeriesView.objects.filter(session=session, series_uid=series_uid)
    if views.update(milliseconds=F("milliseconds") + milliseconds):
        return
    try:
        with transaction.atomic():
            SeriesView.objects.create(
                organisation=session.organisation, session=session, series_uid=series_uid, milliseconds=milliseconds
            )
    except IntegrityError:
        # Two batches at once: the other one has made the row and its event.
        views.update(milliseconds=F("milliseconds") + milliseconds)
        return
    public_id = session.series[series_uid]
    series = Series.objects.filter(public_id=public_id).select_related("study__archive").first()
    detail = {"session": session.public_id, "series": public_id}
    record(
        action="viewer.series_viewed",
        organisation=session.organisation,
        actor=session.user,
        target=session,
        within=series,
        detail=detail | ({"study": series.study.public_id} if series is not None else {}),
        explained_by=session.explained_by,
        request=request,
    )


def build_manifest(
    *,
    mode: contract.Mode,
    key: str,
    title: str,
    studies: Sequence[Study],
    session: ReadingSession | None = None,
    subtitle: str = "",
    back: contract.Link | None = None,
    show_descriptions: bool | None = None,
    show_dates: bool | None = None,
    patient: contract.PatientBanner | None = None,
    main_study: Study | None = None,
    named_priors: Collection[int] = (),
    images: QuerySet[Instance] | None = None,
    layout: contract.Layout | None = None,
    tools: Sequence[str] = contract.ALL_TOOLS,
    layers: Sequence[contract.Layer] = (),
    save_url: str | None = None,
    load_url: str | None = None,
    mark_form: contract.MarkForm | None = None,
    actions: Sequence[contract.Action] = (),
) -> contract.Manifest:
    """A manifest for studies the caller has authorised.

    Descriptions and dates are shown in modes `study` and `author` unless said otherwise, never in `read`. Studies
    other than `main_study` (the first, when None) say whether they are earlier or later; `named_priors` are keys of those
    called priors, for where no dates tell. `images` are those that are shown, where these are not all of the studies'.
    """
    open_mode = mode in ("study", "author")
    descriptions = open_mode if show_descriptions is None else show_descriptions and mode != "read"
    dates = mode == "study" if show_dates is None else show_dates and mode != "read"
    main = main_study or (studies[0] if studies else None)
    return contract.Manifest(
        mode=mode,
        key=key,
        title=title,
        subtitle=subtitle,
        back=back,
        patient=patient,
        overlays=contract.Overlays(dates=dates, descriptions=descriptions, institution=mode == "study"),
        studies=queries.study_entries(
            studies=studies, blind=not descriptions, main=main, named_priors=named_priors, images=images
        ),
        layout=layout or contract.Layout(),
        tools=tuple(tools),
        annotations=contract.Annotations(load=load_url, save=save_url, layers=tuple(layers)),
        mark_form=mark_form or contract.MarkForm(),
        actions=tuple(actions),
        telemetry=None
        if session is None
        else contract.Telemetry(
            url=queries.events_url(organisation=session.organisation, session_id=session.public_id)
        ),
    )


def save_study_marks(
    *, user: Any, study: Study, version: int, marks: Sequence[Mark], request: Any = None
) -> StudyAnnotation:
    """Replace a person's marks on a study. Raises `MarksConflict` when `version` is not the stored one."""
    require(user, "archive.view_archive", study.archive)
    with transaction.atomic():
        annotation, _made = StudyAnnotation.objects.select_for_update().get_or_create(
            study=study, owner=user, defaults={"organisation": study.organisation}
        )
        if annotation.version != version:
            raise MarksConflict
        before = {mark["id"] for mark in annotation.marks}
        after = {mark.id for mark in marks}
        annotation.marks = [mark.judged(verdict=None).to_json() for mark in marks]
        annotation.version += 1
        annotation.save(update_fields=["marks", "version", "updated_at"])
        record(
            action="viewer.marks_saved",
            organisation=study.organisation,
            actor=user,
            target=study,
            detail={
                "annotation": annotation.public_id,
                "marks": len(after),
                "added": len(after - before),
                "removed": len(before - after),
            },
            request=request,
        )
    return annotation


def share_study_marks(*, user: Any, study: Study, shared: bool, request: Any = None) -> StudyAnnotation:
    """Show one's marks to the readers of the archive, or to nobody else."""
    require(user, "archive.view_archive", study.archive)
    with transaction.atomic():
        annotation, _made = StudyAnnotation.objects.select_for_update().get_or_create(
            study=study, owner=user, defaults={"organisation": study.organisation}
        )
        if annotation.shared != shared:
            annotation.shared = shared
            annotation.save(update_fields=["shared", "updated_at"])
            record(
                action="viewer.marks_shared",
                organisation=study.organisation,
                actor=user,
                target=study,
                detail={"annotation": annotation.public_id, "shared": shared},
                request=request,
            )
    return annotation
