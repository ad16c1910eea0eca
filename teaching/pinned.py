"""Which images a published version shows: those that were pinned when it was published, as they were then."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet

from archive.models import Instance, Series
from teaching.models import Case, CaseStudy, CaseVersion, VersionSeries, VersionStudy

#: Objects beside the images that may spell out what is to be found: reports, presentation states, key images,
#: segmentations, structure sets, measurements. No learner gets them before or after; the truth layer shows the lesion.
TELLING_MODALITIES: Final = (
    "SR", "DOC", "PR", "KO", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "REG", "FID", "RWV", "ANN", "PLAN",
)  # fmt: skip
#: The same by what they are, whatever modality they claim: segmentations and doses have frames like images (PS3.4 B.5).
TELLING_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.481.2",
)  # fmt: skip


class IsAmong(Func):
    """`value = ANY(array)`."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def showable(rows: QuerySet[Instance]) -> QuerySet[Instance]:
    """Of instances those that a case can show: images, and nothing that tells what is in them."""
    images = rows.filter(number_of_frames__gt=0)
    return images.exclude(series__modality__in=TELLING_MODALITIES).exclude(sop_class_uid__in=TELLING_CLASSES)


def series_of(versions: Any) -> Q:
    """On `Series`: those of which one of the versions (a query of keys, or a list) shows images."""
    return Q(pk__in=VersionSeries.objects.filter(version__in=versions).order_by().values("series"))


def images_of(versions: Any) -> Q:
    """On `Instance`: the images that one of the versions shows."""
    pins = VersionSeries.objects.filter(
        IsAmong(OuterRef("pk"), F("images")),
        version__in=versions,
        series=OuterRef("series"),
        pinned_at__gte=OuterRef("received_at"),
    )
    return Q(Exists(pins.order_by()))


def images_shown(version: CaseVersion) -> QuerySet[Instance]:
    """The images of a version. The caller has authorised."""
    rows: QuerySet[Instance] = Instance.objects.filter(images_of([version.pk]), series_of_instance([version.pk]))
    return rows


def series_of_instance(versions: Any) -> Q:
    """On `Instance`: in a series of the versions; lets the database begin with an index."""
    return Q(series__in=VersionSeries.objects.filter(version__in=versions).order_by().values("series"))


def first_series(versions: Any) -> dict[int, Series]:
    """Version (primary key) → its first image series, for a picture of it. One query."""
    rows = VersionSeries.objects.filter(version__in=versions).select_related("series__study__archive")
    ordered = rows.order_by("version_id", "series__series_number", "series_id").distinct("version_id")
    return {row.version_id: row.series for row in ordered}


def new_images(case: Case) -> QuerySet[Instance]:
    """Images that came into the studies of the published version since, and that no editor has added yet; none of a case
    that is not published. Studies that the version does not show come whole with the next one."""
    version = case.current_version_id
    if version is None:
        return Instance.objects.none()
    studies = CaseStudy.objects.filter(case=case).values("study")
    known = VersionStudy.objects.filter(version=version, study__in=studies).values("study")
    images = showable(Instance.objects.filter(study__in=known))
    return images.exclude(images_of([version])).exclude(pk__in=case.added_images)


def images_to_publish(case: Case) -> QuerySet[Instance]:
    """What the next version will show: the images of the present one, those added, and studies that are new whole."""
    studies = CaseStudy.objects.filter(case=case).values("study")
    images = showable(Instance.objects.filter(study__in=studies))
    return images.exclude(pk__in=new_images(case).values("pk"))


def with_new_images(cases: Any) -> set[int]:
    """Of these cases (primary keys) the published ones that have `new_images`. One query."""
    version, case = OuterRef(OuterRef("current_version")), OuterRef(OuterRef("pk"))
    known = VersionStudy.objects.filter(version=version, study__case_studies__case=case).order_by()
    pins = VersionSeries.objects.filter(
        IsAmong(OuterRef("pk"), F("images")),
        version=version,
        series=OuterRef("series"),
        pinned_at__gte=OuterRef("received_at"),
    )
    images = showable(Instance.objects.filter(study__in=known.values("study"))).exclude(Exists(pins.order_by()))
    new = images.exclude(IsAmong(F("pk"), OuterRef("added_images"))).order_by()
    rows = Case.objects.filter(pk__in=cases, state=Case.State.PUBLISHED).exclude(current_version=None)
    return set(rows.filter(Exists(new)).order_by().values_list("pk", flat=True))
