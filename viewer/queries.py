"""What the viewer reads from the archive: series as the rail shows them, sizes of images, and people's marks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import Greatest
from django.urls import reverse

from access.queries import containers_with
from archive.models import Archive, Instance, Series, Study
from viewer.domain import manifest as contract
from viewer.domain import timeline
from viewer.domain.mark_reading import ImageBounds, stored_mark
from viewer.models import StudyAnnotation

PRIORS = 5

# Modalities of objects that have no image of their own (PS3.3 C.7.3.1.1.1).
KINDS: Mapping[str, contract.SeriesKind] = {
    "SR": "document",
    "DOC": "document",
    "PR": "presentation",
    "KO": "key_objects",
    "SEG": "segmentation",
}


def dicomweb_root(archive: Archive) -> str:
    return f"/o/{archive.organisation.slug}/dicomweb/{archive.slug}"


def study_entries(
    *,
    studies: Sequence[Study],
    blind: bool,
    main: Study | None = None,
    named_priors: Collection[int] = (),
    images: QuerySet[Instance] | None = None,
) -> tuple[contract.StudyEntry, ...]:
    """Studies with their series, in two queries however many there are; with `images` those of them alone.

    `blind` leaves out descriptions, labels and dates. Studies other than `main` say whether they are earlier or later;
    `named_priors` (keys) are those somebody called priors, for where no dates tell.
    """
    series = (
        Series.objects.filter(study__in=studies)
        .order_by("study_id", "series_number", "series_instance_uid")
        .only("id", "study_id", "series_instance_uid", "series_number", "modality", "description", "instance_count")
    )
    sizes = {
        row["series_id"]: row
        for row in (Instance.objects.all() if images is None else images)
        .filter(study__in=studies)
        .values("series_id")
        .annotate(
            instances=Count("id"),
            frames=Sum(Greatest("number_of_frames", 1), filter=Q(rows__gt=0)),
            images=Count("id", filter=Q(rows__gt=0)),
            sop_class=Max("sop_class_uid"),
        )
    }
    by_study: dict[int, list[Series]] = {}
    for row in series:
        if images is not None:
            if row.pk not in sizes:
                continue
            row.instance_count = sizes[row.pk]["instances"]
        by_study.setdefault(row.study_id, []).append(row)
    return tuple(
        _study_entry(
            study=study,
            series=by_study.get(study.pk, []),
            sizes=sizes,
            blind=blind,
            main=main or study,
            named_prior=study.pk in named_priors,
        )
        for study in studies
    )


def _study_entry(
    *,
    study: Study,
    series: Sequence[Series],
    sizes: Mapping[int, Mapping[str, Any]],
    blind: bool,
    main: Study,
    named_prior: bool,
) -> contract.StudyEntry:
    is_main = study.pk == main.pk
    found = timeline.relation(
        main=(main.study_date, main.study_time),
        other=(study.study_date, study.study_time),
        named_prior=named_prior,
    )
    root = dicomweb_root(study.archive)
    path = f"{root}/studies/{study.study_instance_uid}/series"
    entries = tuple(
        _series_entry(series=row, size=sizes.get(row.pk, {}), path=path, blind=blind, beside=not is_main)
        for row in series
    )
    return contract.StudyEntry(
        uid=study.study_instance_uid,
        dicomweb=root,
        label="" if blind else study.description,
        date="" if blind else iso_date(study.study_date),
        prior=not is_main and found == "prior",
        later=not is_main and found == "later",
        series=entries,
    )


def _series_entry(
    *, series: Series, size: Mapping[str, Any], path: str, blind: bool, beside: bool
) -> contract.SeriesEntry:
    images = size.get("images") or 0
    kind: contract.SeriesKind = KINDS.get(series.modality, "image" if images else "other")
    return contract.SeriesEntry(
        uid=series.series_instance_uid,
        number=series.series_number,
        modality=series.modality,
        description="" if blind else series.description,
        instances=series.instance_count,
        frames=size.get("frames") or 0,
        thumbnail=f"{path}/{series.series_instance_uid}/thumbnail" if images else None,
        kind=kind,
        priority=(100 if beside else 0) + (50 if kind != "image" else 0),
    )


def iso_date(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) == 8 and value.isdigit() else value


def series_ids(*, studies: Sequence[Study]) -> dict[str, str]:
    """Series Instance UID → public id."""
    return dict(Series.objects.filter(study__in=studies).values_list("series_instance_uid", "public_id"))


def image_bounds(*, studies: Iterable[Study], images: QuerySet[Instance] | None = None) -> dict[str, ImageBounds]:
    """SOP Instance UID → size of each image of the studies (or of those `images`): what marks are checked against."""
    every: Any = Instance.objects.all() if images is None else images
    rows = every.filter(study__in=list(studies), rows__gt=0, columns__gt=0).values_list(
        "sop_instance_uid", "rows", "columns", "number_of_frames", "series__series_instance_uid"
    )
    return {
        sop: ImageBounds(rows=height, columns=width, frames=max(1, frames), series_instance_uid=series)
        for sop, height, width, frames, series in rows.iterator()
    }


def priors_of(*, user: Any, study: Study) -> list[Study]:
    """Earlier and later studies of the same patient in the same archive, the newest first."""
    if not study.patient.patient_id:
        return []
    return list(
        Study.objects.filter(patient_id=study.patient_id)
        .exclude(pk=study.pk)
        .select_related("archive__organisation")
        .order_by("-study_date", "-pk")[:PRIORS]
    )


def patient_banner(study: Study) -> contract.PatientBanner:
    patient = study.patient
    age = study.attributes.get("00101010", {}).get("Value", [""])
    return contract.PatientBanner(
        name=readable_name(study.patient_name),
        patient_id=patient.patient_id,
        birth_date=iso_date(study.birth_date),
        sex=study.sex,
        age=str(age[0]).lstrip("0") if age else "",
    )


def readable_name(value: str) -> str:
    """A DICOM person name (PS3.5 6.2.1) for people: "Family, Given"; further groups (ideographic) follow."""
    groups = []
    for group in value.split("="):
        parts = [part.strip() for part in group.split("^")]
        family, given = parts[0], " ".join(part for part in parts[1:3] if part)
        groups.append(", ".join(part for part in (family, given) if part))
    return " · ".join(group for group in groups if group)


def annotations_for(*, user: Any, study: Study) -> QuerySet[StudyAnnotation]:
    """One's own marks on a study and those that others share."""
    return (
        StudyAnnotation.objects.filter(study=study)
        .filter(Q(owner=user) | Q(shared=True))
        .select_related("owner")
        .order_by("created_at")
    )


def study_layers(*, user: Any, study: Study, own_label: str) -> tuple[contract.Layer, ...]:
    """The editable layer of the person, then the shared ones of others."""
    own = contract.Layer(name="own", label=own_label, role="own", editable=True)
    others = []
    for annotation in annotations_for(user=user, study=study):
        marks = tuple(stored_mark(item) for item in annotation.marks)
        if annotation.owner_id == user.pk:
            own = contract.Layer(
                name="own", label=own_label, role="own", editable=True, version=annotation.version, marks=marks
            )
        elif marks:
            others.append(
                contract.Layer(
                    name=f"shared-{annotation.public_id}",
                    label=str(annotation.owner),
                    role="other",
                    version=annotation.version,
                    marks=marks,
                    author=str(annotation.owner),
                )
            )
    return (own, *others)


def archives_readable_by(user: Any) -> QuerySet[Archive]:
    """Archives on which the person holds a role of their own: the `study` mode shows everything, so a reason that
    lets somebody see one case does not count."""
    return containers_with(user=user, permission="archive.view_archive", container=Archive)


def events_url(*, organisation: Any, session_id: str) -> str:
    return reverse("viewer:session-events", kwargs={"organisation": organisation.slug, "session": session_id})
