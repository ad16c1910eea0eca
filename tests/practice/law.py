"""What the tests of the law of unknowns ask, and what of the answers they compare.

The law: before the commit, everything that a learner can fetch of a case is the same, byte for byte, whatever its truth is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.dicomweb.test_partial_sight import BASIC_TEXT_SR
from tests.matrix.walk import INSIDE, address, ask
from tests.matrix.world import World

#: Arguments of an address that lead to a case, to its images, or to a read of it.
OF_A_CASE: Final = frozenset({
    "case", "study", "series", "instance", "image", "path", "numbers", "attempt", "assignment", "question", "section", "thing",
})  # fmt: skip
#: Where learners get something of a case: every other address refuses them, which the thorough walk tests.
FOR_LEARNERS: Final = (
    "practice:", "practice-api:", "dicomweb:", "viewer:", "archive:thumbnail", "core:palette", "core:home",
    "core:notifications",
)  # fmt: skip
#: Addresses of a case that are not asked. No learner of a course gets anything there: tests/matrix says so.
NOT_ASKED: Final[Mapping[str, str]] = {
    "archive-api:album-study": "albums are made of studies by people of the archive; a learner sees none",
    "deid:run-picture": "the pictures of a copy and of its source, for whoever makes copies",
    **dict.fromkeys(
        ("trials-api:subject-study", "trials:images", "trials:match", "trials:subject-study", "trials:waiting-images"),
        "images of trials are in archives of their own, and never in a case",
    ),
}

#: All that is struck from the answers before they are compared: headers,
STRUCK_HEADERS: Final[Mapping[str, str]] = {
    "Date": "the server's clock",
    "Expires": "the clock and how long the answer may be kept; Cache-Control, which says how long, is compared",
    "Set-Cookie": "the session and the CSRF token, drawn for each login",
    "X-Request-ID": "drawn for each request",
    "Server-Timing": "how long the answer took",
}
#: and one thing that also stands in pages: the nonce of the Content-Security-Policy, drawn for each answer.
NONCE = re.compile(rb"nonce-[A-Za-z0-9+/=_-]+|nonce=\"[^\"]*\"")
#: Struck besides where the images have other headers: made from the digest of a file, and says only that it is another file.
TAGS = re.compile(rb"(?m)^ETag: .*$|pacsweb-[0-9a-f]{32}")

SEARCHES = (
    "", "?includefield=all", "?ModalitiesInStudy=SR", "?ModalitiesInStudy=MR", "?Modality=S*", "?SeriesDescription=*ntho*",
    "?StudyDescription=Onco*", "?BodyPartExamined=*", "?SOPClassesInStudy=" + BASIC_TEXT_SR, "?NumberOfStudyRelatedSeries=1",
    "?NumberOfStudyRelatedInstances=3", "?StudyDate=20200101-20300101", "?PatientName=Other*", "?limit=1&offset=1",
)  # fmt: skip
#: Words of truths.py, and of what is shown.
WORDS = ("xantho", "glioma", "calcifiedrim", "rid1", "rid2", "normal", "plexus", "headache", "oncoword")
#: Other forms of what DICOMweb gives: how the name of the route ends → Accept headers, and queries.
FORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "metadata": ('multipart/related; type="application/dicom+xml"',),
    "studies": ('multipart/related; type="application/dicom+xml"',),
    ":instance": ("application/dicom; transfer-syntax=*",),
    "frame-list": ('multipart/related; type="image/*"',),
    "rendered": ("image/png",),
    "thumbnail": ("image/png",),
}
VIEWS = ("?window=40,80,linear", "?viewport=8,8", "?viewport=8,8,0,0,8,8")
#: What of a read can be asked with another method, and changes nothing: a commit of nothing is refused.
ACTS: Final[Mapping[str, str]] = {
    "practice:case-start": "post",
    "practice:next": "post",
    "practice:attempt-commit": "post",
    "practice:attempt-abandon": "post",
    "practice:attempt-score": "post",
    "practice:attempt-draft": "put",
    "practice:attempt-marks": "put",
    "practice-api:attempts": "post",
    "practice-api:attempt-commit": "post",
}
FRAGMENT: Final = (("HX-Request", "true"),)


class Place(NamedTuple):
    """One request."""

    route: str
    address: str
    method: str = "get"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_of_a_case(self) -> bool:
        return self.route in ROUTES_OF_A_CASE

    @property
    def is_other_form(self) -> bool:
        return bool(self.headers) or self.method != "get" or "?" in self.address

    def __str__(self) -> str:
        words = [self.method.upper(), self.address, *(f"{name}: {value}" for name, value in self.headers)]
        return " ".join(words)


Answers = dict[Place, bytes]

ROUTES_OF_A_CASE: Final = frozenset(route for route, arguments in INSIDE if arguments & OF_A_CASE)


class Chance:
    """Everything that is drawn by lot, drawn again the same way."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._source = random.Random(0)
        now = timezone.now() + timedelta(minutes=10)
        patch.setattr("core.models.secrets.choice", self.choice)
        patch.setattr("practice.services.reading.secrets.randbelow", lambda most: 7)
        patch.setattr("django.utils.timezone.now", lambda: now)
        patch.setattr("django.middleware.csrf.get_random_string", lambda length, **_rest: "a" * length)

    def choice(self, letters: str) -> str:
        return self._source.choice(letters)

    def begin(self, phase: str) -> None:
        self._source = random.Random(phase)


