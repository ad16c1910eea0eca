"""A study in the viewer over the real archive and the real DICOMweb door, as its reader."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless

from access.services import grant_role
from archive.models import Study
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive
from tests.viewer import images
from tests.viewer.conftest import Viewer
from tests.viewer.test_codecs import palette
from viewer.models import StudyAnnotation

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def part10(dataset: Dataset) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_a_reader_sees_measures_and_keeps_marks(chromium: Any, front_end: None, live_server: Any) -> None:
    organisation = make_organisation()
    archive = make_archive(organisation)
    reader = make_member(organisation)
    grant_role(actor=None, container=archive, role="reader", user=reader)
    coloured = palette("palette")
    coloured.StudyInstanceUID, coloured.SeriesNumber = images.uid("study"), 7
    stack = [images.compressed(dataset, JPEG2000Lossless) for dataset in images.measuring_ct()]
    _delivery, outcomes = deliver(archive, [part10(d) for d in (*stack, coloured, images.report())])
    assert len(outcomes) == len(stack) + 2
    with tenant(organisation):
        study = Study.objects.get(archive=archive)
    client = Client()
    client.force_login(reader)
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    try:
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        viewer = Viewer(context.new_page(), live_server.url)
        path = reverse("viewer:study", kwargs={"organisation": organisation.slug, "study": study.public_id})
        viewer.page.goto(f"{live_server.url}{path}")
        viewer.wait(lambda: viewer.page.evaluate("document.getElementById('viewer').dataset.ready === 'true'"))
        assert (viewer.pane()["drawn"], viewer.pane()["count"]) == (5, 12)
        viewer.tool("ellipse")
        viewer.drag((160, 100), (180, 110))
        viewer.expect("mean", 60)
        viewer.wait(lambda: viewer.get("saving") == "saved")
        viewer.page.click(f'.rail-item[data-series="{coloured.SeriesInstanceUID}"]')
        viewer.wait(lambda: viewer.pane()["series"] == coloured.SeriesInstanceUID and viewer.pane()["drawn"] == 0)
        viewer.page.click(f'.rail-item[data-series="{images.uid("study", "report")}"]')
        viewer.wait(lambda: "A disc of 60 HU in air." in viewer.page.inner_text(".pane-document"))
        assert viewer.problems == []
    finally:
        context.close()
    with tenant(organisation):
        (mark,) = StudyAnnotation.objects.get(owner=reader).marks
    assert mark["tool"] == "ellipse"
