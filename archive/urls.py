"""Addresses of the archive's pages."""

from __future__ import annotations

from django.urls import path

from archive.albums import urls as albums
from archive.views import archives, intake, sources, studies

app_name = "archive"

ONE = "o/<slug:organisation>/archive/<slug:archive>/"
STUDY = ONE + "studies/<slug:study>/"

urlpatterns = [
    path("o/<slug:organisation>/archive/", archives.archive_list, name="archive-list"),
    path("o/<slug:organisation>/archive/new/", archives.archive_create, name="archive-create"),
    path("o/<slug:organisation>/archive/exports/<uuid:job>/", studies.export_file, name="export"),
    path("o/<slug:organisation>/archive/series/<slug:series>/thumbnail/", studies.thumbnail, name="thumbnail"),
    path(ONE, archives.archive_home, name="archive"),
    path(ONE + "settings/", archives.archive_settings, name="settings"),
    path(ONE + "sources/", sources.source_list, name="sources"),
    path(ONE + "sources/add/", sources.source_add, name="source-add"),
    path(ONE + "sources/<slug:source>/remove/", sources.source_remove, name="source-remove"),
    path(ONE + "upload/", intake.upload, name="upload"),
    path(ONE + "deliveries/", intake.delivery_list, name="delivery-list"),
    path(ONE + "deliveries/<uuid:delivery>/", intake.delivery_detail, name="delivery"),
    path(ONE + "quarantine/", intake.quarantine, name="quarantine"),
    path(ONE + "quarantine/release/", intake.quarantine_release, name="quarantine-release"),
    path(ONE + "quarantine/discard/", intake.quarantine_discard, name="quarantine-discard"),
    path(ONE + "quarantine/<slug:file>/", intake.quarantined, name="quarantined"),
    path(ONE + "quarantine/<slug:file>/picture/", intake.quarantine_picture, name="quarantine-picture"),
    path(ONE + "quarantine/<slug:file>/file/", intake.quarantine_file, name="quarantine-file"),
    path(ONE + "studies/", studies.study_list, name="study-list"),
    path(ONE + "studies/changes/", studies.study_changes, name="study-changes"),
    path(ONE + "studies/export/", studies.studies_export, name="studies-export"),
    path(ONE + "studies/delete/", studies.studies_delete, name="studies-delete"),
    path(STUDY, studies.study_detail, name="study"),
    path(STUDY + "series/<slug:series>/", studies.series_instances, name="series"),
    path(STUDY + "instances/<int:instance>/", studies.instance_detail, name="instance"),
    path(STUDY + "instances/<int:instance>/file/", studies.instance_file, name="instance-file"),
    *albums.urlpatterns,
]
