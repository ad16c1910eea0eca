"""De-identification's word at the archive's gate (`archive.hooks.register_deidentification`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from django.db.models import F, Func, JSONField
from django.utils.translation import gettext as _

from archive import decoding
from archive.domain import screening as answers
from archive.domain.screening import Finding
from archive.errors import DecodersBusy
from archive.hooks import Clearance, unchecked
from archive.models import Delivery, Instance, Study
from deid.domain import arrival, arrival_file
from deid.domain.findings import Reason
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.reasons import EXPLANATIONS

PLACES_SHOWN = 12
_REASONS = frozenset(reason.value for reason in Reason)


def screen(*, path: Path) -> Finding | None:
    """The gate's check of one file; None: nothing in it tells who the patient is. Raises `DecodersBusy`."""
    try:
        with path.open("rb") as stream:
            found = arrival_file.examine(stream)
    except decoding.Busy as error:
        raise DecodersBusy from error
    return _finding(found) if found else None


def _finding(found: list[arrival.Found]) -> Finding:
    kinds = {one.kind for one in found}
    places = [
        path for one in found if one.kind in (arrival.IDENTITY, arrival.TEXT, arrival.PRIVATE) for path in one.paths
    ]
    if places:
        more = len(places) - PLACES_SHOWN
        said = {"places": ", ".join(places[:PLACES_SHOWN]), "n": more}
        if more > 0:
            reason = _("The header names the patient or may do so, in: %(places)s and %(n)s more.") % said
        else:
            reason = _("The header names the patient or may do so, in: %(places)s.") % said
        return Finding(code=answers.IDENTITY_FOUND, reason=reason, comment=_comment(places))
    held = [one.kind for one in found if one.kind in _REASONS]
    if held:
        words = EXPLANATIONS[Reason(held[0])]
        return Finding(
            code=answers.HELD,
            reason=f"{words.title}. {words.sentence}",
            comment=answers.as_comment(f"Held by screening: {held[0]}"),
        )
    if arrival.UNDECLARED in kinds:
        return Finding(
            code=answers.NOT_DECLARED,
            reason=_(
                "The file does not state that identity was removed: Patient Identity Removed (0012,0062) is not YES."
            ),
            comment="Patient Identity Removed (0012,0062) is not YES",
        )
    return unchecked()


def _comment(places: list[str]) -> str:
    """As many places as an Error Comment holds, and how many more there are; each whole."""
    for shown in range(len(places), 0, -1):
        more = f" and {len(places) - shown} more" if shown < len(places) else ""
        words = f"Identity found: {', '.join(places[:shown])}{more}"
        if len(words) <= answers.LONGEST_COMMENT:
            return words
    return f"Identity found in {len(places)} places" if len(places) > 1 else "Identity found in one place"


def outputs_of_run(*, delivery: Delivery, digests: Collection[bytes]) -> set[bytes]:
    """Of these, the digests that the delivery's run wrote down. In the organisation's scope."""
    rows = DeidentifiedInstance.objects.filter(run__delivery=delivery, target_digest__in=list(digests))
    return {bytes(digest) for digest in rows.exclude(verdict="held-back").values_list("target_digest", flat=True)}


def clearance_of(*, studies: Collection[Study]) -> Mapping[int, Clearance]:
    """De-identified: every image is the output of a run, stored, and listed in the run's receipt. Screened: every other image
    passed the check on arrival, or a person released it. In the organisation's scope."""
    keys = [study.pk for study in studies]
    proven = _proven(studies)
    admitted = (Delivery.Admission.SCREENED, Delivery.Admission.RELEASED)
    images = Instance.objects.filter(study__in=keys).values_list(
        "study", "study__study_instance_uid", "archive", "sop_instance_uid", "digest", "delivery__admission"
    )
    worst: dict[int, Clearance] = {}
    for study, study_uid, archive, uid, digest, admission in images.iterator(chunk_size=2000):
        if bytes(digest) in proven[archive, study_uid, uid]:
            now = Clearance.DEIDENTIFIED
        else:
            now = Clearance.SCREENED if admission in admitted else Clearance.UNKNOWN
        worst[study] = max(worst.get(study, now), now, key=_ORDER.index)
    return worst


_ORDER = [Clearance.DEIDENTIFIED, Clearance.SCREENED, Clearance.UNKNOWN]


def _proven(studies: Collection[Study]) -> dict[tuple[int, str, str], set[bytes]]:
    """(archive, study, instance) → digests that runs with a receipt wrote there."""
    written = DeidentifiedInstance.objects.filter(
        is_stored=True,
        run__target_archive__in={study.archive_id for study in studies},
        run__target_study_instance_uid__in=[study.study_instance_uid for study in studies],
        run__receipt__has_key="sha256",
    )
    # Not the state of the run: it changes again when held images are released, and the stored ones are what they were.
    runs = DeidentificationRun.objects.filter(pk__in=written.order_by().values("run"))
    listed = {run: set(digests) for run, digests in runs.annotate(listed=_LISTED).values_list("pk", "listed")}
    rows = written.values_list(
        "run", "run__target_archive", "run__target_study_instance_uid", "target_sop_instance_uid", "target_digest"
    )
    found: dict[tuple[int, str, str], set[bytes]] = defaultdict(set)
    for run, archive, study_uid, uid, digest in rows.iterator(chunk_size=2000):
        if bytes(digest).hex() in listed.get(run, ()):
            found[archive, study_uid, uid].add(bytes(digest))
    return found


#: The digests of a receipt without the rest of it.
_LISTED = Func(
    F("receipt"),
    template="jsonb_path_query_array(%(expressions)s, '$.outputs[*].sha256')",
    output_field=JSONField(),
)


def register() -> None:
    from archive import hooks

    hooks.register_deidentification(screener=screen, ledger=outputs_of_run, clearance=clearance_of)
