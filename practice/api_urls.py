from __future__ import annotations

from django.urls import path

from practice import api

app_name = "practice-api"

urlpatterns = [
    path("o/<slug:organisation>/unknowns/", api.Unknowns.as_view(), name="unknowns"),
    path("o/<slug:organisation>/attempts/", api.Attempts.as_view(), name="attempts"),
    path("o/<slug:organisation>/attempts/<slug:attempt>/", api.AttemptDetail.as_view(), name="attempt"),
    path("o/<slug:organisation>/attempts/<slug:attempt>/commit/", api.AttemptCommit.as_view(), name="attempt-commit"),
]
