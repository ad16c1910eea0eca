from __future__ import annotations

from django.urls import path

from audit import views

app_name = "audit"

urlpatterns = [
    path("o/<slug:organisation>/audit/", views.event_list, name="event-list"),
    path(
        "o/<slug:organisation>/audit/events/<int:pk>/",
        views.event_detail,
        name="event-detail",
    ),
    path("o/<slug:organisation>/audit/verify/", views.verify, name="verify"),
    path("o/<slug:organisation>/audit/checks/<uuid:check>/", views.check, name="check"),
]
