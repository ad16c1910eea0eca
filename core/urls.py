"""Addresses of the shell: home, jobs, search everything, the component page."""

from __future__ import annotations

from django.urls import path

from core import views

app_name = "core"

urlpatterns = [
    path("o/<slug:organisation>/", views.home, name="home"),
    path("o/<slug:organisation>/find/", views.palette, name="palette"),
    path("o/<slug:organisation>/jobs/", views.jobs, name="jobs"),
    path("o/<slug:organisation>/jobs/tray/", views.jobs_tray, name="jobs-tray"),
    path("o/<slug:organisation>/jobs/<uuid:job>/cancel/", views.job_cancel, name="job-cancel"),
    path("design/", views.design, name="design"),
    path("design/answer/", views.design_answer, name="design-answer"),
]
