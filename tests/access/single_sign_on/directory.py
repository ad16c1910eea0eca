"""The directory of the tests: its settings, a change to them, and signing in by it."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from access.models import Directory
from core.tenancy import tenant
from tests.access import slapd


def settings_of(server: slapd.Server, **more: Any) -> dict[str, Any]:
    return {
        "label": "Hospital directory",
        "address": server.secure,
        "authorities": server.authority,
        "bind_name": slapd.READER,
        "people_base": slapd.PEOPLE,
        "people_filter": "(&(objectClass=inetOrgPerson)(uid={name}))",
        "groups_base": slapd.GROUPS,
        "admits": "everybody",
    } | more


def fresh(directory: Directory) -> Directory:
    with tenant(directory.organisation):
        found: Directory = Directory.objects.select_related("organisation").get(pk=directory.pk)
    return found


def change(directory: Directory, **values: Any) -> Directory:
    with tenant(directory.organisation):
        Directory.objects.filter(pk=directory.pk).update(**values)
    return fresh(directory)


def sign_in(client: Client, name: str, password: str | None = None) -> Any:
    secret = f"password of {name.rpartition('@')[0]}" if password is None else password
    return client.post(reverse("access:sign-in"), {"username": name, "password": secret})
