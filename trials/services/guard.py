"""Images for a study that belongs to a subject come from the subject's site; others wait at the door of the archive."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.utils.translation import gettext as _

from archive.domain.screening import OTHER_SENDER, Finding
from archive.models import Delivery, Study
from trials.domain import matching
from trials.models import SubjectStudy, Trial
from trials.services import waiting


def held_at_the_door(*, delivery: Delivery, studies: Collection[Study]) -> Mapping[int, Finding]:
    """Studies of subjects of another site than the delivery was sent for.

    The sender reads the reason as well: it names neither subject nor site.
    """
    rows = list(SubjectStudy.objects.filter(study__in=studies).values_list("study", "subject__site"))
    if not rows or _is_decided(delivery):
        return {}
    trial = Trial.objects.get(archive=delivery.archive_id)
    sites = waiting.sites_sent_for(delivery, trial=trial)
    return {
        study: Finding(
            code=OTHER_SENDER,
            reason=_("The trial has to confirm that the sender may add to this study."),
            comment="The trial has to confirm the sender",
        )
        for study, site in rows
        if matching.sent_across(sender_sites=sites, site=site)
    }


def _is_decided(delivery: Delivery) -> bool:
    """Whether a person released the file although another site sent it; for another finding it is a question still."""
    return delivery.release_of is not None and delivery.release_of.code == OTHER_SENDER
