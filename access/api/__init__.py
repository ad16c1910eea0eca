"""REST: who am I, where may I go; and, for administrators, people, roles and settings of an organisation."""

from __future__ import annotations

from access.api.me import Me, Organisations
from access.api.people import Containers, OnePerson, OneRole, People, Roles, Suspension
from access.api.settings import Settings

__all__ = ["Containers", "Me", "OnePerson", "OneRole", "Organisations", "People", "Roles", "Settings", "Suspension"]
