"""Libraries, courses, cases and what they consist of.

Actions on a case (state → what may happen):

==========  =====================================================================================
preparing   images arrive from a de-identification run → draft · the run failed → stays, with the reason
draft       edit · request review → in review · publish → published (version 1) · delete
in review   edit · approve or ask for changes → draft · publish → published
published   edit the working copy · publish again → published (next version) · retire → retired
retired     edit · publish again → published (next version)
==========  =====================================================================================

What trainees read is never the working copy but a `CaseVersion`, frozen by publishing and never changed.
"""

from teaching.models.cases import (
    Case,
    CaseRevision,
    CaseSection,
    CaseStudy,
    CaseVersion,
    Review,
    VersionSeries,
    VersionStudy,
)
from teaching.models.containers import (
    Course,
    CourseGroupObjectPermission,
    CourseUserObjectPermission,
    Library,
    LibraryGroupObjectPermission,
    LibraryUserObjectPermission,
)
from teaching.models.courses import Assignment, AssignmentCase, CourseCase
from teaching.models.questions import Question
from teaching.models.truth import TruthMark

__all__ = [
    "Assignment",
    "AssignmentCase",
    "Case",
    "CaseRevision",
    "CaseSection",
    "CaseStudy",
    "CaseVersion",
    "Course",
    "CourseCase",
    "CourseGroupObjectPermission",
    "CourseUserObjectPermission",
    "Library",
    "LibraryGroupObjectPermission",
    "LibraryUserObjectPermission",
    "Question",
    "Review",
    "TruthMark",
    "VersionSeries",
    "VersionStudy",
]
