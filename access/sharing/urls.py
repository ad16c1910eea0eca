"""Addresses of sharing, within the namespace of access."""

from __future__ import annotations

from django.urls import path

from access.sharing import views

SHARE = "o/<slug:organisation>/sharing/<slug:share>/"

urlpatterns = [
    path("shared/", views.enter, name="share-enter"),
    path("accounts/shared/", views.shared_with_me, name="shared-with-me"),
    path("o/<slug:organisation>/admin/guests/", views.grant_policy, name="grant-policy"),
    path("o/<slug:organisation>/sharing/", views.share_list, name="share-list"),
    path("o/<slug:organisation>/sharing/new/<slug:kind>/<slug:thing>/", views.share_new, name="share-new"),
    path(SHARE, views.share, name="share"),
    path(SHARE + "revoke/", views.share_revoke, name="share-revoke"),
    path(SHARE + "keep/", views.share_keep, name="share-keep"),
    path(SHARE + "extend/", views.share_extend, name="share-extend"),
    path("o/<slug:organisation>/shared/<slug:share>/", views.shared, name="shared"),
    path("o/<slug:organisation>/shared/<slug:share>/download/", views.shared_download, name="shared-download"),
]
