from __future__ import annotations

from django.urls import path

from deid import held_views, views

app_name = "deid"

ROOT = "o/<slug:organisation>/deidentification/"

urlpatterns = [
    path(ROOT, views.run_list, name="run-list"),
    path(ROOT + "new/<slug:study>/", views.run_request, name="run-request"),
    path(ROOT + "settings/<slug:archive>/", views.domain_settings, name="domain-settings"),
    path(ROOT + "runs/<slug:run>/", views.run_detail, name="run"),
    path(ROOT + "runs/<slug:run>/compare/", views.run_compare, name="run-compare"),
    path(ROOT + "runs/<slug:run>/held/", held_views.run_held, name="run-held"),
    path(ROOT + "runs/<slug:run>/held/release/", held_views.run_release, name="run-release"),
    path(ROOT + "runs/<slug:run>/held/drop/", held_views.run_drop, name="run-drop"),
    path(ROOT + "runs/<slug:run>/held/take-back/", held_views.run_take_back, name="run-take-back"),
    path(ROOT + "runs/<slug:run>/images/<int:image>/<slug:side>/", held_views.run_picture, name="run-picture"),
    path(ROOT + "runs/<slug:run>/receipt/", views.run_receipt, name="run-receipt"),
    path(ROOT + "runs/<slug:run>/receipt.json", views.run_receipt_file, name="run-receipt-file"),
    path(ROOT + "runs/<slug:run>/approve/", views.run_approve, name="run-approve"),
    path(ROOT + "runs/<slug:run>/reject/", views.run_reject, name="run-reject"),
    path(ROOT + "runs/<slug:run>/cancel/", views.run_cancel, name="run-cancel"),
    path(ROOT + "runs/<slug:run>/retry/", views.run_retry, name="run-retry"),
]
