"""Whose images are these: what they say of trial, site and subject against what the trial knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the images say of themselves; empty where they are silent.

    Clinical Trial Protocol ID (0012,0020), Site ID (0012,0030), Subject ID (0012,0040), Time Point ID (0012,0050) of
    PS3.3 C.7.1.3 and C.7.2.3, and Patient ID (0010,0020), which de-identification replaces with the subject's.
    """

    protocol_id: str = ""
    site_id: str = ""
    subject_id: str = ""
    time_point_id: str = ""
    patient_id: str = ""


def folded(identifier: str) -> str:
    """Identifiers are typed by hand: case and outer spaces do not make another person."""
    return identifier.strip().upper()


def subject_named(said: Said, *, protocol_id: str) -> str:
    """The Subject ID, folded, that the images name; empty when they name none, or belong to another protocol."""
    if said.protocol_id and folded(said.protocol_id) != folded(protocol_id):
        return ""
    return folded(said.subject_id or said.patient_id)


def agrees(said: Said, *, site_number: str) -> bool:
    """Whether the images do not name another site than the subject's."""
    return not said.site_id or folded(said.site_id) == folded(site_number)


#: Why a study waits for a coordinator.
NAMES_NOBODY = "names-nobody"
OTHER_PROTOCOL = "other-protocol"
UNKNOWN_SUBJECT = "unknown-subject"
OTHER_SITE_NAMED = "other-site-named"
SUBJECT_LEFT = "subject-left"
OTHER_SITE_SENT = "other-site-sent"
NOT_SETTLED = "not-settled"


def sent_across(*, sender_sites: Collection[int], site: int) -> bool:
    """Whether staff of sites sent the images, and none of those sites is the subject's."""
    return bool(sender_sites) and site not in sender_sites
