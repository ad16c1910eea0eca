"""Addresses of the shell: home, jobs, search everything, the component page."""

from __future__ import annotations

from django.urls import path

from core.views import guides, notifications, saved_views, shell

app_name = "core"

urlpatterns = [
    path("o/<slug:organisation>/", shell.home, name="home"),
    path("o/<slug:organisation>/find/", shell.palette, name="palette"),
    path("o/<slug:organisation>/jobs/", shell.jobs, name="jobs"),
    path("o/<slug:organisation>/jobs/tray/", shell.jobs_tray, name="jobs-tray"),
    path("o/<slug:organisation>/jobs/<uuid:job>/cancel/", shell.job_cancel, name="job-cancel"),
    path("o/<slug:organisation>/notifications/", notifications.notification_list, name="notification-list"),
    path("o/<slug:organisation>/notifications/bell/", notifications.bell, name="bell"),
    path("o/<slug:organisation>/notifications/mark/", notifications.notifications_mark, name="notifications-mark"),
    path(
        "o/<slug:organisation>/notifications/<slug:notification>/open/",
        notifications.notification_open,
        name="notification-open",
    ),
    path("o/<slug:organisation>/views/", saved_views.view_list, name="view-list"),
    path("o/<slug:organisation>/views/save/", saved_views.view_save, name="view-save"),
    path("o/<slug:organisation>/views/<slug:view>/change/", saved_views.view_change, name="view-change"),
    path("o/<slug:organisation>/views/<slug:view>/delete/", saved_views.view_delete, name="view-delete"),
    path("o/<slug:organisation>/views/<slug:view>/default/", saved_views.view_default, name="view-default"),
    path("docs/", guides.guide_list, name="guide-list"),
    path("docs/mine/", guides.own_guide, name="own-guide"),
    path("docs/pictures/<str:name>", guides.guide_picture, name="guide-picture"),
    path("docs/<slug:guide>/", guides.guide, name="guide"),
    path("design/", shell.design, name="design"),
    path("design/answer/", shell.design_answer, name="design-answer"),
]
