"""REST: trials, sites, subjects, and whose images are whose."""

from __future__ import annotations

from trials.api.matching import SubjectImages, Waiting
from trials.api.subjects import SubjectActions, SubjectDetail, Subjects
from trials.api.trials import SiteDetail, Sites, TrialDetail, Trials

__all__ = [
    "SiteDetail",
    "Sites",
    "SubjectActions",
    "SubjectDetail",
    "SubjectImages",
    "Subjects",
    "TrialDetail",
    "Trials",
    "Waiting",
]
