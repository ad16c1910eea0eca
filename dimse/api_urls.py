from __future__ import annotations

from django.urls import path

from dimse import api

app_name = "dimse-api"

CALLERS = "o/<slug:organisation>/archives/<slug:archive>/refused-callers/"

urlpatterns = [
    path(CALLERS, api.RefusedCallers.as_view(), name="refused-callers"),
    path(CALLERS + "<str:caller>/allow/", api.AllowCaller.as_view(), name="refused-caller-allow"),
]
