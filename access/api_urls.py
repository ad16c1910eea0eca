from __future__ import annotations

from django.urls import path

from access import api

app_name = "access-api"

urlpatterns = [
    path("me/", api.Me.as_view(), name="me"),
    path("organisations/", api.Organisations.as_view(), name="organisations"),
]
