"""Addresses of accounts and of the administration of people."""

from __future__ import annotations

from django.urls import path

from access.sign_in.urls import named
from access.views import accounts, people, tokens

app_name = "access"

urlpatterns = [
    *named,
    path("", accounts.front_door, name="front-door"),
    path("accounts/preferences/", accounts.preferences, name="preferences"),
    path("accounts/profile/", accounts.profile, name="profile"),
    path("accounts/profile/tokens/", tokens.token_create, name="token-create"),
    path("accounts/profile/tokens/<str:token>/revoke/", tokens.token_revoke, name="token-revoke"),
    path("o/<slug:organisation>/admin/", people.administration, name="administration"),
    path("o/<slug:organisation>/admin/people/", people.people, name="people"),
    path("o/<slug:organisation>/admin/people/add/", people.person_add, name="person-add"),
    path("o/<slug:organisation>/admin/people/<int:person>/", people.person, name="person"),
    path("o/<slug:organisation>/admin/people/<int:person>/roles/", people.person_roles, name="person-roles"),
    path("o/<slug:organisation>/admin/people/<int:person>/password/", people.person_password, name="person-password"),
    path("o/<slug:organisation>/admin/people/<int:person>/remove/", people.person_remove, name="person-remove"),
    path("o/<slug:organisation>/admin/people/<int:person>/restore/", people.person_restore, name="person-restore"),
    path("o/<slug:organisation>/admin/roles/", people.roles, name="roles"),
]
