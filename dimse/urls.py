"""Addresses of the DICOM network's pages."""

from __future__ import annotations

from django.urls import path

from dimse import views

app_name = "dimse"

CALLERS = "o/<slug:organisation>/archive/<slug:archive>/callers/"

urlpatterns = [
    path("installation/callers/", views.lost_callers, name="lost-callers"),
    path(CALLERS, views.callers, name="callers"),
    path(CALLERS + "<slug:caller>/allow/", views.caller_allow, name="caller-allow"),
    path(CALLERS + "<slug:caller>/forget/", views.caller_forget, name="caller-forget"),
]
