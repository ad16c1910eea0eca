"""Trials, their sites and subjects, and whose images are whose.

Actions on a trial and on a site (state → what may happen):

========  ===============================================================
open      change · add sites and subjects · match images · close
closed    look · reopen (a site only while its trial is open)
========  ===============================================================

Actions on a subject:

==========  =============================================================
screening   change · enrol → enrolled · withdraw (with a reason) → withdrawn
enrolled    change · complete → completed · withdraw → withdrawn
completed   resume → enrolled
withdrawn   resume → enrolled, or screening when never enrolled
==========  =============================================================

Whoever is staff of a site sees that site and what belongs to it, whatever other role they are given in the trial
(`trials.permissions`).
"""

from trials.models.containers import (
    Site,
    SiteGroupObjectPermission,
    SiteUserObjectPermission,
    Trial,
    TrialGroupObjectPermission,
    TrialUserObjectPermission,
)
from trials.models.subjects import Subject, SubjectStudy

__all__ = [
    "Site",
    "SiteGroupObjectPermission",
    "SiteUserObjectPermission",
    "Subject",
    "SubjectStudy",
    "Trial",
    "TrialGroupObjectPermission",
    "TrialUserObjectPermission",
]
