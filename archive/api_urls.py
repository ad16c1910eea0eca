from __future__ import annotations

from django.urls import path

from archive import api

app_name = "archive-api"

ALL = "o/<slug:organisation>/archives/"
ONE = ALL + "<slug:archive>/"
ALBUM = ONE + "albums/<str:album>/"
UPLOAD = ONE + "uploads/<uuid:upload>/"

urlpatterns = [
    path(ALL, api.Archives.as_view(), name="archives"),
    path(ONE, api.ArchiveDetail.as_view(), name="archive"),
    path(ONE + "studies/", api.Studies.as_view(), name="studies"),
    path(ONE + "studies/<str:study>/", api.StudyDetail.as_view(), name="study"),
    path(ONE + "studies/<str:study>/series/", api.StudySeries.as_view(), name="series"),
    path(ONE + "studies/<str:study>/series/<str:series>/instances/", api.SeriesInstances.as_view(), name="instances"),
    path(ONE + "albums/", api.Albums.as_view(), name="albums"),
    path(ALBUM, api.AlbumDetail.as_view(), name="album"),
    path(ALBUM + "studies/", api.AlbumStudies.as_view(), name="album-studies"),
    path(ALBUM + "studies/<str:study>/", api.AlbumStudy.as_view(), name="album-study"),
    path(ONE + "deliveries/", api.Deliveries.as_view(), name="deliveries"),
    path(ONE + "quarantine/", api.Quarantine.as_view(), name="quarantine"),
    path(ONE + "uploads/", api.Uploads.as_view(), name="uploads"),
    path(UPLOAD, api.UploadDetail.as_view(), name="upload"),
    path(UPLOAD + "close/", api.UploadClose.as_view(), name="upload-close"),
    path(UPLOAD + "studies/", api.UploadStudies.as_view(), name="upload-studies"),
    path(UPLOAD + "files/", api.UploadFiles.as_view(), name="upload-files"),
    path(UPLOAD + "pieces/<str:file>/", api.UploadPieces.as_view(), name="upload-pieces"),
]
