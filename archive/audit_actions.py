from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from audit import actions


def register() -> None:
    actions.register("archive.created", _("{actor} created the archive {target}"), event_type=actions.SECURITY_ALERT)
    actions.register("archive.changed", _("{actor} changed the archive {target}"), event_type=actions.SECURITY_ALERT)
    actions.register(
        "archive.source_added",
        _("{actor} let {source} send to the archive {target}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "archive.source_removed",
        _("{actor} stopped {source} from sending to the archive {target}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "delivery.opened", _("{actor} began to send images to {archive}"), event_type=actions.BEGIN_TRANSFERRING
    )
    actions.register(
        "delivery.indexed",
        _("{actor} sent images to {archive}: {stored} stored, {duplicate} known, {refused} refused"),
        event_type=actions.IMPORT,
    )
    actions.register("study.listed", _("{actor} searched studies of {archive}"), event_type=actions.QUERY)
    actions.register(
        "study.list_exported",
        _("{actor} took away the study list of {archive} (rows: {count})"),
        event_type=actions.EXPORT,
    )
    actions.register(
        "study.attributes_read",
        _("{actor} read all attributes of an image of study {target}"),
        event_type=actions.INSTANCES_ACCESSED,
    )
    actions.register(
        "instance.downloaded", _("{actor} downloaded an image of study {target}"), event_type=actions.EXPORT
    )
    actions.register("study.opened", _("{actor} opened study {target}"), event_type=actions.INSTANCES_ACCESSED)
    actions.register("series.viewed", _("{actor} viewed series {target}"), event_type=actions.INSTANCES_ACCESSED)
    actions.register(
        "study.transferred", _("{actor} fetched images of study {target}"), event_type=actions.INSTANCES_TRANSFERRED
    )
    actions.register("study.exported", _("{actor} exported study {target}"), event_type=actions.EXPORT)
    actions.register("study.deleted", _("{actor} deleted study {target}"), event_type=actions.STUDY_DELETED)
    actions.register(
        "quarantine.released", _("{actor} released the quarantined file {target}"), event_type=actions.IMPORT
    )
    actions.register(
        "quarantine.finding_overruled",
        _("{actor} released the held file {target} and stated to have looked at it: {reason}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "quarantine.withdrawn",
        _("An image of study {study} was moved to quarantine as {target}: it did not pass screening"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "quarantine.discarded",
        _("{actor} discarded the quarantined file {target}"),
        event_type=actions.APPLICATION_ACTIVITY,
    )
    actions.register(
        "quarantine.looked_at",
        _("{actor} looked at the quarantined file {target}"),
        event_type=actions.INSTANCES_ACCESSED,
    )
    actions.register(
        "quarantine.downloaded", _("{actor} downloaded the quarantined file {target}"), event_type=actions.EXPORT
    )
    _register_albums()


def _register_albums() -> None:
    for action, sentence in (
        ("album.created", _("{actor} made the album {target} in {archive}")),
        ("album.changed", _("{actor} changed {changed} of the album {target}")),
        ("album.deleted", _("{actor} deleted the album {target}; its studies ({studies}) stay in {archive}")),
        ("album.studies_added", _("{actor} added studies ({count}) to the album {target}")),
        ("album.studies_removed", _("{actor} took studies ({count}) out of the album {target}")),
        ("album.arranged", _("{actor} arranged the album {target}")),
        ("album.opened", _("{actor} opened the album {target}")),
    ):
        actions.register(action, sentence, event_type=actions.APPLICATION_ACTIVITY)
