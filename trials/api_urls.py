from __future__ import annotations

from django.urls import path, register_converter

from trials import api

app_name = "trials-api"


class StudyKeyConverter:
    """A study's key or Study Instance UID; anything else in its place is an address that does not exist."""

    regex = r"[0-9A-Za-z.]{1,64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(StudyKeyConverter, "study_key")

ALL = "o/<slug:organisation>/trials/"
ONE = ALL + "<slug:trial>/"
SUBJECT = ONE + "subjects/<slug:subject>/"

urlpatterns = [
    path(ALL, api.Trials.as_view(), name="trials"),
    path(ONE, api.TrialDetail.as_view(), name="trial"),
    path(ONE + "sites/", api.Sites.as_view(), name="sites"),
    path(ONE + "sites/<slug:site>/", api.SiteDetail.as_view(), name="site"),
    path(ONE + "subjects/", api.Subjects.as_view(), name="subjects"),
    path(SUBJECT, api.SubjectDetail.as_view(), name="subject"),
    path(SUBJECT + "actions/", api.SubjectActions.as_view(), name="subject-actions"),
    path(SUBJECT + "studies/<study_key:study>/", api.SubjectImages.as_view(), name="subject-study"),
    path(ONE + "waiting/", api.Waiting.as_view(), name="waiting"),
]
