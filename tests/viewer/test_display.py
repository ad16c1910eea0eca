"""What a reader sees in the viewport is what the standard says, for every way to say it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from access.services import grant_role
from archive.models import Study
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive
from tests.viewer.conftest import Viewer
from tests.viewer.display_zoo import FIELD, ZOO, Values
from tests.viewer.test_display_doors import part10

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PATIENCE = 4.0


@pytest.fixture
def zoo(chromium: Any, front_end: None, live_server: Any) -> Iterator[Viewer]:
    """The viewer over the real archive and the real DICOMweb door, with a series for each specimen."""
    organisation = make_organisation()
    archive = make_archive(organisation)
    reader = make_member(organisation)
    grant_role(actor=None, container=archive, role="reader", user=reader)
    deliver(archive, [part10(one.dataset) for one in ZOO.values()])
    with tenant(organisation):
        study = Study.objects.get(archive=archive)
    client = Client()
    client.force_login(reader)
    context = chromium.new_context(viewport={"width": 1000, "height": 800})
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    viewer = Viewer(context.new_page(), live_server.url)
    path = reverse("viewer:study", kwargs={"organisation": organisation.slug, "study": study.public_id})
    viewer.page.goto(f"{live_server.url}{path}")
    viewer.wait(lambda: viewer.page.evaluate("document.getElementById('viewer').dataset.ready === 'true'"))
    yield viewer
    context.close()
    assert viewer.problems == []


def test_the_viewport_shows_what_the_standard_says(zoo: Viewer) -> None:
    wrong = {}
    for name, specimen in ZOO.items():
        series = str(specimen.dataset.SeriesInstanceUID)
        zoo.page.click(f'.rail-item[data-series="{series}"]')
        for frame, expected in enumerate(specimen.frames or [specimen.expected]):
            if frame:
                zoo.focus()
                zoo.key("ArrowDown")
            far = how_far(zoo, series=series, frame=frame, expected=expected, tolerance=specimen.tolerance)
            if far != "right":
                wrong[name, frame + 1] = far
    assert wrong == {}, "\n".join(f"{name}, frame {frame}: {what}" for (name, frame), what in wrong.items())


def how_far(viewer: Viewer, *, series: str, frame: int, expected: Values, tolerance: float) -> str:
    """ "right", or what is shown instead, once it has had the time to come."""
    points = [[column * FIELD + 7.5, row * FIELD + 7.5] for row in range(4) for column in range(4)]
    wanted = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, axis=2)
    end, found = time.monotonic() + PATIENCE, "nothing"
    while time.monotonic() < end:
        pane = viewer.pane()
        if viewer.page.locator(".pane-status.is-error").is_visible():
            return str(viewer.page.inner_text(".pane-status"))
        if pane["series"] == series and pane["drawn"] == frame:
            colours = viewer.get(f"colours(0, {points})")
            if colours is not None:
                far = np.abs(np.asarray(colours, dtype=float).reshape(4, 4, 3) - wanted)
                if far.max() <= tolerance:
                    return "right"
                shown, right = np.asarray(colours)[:, 0].tolist(), wanted[..., 0].round().astype(int).ravel().tolist()
                found = f"{far.max():.1f} off; {shown}, not {right}"
        time.sleep(0.05)
    return found
