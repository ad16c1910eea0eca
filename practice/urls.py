from __future__ import annotations

from django.urls import path

from practice.views import lists, progress, reading, results

app_name = "practice"

urlpatterns = [
    path("o/<slug:organisation>/practice/", lists.home, name="home"),
    path("o/<slug:organisation>/practice/cases/<slug:case>/start/", reading.start, name="case-start"),
    path("o/<slug:organisation>/practice/next/", reading.start_next, name="next"),
    path("o/<slug:organisation>/practice/progress/", progress.progress, name="progress"),
    path("o/<slug:organisation>/practice/reads/", lists.attempt_list, name="attempt-list"),
    path("o/<slug:organisation>/practice/reads/<slug:attempt>/", reading.AttemptPage.as_view(), name="attempt"),
    path(
        "o/<slug:organisation>/practice/reads/<slug:attempt>/marks/",
        reading.AttemptMarks.as_view(),
        name="attempt-marks",
    ),
    path("o/<slug:organisation>/practice/reads/<slug:attempt>/draft/", reading.draft, name="attempt-draft"),
    path("o/<slug:organisation>/practice/reads/<slug:attempt>/commit/", reading.commit, name="attempt-commit"),
    path("o/<slug:organisation>/practice/reads/<slug:attempt>/abandon/", reading.abandon, name="attempt-abandon"),
    path(
        "o/<slug:organisation>/practice/reads/<slug:attempt>/score/<slug:question>/",
        reading.score,
        name="attempt-score",
    ),
    path("o/<slug:organisation>/teaching/cases/<slug:case>/results/", results.case_results, name="case-results"),
    path(
        "o/<slug:organisation>/teaching/courses/<slug:course>/results/", results.course_results, name="course-results"
    ),
]
