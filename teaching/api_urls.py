from __future__ import annotations

from django.urls import path

from teaching import api

app_name = "teaching-api"

urlpatterns = [
    path("o/<slug:organisation>/cases/", api.Cases.as_view(), name="cases"),
    path("o/<slug:organisation>/cases/<slug:case>/", api.CaseDetail.as_view(), name="case"),
    path("o/<slug:organisation>/cases/<slug:case>/publish/", api.CasePublication.as_view(), name="case-publish"),
]
