"""Archives, libraries and courses of the demo, and who may do what in them."""

from __future__ import annotations

from dataclasses import dataclass

from access.models import Organisation, RoleContainer, User
from access.queries import people_with_role
from access.services import grant_role
from archive.intake.sources import add_source
from archive.models import Archive
from archive.services import create_archive
from core.tenancy import tenant
from pacsweb.demo.loader.accounts import People
from teaching.models import Course, Library
from teaching.services import create_course, create_library

#: organisation/slug → (name, AE title, purpose, {role: user names})
ARCHIVES: dict[str, tuple[str, str, str, dict[str, tuple[str, ...]]]] = {
    "demo/clinical": (
        "Clinical archive", "DEMO_CLINICAL", "clinical",
        {"manager": ("admin@demo",), "contributor": ("educator@demo",)},
    ),
    "demo/teaching": (
        "Teaching archive", "DEMO_TEACHING", "teaching",
        {"manager": ("admin@demo", "educator@demo")},
    ),
    "demo/trial-lung": (
        "Lung trial", "DEMO_LUNG", "trial",
        {
            "manager": ("admin@demo", "coordinator@demo"),
            "contributor": ("site@demo",),
        },
    ),
    "partner/clinical": ("Clinical archive", "PARTNER", "clinical", {"manager": ("educator@partner",)}),
    "partner/teaching": ("Teaching archive", "PARTNER_TEACH", "teaching", {"manager": ("educator@partner",)}),
}  # fmt: skip

#: Whose uploads the archives of de-identified images take besides de-identified copies, screened on arrival. Any caller
#: may open an association with every archive; only sources may send to these, and no calling AE title is one.
SENDERS: dict[str, tuple[str, ...]] = {"demo/teaching": ("educator@demo",), "demo/trial-lung": ("coordinator@demo",)}

#: library key → (archive, slug, name, description, {role: user names})
LIBRARIES: dict[str, tuple[str, str, str, str, dict[str, tuple[str, ...]]]] = {
    "demo": (
        "demo/teaching", "radiology", "Radiology teaching file",
        "Cases of all subspecialties with their normals. The images are phantoms: the truth is known to the millimetre.",
        {"editor": ("educator@demo",), "learner": ("trainee@demo", "trainee2@demo")},
    ),
    "partner": (
        "partner/teaching", "chest", "Chest films", "What the partner hospital teaches with.",
        {"editor": ("educator@partner",)},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class House:
    demo: Organisation
    partner: Organisation
    users: dict[str, User]
    archives: dict[str, Archive]
    libraries: dict[str, Library]

    def organisation(self, slug: str) -> Organisation:
        return self.demo if slug == "demo" else self.partner

    def maker(self, organisation: Organisation) -> User:
        """Return who makes containers in an organisation."""
        return self.users["admin@demo" if organisation.pk == self.demo.pk else "educator@partner"]


def make_containers(*, people: People) -> House:
    """Make archives and libraries that are missing, with their roles."""
    house = House(people.demo, people.partner, people.users, {}, {})
    for key, (name, title, purpose, roles) in ARCHIVES.items():
        organisation_slug, slug = key.split("/")
        organisation = house.organisation(organisation_slug)
        with tenant(organisation):
            archive = Archive.objects.filter(organisation=organisation, slug=slug).first()
            if archive is None:
                archive = create_archive(
                    actor=house.maker(organisation), organisation=organisation, slug=slug, name=name, ae_title=title,
                    purpose=purpose, is_open_to_any_caller=True,
                )  # fmt: skip
                give(archive, roles, users=people.users)
            for name in SENDERS.get(key, ()):
                add_source(actor=None, archive=archive, kind="person", user=people.users[name])
        house.archives[key] = archive
    for key, (archive_key, slug, name, description, roles) in LIBRARIES.items():
        archive = house.archives[archive_key]
        organisation = archive.organisation
        with tenant(organisation):
            library = Library.objects.filter(organisation=organisation, slug=slug).first()
            if library is None:
                library = create_library(
                    actor=house.maker(organisation), organisation=organisation, archive=archive, slug=slug, name=name,
                    description=description, licence="CC-BY-4.0",
                )  # fmt: skip
                give(library, roles, users=people.users)
        house.libraries[key] = library
    return house


def give(container: RoleContainer, roles: dict[str, tuple[str, ...]], *, users: dict[str, User]) -> None:
    for role, names in roles.items():
        holders = set(people_with_role(container=container, role=role).values_list("pk", flat=True))
        for name in names:
            if users[name].pk not in holders:
                grant_role(actor=None, container=container, role=role, user=users[name])


def make_course(*, house: House, slug: str, name: str, description: str) -> Course:
    """Return a course of the demo hospital with its editor and learners."""
    found = Course.objects.filter(organisation=house.demo, slug=slug).first()
    if found is None:
        found = create_course(
            actor=house.users["educator@demo"], organisation=house.demo, slug=slug, name=name, description=description
        )
        give(found, {"learner": ("trainee@demo", "trainee2@demo")}, users=house.users)
    return found
