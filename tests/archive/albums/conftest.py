from __future__ import annotations

import pytest

from access import services as access
from archive.models import Study
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.albums.house import House
from tests.archive.factories import deliver, make_archive, make_file


@pytest.fixture
def house() -> House:
    ours, theirs = make_organisation(), make_organisation()
    archive, beside, other = make_archive(ours), make_archive(ours), make_archive(theirs)
    people = {role: make_member(ours) for role in ("manager", "contributor", "reader", "colleague")}
    for role, person in people.items():
        granted = "reader" if role == "colleague" else role
        access.grant_role(actor=None, container=archive, role=granted, user=person)
    access.grant_role(actor=None, container=beside, role="manager", user=people["manager"])
    stranger = make_member(theirs)
    access.grant_role(actor=None, container=other, role="manager", user=stranger)
    for place, names in ((archive, ("Adler", "Berg", "Celik", "Dahl")), (beside, ("Elm",)), (other, ("Foss",))):
        deliver(place, [make_file(PatientName=f"{name}^Anna", StudyDescription=f"Knee {name}") for name in names])
    with tenant(ours):
        studies = list(Study.objects.filter(archive=archive).order_by("patient__patient_name"))
    return House(
        archive=archive,
        beside=beside,
        studies=studies,
        member=make_member(ours),
        stranger=stranger,
        other=other,
        **people,
    )
