"""Addresses of accounts and of the administration of people."""

from __future__ import annotations

from django.urls import path

from access import views

app_name = "access"

urlpatterns = [
    path("", views.front_door, name="front-door"),
    path("accounts/sign-in/", views.sign_in, name="sign-in"),
    path("accounts/choose-password/", views.choose_password, name="choose-password"),
    path("accounts/sign-out/", views.sign_out, name="sign-out"),
    path("accounts/preferences/", views.preferences, name="preferences"),
    path("accounts/profile/", views.profile, name="profile"),
    path("accounts/profile/password/", views.change_password, name="change-password"),
    path("accounts/profile/tokens/", views.token_create, name="token-create"),
    path("accounts/profile/tokens/<str:token>/revoke/", views.token_revoke, name="token-revoke"),
    path("o/<slug:organisation>/admin/", views.administration, name="administration"),
    path("o/<slug:organisation>/admin/people/", views.people, name="people"),
    path("o/<slug:organisation>/admin/people/add/", views.person_add, name="person-add"),
    path("o/<slug:organisation>/admin/people/<int:person>/", views.person, name="person"),
    path("o/<slug:organisation>/admin/people/<int:person>/roles/", views.person_roles, name="person-roles"),
    path("o/<slug:organisation>/admin/people/<int:person>/password/", views.person_password, name="person-password"),
    path("o/<slug:organisation>/admin/people/<int:person>/remove/", views.person_remove, name="person-remove"),
    path("o/<slug:organisation>/admin/people/<int:person>/restore/", views.person_restore, name="person-restore"),
    path("o/<slug:organisation>/admin/roles/", views.roles, name="roles"),
]
