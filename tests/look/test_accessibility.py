"""axe finds nothing on any page of the shell, in light and dark, on a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from access.models import IdentityProvider, Organisation, User
from access.single_sign_on import services as sign_ons
from core import notifications, saved_views
from core.models import Job
from core.tenancy import tenant
from tests.look.test_shell import start_job

pytestmark = pytest.mark.e2e

PAGES = (
    "/o/hospital/",
    "/o/hospital/jobs/",
    "/o/hospital/jobs/?q=nothing-like-it&sort=strange",
    "/o/hospital/notifications/",
    "/o/hospital/views/",
    "/docs/",
    "/docs/?q=backup",
    "/docs/educator/",
    "/o/hospital/admin/people/",
    "/o/hospital/admin/people/add/",
    "/o/hospital/admin/roles/",
    "/o/hospital/admin/sign-on/",
    "/o/hospital/admin/sign-on/providers/add/",
    "/o/hospital/admin/sign-on/directories/add/",
    "/docs/single-sign-on/",
    "/accounts/security/",
    "/accounts/profile/",
    "/design/",
    "/design/?form=errors",
)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)])
def test_pages_of_the_shell_have_no_violations(
    scheme: str, width: int, new_visitor: Any, hospital: Organisation, administrator: User, member: User
) -> None:
    start_job(organisation=hospital, owner=administrator, title="Import", state=Job.State.RUNNING, done=3)
    start_job(
        organisation=hospital, owner=administrator, title="Export", state=Job.State.FAILED, error="The disk is full."
    )
    with tenant(hospital):
        notifications.send(
            kind="job.failed", organisation=hospital, persons=[administrator], subject="1", detail={"title": "Export"}
        )
        saved_views.save(
            user=administrator, organisation=hospital, list_key="jobs", place="/o/hospital/jobs/", name="Broken",
            query="state=failed", share=True,
        )  # fmt: skip
    provider = sign_ons.add(
        actor=administrator,
        organisation=hospital,
        model=IdentityProvider,
        values={"label": "Hospital account", "issuer": "https://id.hospital.example", "client_id": "pacsweb"},
        secret="",
    )
    sign_ons.add_rule(
        actor=administrator, sign_on=provider, claim="groups", how="equals", value="radiology",
        role=f"access.organisation:{hospital.pk}:officer",
    )  # fmt: skip
    sign_ons.switch(actor=administrator, sign_on=provider, on=True)
    visitor = new_visitor(scheme=scheme, width=width)
    visitor.go("/accounts/sign-in/?organisation=hospital")
    assert visitor.axe() == []
    visitor.go("/accounts/sign-on/")
    assert visitor.axe() == []
    visitor.sign_in(administrator)
    found = {}
    one = f"/o/hospital/admin/sign-on/providers/{provider.public_id}/"
    for path in (*PAGES, f"/o/hospital/admin/people/{member.pk}/", one):
        visitor.go(path)
        found[path] = visitor.axe()
    assert {path: violations for path, violations in found.items() if violations} == {}


def test_what_floats_has_no_violations(new_visitor: Any, administrator: User) -> None:
    visitor = new_visitor(scheme="dark").sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/")
    for opener in ("Account of", "Jobs: 0 running", "Notifications: 0 unread", "Columns", "Views"):
        page.get_by_role("button", name=opener).click()
        assert (opener, visitor.axe()) == (opener, [])
        page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_role("option").first.wait_for()
    assert visitor.axe() == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert visitor.axe() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_error_pages_have_no_violations(scheme: str, new_visitor: Any, member: User) -> None:
    visitor = new_visitor(scheme=scheme).sign_in(member)
    visitor.expects_refusal = True
    for path, words in (
        ("/o/nowhere/", "There is nothing here"),
        ("/o/hospital/admin/people/", "You may not open this"),
    ):
        page = visitor.go(path)
        assert words in page.content()
        assert (path, visitor.axe()) == (path, [])
