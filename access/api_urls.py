from __future__ import annotations

from django.urls import path

from access import api

app_name = "access-api"

ONE = "o/<slug:organisation>/"
PERSON = ONE + "people/<int:person>/"

urlpatterns = [
    path("me/", api.Me.as_view(), name="me"),
    path("organisations/", api.Organisations.as_view(), name="organisations"),
    path(ONE + "settings/", api.Settings.as_view(), name="settings"),
    path(ONE + "containers/", api.Containers.as_view(), name="containers"),
    path(ONE + "people/", api.People.as_view(), name="people"),
    path(PERSON, api.OnePerson.as_view(), name="person"),
    path(PERSON + "suspension/", api.Suspension.as_view(), name="suspension"),
    path(PERSON + "roles/", api.Roles.as_view(), name="roles"),
    path(PERSON + "roles/<str:container>/<slug:role>/", api.OneRole.as_view(), name="role"),
]
