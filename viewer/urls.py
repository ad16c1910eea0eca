from __future__ import annotations

from django.urls import path

from viewer import albums, views

app_name = "viewer"

urlpatterns = [
    path("o/<slug:organisation>/viewer/studies/<str:study>/", views.StudyView.as_view(), name="study"),
    path("o/<slug:organisation>/viewer/studies/<str:study>/marks/", views.StudyMarks.as_view(), name="study-marks"),
    path(
        "o/<slug:organisation>/viewer/studies/<str:study>/sharing/",
        views.StudySharing.as_view(),
        name="study-sharing",
    ),
    path("o/<slug:organisation>/viewer/albums/<slug:album>/", albums.AlbumView.as_view(), name="album"),
    path(
        "o/<slug:organisation>/viewer/sessions/<str:session>/events/",
        views.SessionEvents.as_view(),
        name="session-events",
    ),
]
