from __future__ import annotations

from django.urls import path

from audit import api

app_name = "audit-api"

urlpatterns = [path("o/<slug:organisation>/audit/events/", api.Events.as_view(), name="events")]