def sequences() -> dict[str, tuple[int, bool]]:
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences"
            " WHERE has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'UPDATE')"
        )
        for name, last in cursor.fetchall():
            found[name] = (last or 1, last is not None)
    return found


def wind_back(kept: Mapping[str, tuple[int, bool]]) -> None:
    """A rolled back transaction does not give its numbers back."""
    with connection.cursor() as cursor:
        for name, (value, is_called) in kept.items():
            cursor.execute("SELECT setval(%s, %s, %s)", [name, value, is_called])


def places(world: World, *, is_thorough: bool) -> Iterator[Place]:
    """What a learner asks; `is_thorough`: every address, in every form, searches by the words of the truths included."""
    for route, arguments in INSIDE:
        if not (is_thorough or route.startswith(FOR_LEARNERS)):
            continue
        if any(world.value_for(route=route, name=name) is None for name in arguments):
            continue  # of what has nothing to do with cases: jobs, albums, trials, accounts
        plain = Place(route, address(route=route, arguments=arguments, world=world))
        yield plain
        yield from _other_forms(plain, is_thorough=is_thorough)


def _other_forms(plain: Place, *, is_thorough: bool) -> Iterator[Place]:
    route = plain.route
    if route in ACTS:
        yield plain._replace(method=ACTS[route])
        yield plain._replace(method=ACTS[route], headers=FRAGMENT)
    if route.startswith("dicomweb:"):
        if route.endswith(("studies", "-series", "-instances", "-of-study", "-of-series")):
            yield from _with(plain, queries=SEARCHES if is_thorough else SEARCHES[1:2])
        if is_thorough:
            if route.endswith("rendered"):
                yield from _with(plain, queries=VIEWS)
            for end, wishes in FORMS.items():
                if route.endswith(end):
                    yield from (plain._replace(headers=(("Accept", wish),)) for wish in wishes)
    elif route in ("practice:home", "practice-api:unknowns", "core:palette"):
        yield from _with(plain, queries=[f"?q={word}" for word in (WORDS if is_thorough else WORDS[:1])])
    if route.startswith("practice:"):
        yield from _with(plain, queries=("?format=json", "?format=csv") if is_thorough else ("?format=json",))
        yield plain._replace(headers=FRAGMENT)


def _with(plain: Place, *, queries: Any) -> Iterator[Place]:
    yield from (plain._replace(address=plain.address + query) for query in queries if query)


def walk(client: Client, asked: Iterable[Place], *, chance: Chance) -> Answers:
    """What a person gets at each place."""
    found = {}
    for place in asked:
        chance.begin("answer")
        status, answer = ask(client, place.method, place.address, headers=dict(place.headers))
        found[place] = b"%d\n" % status + without_chance(answer)
    return found


def without_chance(answer: bytes) -> bytes:
    headers, _blank, body = answer.partition(b"\n\n")
    kept = [line for line in headers.split(b"\n") if line.partition(b":")[0].decode() not in STRUCK_HEADERS]
    return NONCE.sub(b"", b"\n".join(kept) + b"\n\n" + body)


def differences(one: Mapping[Place, bytes], other: Mapping[Place, bytes]) -> list[str]:
    assert set(one) == set(other)
    found = []
    for place, body in one.items():
        if body != other[place]:
            at = next((n for n, (a, b) in enumerate(zip(body, other[place], strict=False)) if a != b), len(body))
            found.append(f"{place}: {body[max(0, at - 60) : at + 60]!r} / {other[place][max(0, at - 60) : at + 60]!r}")
    return found
