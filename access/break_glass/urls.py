"""Addresses of break-glass, within the namespace of access."""

from __future__ import annotations

from django.urls import path

from access.break_glass import views

ROOT = "o/<slug:organisation>/break-glass/"

urlpatterns = [
    path(ROOT, views.break_glass, name="break-glass"),
    path(ROOT + "all/", views.break_glass_list, name="break-glass-list"),
    path(ROOT + "<slug:glass>/", views.break_glass_one, name="break-glass-one"),
    path(ROOT + "<slug:glass>/end/", views.break_glass_end, name="break-glass-end"),
    path(ROOT + "<slug:glass>/review/", views.break_glass_review, name="break-glass-review"),
]
