from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from audit import actions


def register() -> None:
    actions.register(
        "deidentification.requested",
        _("{actor} asked for a de-identified copy of study {study} in {archive}"),
        event_type=actions.EXPORT,
    )
    actions.register(
        "deidentification.completed",
        _("De-identification {target} ended: {stored} stored in {archive}, {held} held back"),
        event_type=actions.EXPORT,
    )
    actions.register(
        "deidentification.held_back",
        _("De-identification {target} held images back ({held}): {reasons}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "deidentification.failed", _("De-identification {target} failed"), event_type=actions.APPLICATION_ACTIVITY
    )
    actions.register(
        "deidentification.archive_screened",
        _("Archive {target} was screened: {found} of {screened} did not pass, {quarantined} moved to quarantine"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "deidentification.cancelled",
        _("{actor} cancelled the de-identification {target}"),
        event_type=actions.APPLICATION_ACTIVITY,
    )
    actions.register(
        "deidentification.retried",
        _("{actor} started the de-identification {target} again"),
        event_type=actions.APPLICATION_ACTIVITY,
    )
    actions.register(
        "deidentification.approved",
        _("{actor} approved the de-identification {target}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "deidentification.rejected",
        _("{actor} rejected the de-identification {target}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "deidentification.compared",
        _("{actor} compared an image of de-identification {target} before and after"),
        event_type=actions.INSTANCES_ACCESSED,
    )
    actions.register(
        "deidentification.looked",
        _("{actor} looked at held images of de-identification {target}"),
        event_type=actions.INSTANCES_ACCESSED,
    )
    actions.register(
        "deidentification.released",
        _("{actor} released held images ({count}) of de-identification {target} into {archive}: {reason}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "deidentification.dropped",
        _("{actor} left held images ({count}) out of de-identification {target}: {reason}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "deidentification.taken_back",
        _("{actor} took back the decision on held images ({count}) of de-identification {target}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "deidentification.receipt",
        _("{actor} fetched the receipt of de-identification {target}"),
        event_type=actions.APPLICATION_ACTIVITY,
    )
    actions.register(
        "pseudonym_domain.created",
        _("A pseudonym domain was made for {archive}"),
        event_type=actions.SECURITY_ALERT,
    )
    actions.register(
        "pseudonym_domain.changed",
        _("{actor} changed the pseudonym domain of {archive}"),
        event_type=actions.SECURITY_ALERT,
    )
