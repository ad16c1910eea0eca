"""The demo's organisations and people, and the file with their passwords."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from access import queries, services
from access.errors import MemberSuspended
from access.models import Organisation, User

#: user name → (name, roles in the organisation that the part behind the @ names)
PEOPLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "admin@demo": ("Ada Lindgren", ("administrator",)),
    "educator@demo": ("Elena Torres", ("member",)),
    "trainee@demo": ("Tomas Berg", ("member",)),
    "trainee2@demo": ("Amina Diallo", ("member",)),
    "coordinator@demo": ("Claire Dubois", ("member",)),
    "site@demo": ("Sven Nyström", ("member",)),
    "reader1@demo": ("Ren Kobayashi", ("member",)),
    "reader2@demo": ("Rosa Almeida", ("member",)),
    "adjudicator@demo": ("Arjun Mehta", ("member",)),
    "officer@demo": ("Olga Petrova", ("officer",)),
    "educator@partner": ("Piotr Zieliński", ("administrator",)),
}
ORGANISATIONS = {
    "demo": ("Demo Hospital", "Europe/Stockholm"),
    "partner": ("Partner University Hospital", "Europe/Warsaw"),
}


@dataclass(frozen=True)
class People:
    demo: Organisation
    partner: Organisation
    users: dict[str, User]


def accounts_file() -> Path:
    return Path(settings.DATA_DIR) / "demo-accounts.json"


def make_accounts(*, say: Callable[[str], None]) -> People:
    """Make organisations, people and memberships that are missing.

    A password is made for a new person, and for one whose password nobody knows any more because the file is gone.
    """
    known = _read(accounts_file())
    users: dict[str, User] = {}
    for username, (name, _roles) in PEOPLE.items():
        user = User.objects.filter(username=username).first()
        if user is None:
            zone = ORGANISATIONS[username.split("@")[1]][1]
            user = User.objects.create_user(username=username, display_name=name, time_zone=zone)
        if username not in known or not user.has_usable_password():
            known[username] = secrets.token_urlsafe(12)
            user.set_password(known[username])
            user.save(update_fields=["password"])
        users[username] = user
    _write(accounts_file(), known)
    organisations = {slug: _organisation(slug, users=users) for slug in ORGANISATIONS}
    for username, (_name, roles) in PEOPLE.items():
        organisation = organisations[username.split("@")[1]]
        if not queries.has_membership(user=users[username], organisation=organisation):
            try:
                services.add_member(actor=None, organisation=organisation, user=users[username], roles=roles)
            except MemberSuspended:
                say(f"{username} is suspended and stays so")
    say(f"passwords are in {accounts_file().name} in the data folder")
    return People(organisations["demo"], organisations["partner"], users)


def _organisation(slug: str, *, users: dict[str, User]) -> Organisation:
    found = Organisation.objects.filter(slug=slug).first()
    if found is not None:
        return found
    name, zone = ORGANISATIONS[slug]
    administrator = next(
        users[username]
        for username, (_name, roles) in PEOPLE.items()
        if username.endswith(f"@{slug}") and "administrator" in roles
    )
    return services.create_organisation(slug=slug, name=name, time_zone=zone, administrator=administrator)


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _write(path: Path, accounts: dict[str, str]) -> None:
    """Write the passwords so that only the owner of the data folder ever could read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(accounts, file, indent=2, ensure_ascii=False)
        file.write("\n")
    part.replace(path)
