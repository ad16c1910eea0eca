"""What the study list of an archive with 100,000 studies takes: each page's queries, behind the wall, for a reader.

Run it before and after a change on the same machine, in turn; the data are those of `test_wall`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.bench.test_wall import LARGEST, fill, measure
from tests.teaching.factories import House

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]

ROUNDS = 5
PAGES = {
    "first opening": "",
    "page 2": "?page=2",
    "page 200": "?page=200",
    "by study date": "?sort=-date",
    "by patient": "?sort=patient",
    "one modality of ten": "?modality=CT",
    "half of the archive": "?modality=MR",
    "last 24 hours": "?new=1",
    "a word": "?q=4f1a0",
}


@dataclass(frozen=True)
class Cost:
    queries: int
    database: float
    """Milliseconds, as the connection counts them: of a query the way there and back as well."""
    whole: float


def cost(client: Client, address: str) -> Cost:
    """The least of several; whole requests are timed apart, since writing queries down takes time itself."""
    whole = measure(lambda: client.get(address))
    seen = []
    for _round in range(ROUNDS):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        seen.append(sum(float(one["time"]) for one in captured) * 1000)
    return Cost(queries=len(captured), database=min(seen), whole=whole)


def report(house: House) -> None:
    place = {"organisation": house.organisation.slug, "archive": house.archive.slug}
    client = Client()
    client.force_login(house.member)
    addresses = {name: reverse("archive:study-list", kwargs=place) + query for name, query in PAGES.items()}
    addresses["has anything changed?"] = reverse("archive:study-changes", kwargs=place) + "?since=0"
    print(f"\n{LARGEST:,} studies in the archive{'queries':>18}{'database ms':>14}{'request ms':>13}")
    for name, address in addresses.items():
        found = cost(client, address)
        print(f"{name:32}{found.queries:14}{found.database:14.0f}{found.whole:13.0f}")


def test_cost_of_the_study_list() -> None:
    report(fill())
