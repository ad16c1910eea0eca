"""The shell in a real browser: keys, theme, jobs, search everything, signing in."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from access.models import Organisation, User
from core import jobs
from core.models import Job
from core.tenancy import tenant
from tests.look.conftest import PASSWORD

pytestmark = pytest.mark.e2e


def start_job(*, organisation: Organisation, owner: User, title: str, **fields: Any) -> Job:
    with tenant(organisation):
        job = jobs.start(organisation=organisation, owner=owner, kind="test", title=title, total=10)
        Job.objects.filter(pk=job.pk).update(**fields)
        return Job.objects.get(pk=job.pk)


def test_signing_in_leads_home_and_signing_out_ends_the_session(new_visitor: Any, member: User) -> None:
    visitor = new_visitor().sign_in(member)
    expect(visitor.page).to_have_url(f"{visitor.base}/o/hospital/")
    visitor.page.get_by_role("button", name="Account of").click()
    visitor.page.get_by_role("button", name="Sign out").click()
    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
    visitor.go("/o/hospital/")
    expect(visitor.page).to_have_url(f"{visitor.base}/accounts/sign-in/?next=/o/hospital/")


def test_wrong_password_and_unknown_name_are_answered_alike(new_visitor: Any, member: User) -> None:
    visitor = new_visitor()
    visitor.expects_refusal = True
    said = []
    for name in (member.username, "nobody@nowhere"):
        visitor.go("/accounts/sign-in/")
        visitor.page.get_by_label("User name").fill(name)
        visitor.page.get_by_label("Password").fill("wrong")
        visitor.page.get_by_role("button", name="Sign in").click()
        said.append(visitor.page.get_by_role("alert").inner_text())
    assert said[0] == said[1]


def test_theme_changes_at_once_and_is_kept(new_visitor: Any, member: User) -> None:
    visitor = new_visitor(scheme="light").sign_in(member)
    page = visitor.page
    light = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Account of").click()
    with page.expect_response(lambda answer: answer.url.endswith("/accounts/preferences/")):
        page.get_by_role("button", name="Dark").click()
    assert page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor") != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    member.refresh_from_db()
    assert member.theme == "dark"


def test_keys_lead_places_and_question_mark_lists_them(new_visitor: Any, administrator: User) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.page
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page).to_have_url(f"{visitor.base}/o/hospital/jobs/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Search everything")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_single_keys_can_be_switched_off(new_visitor: Any, member: User) -> None:
    member.preferences = {"single_keys": False}
    member.save()
    visitor = new_visitor().sign_in(member)
    visitor.page.keyboard.press("g")
    visitor.page.keyboard.press("j")
    visitor.page.keyboard.press("?")
    expect(visitor.page).to_have_url(f"{visitor.base}/o/hospital/")
    expect(visitor.page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_search_everything_finds_people_of_the_own_organisation_only(
    new_visitor: Any, administrator: User, member: User, stranger: User
) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.page
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Search everything")
    expect(box).to_be_focused()
    box.fill("member@")
    expect(page.get_by_role("option")).to_have_count(1)
    box.fill("hidden@")
    expect(page.get_by_text("Nothing found for")).to_be_visible()
    box.fill("member@")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/{member.pk}/")


def test_jobs_tray_follows_the_work_and_says_when_it_ends(
    new_visitor: Any, hospital: Organisation, member: User
) -> None:
    job = start_job(organisation=hospital, owner=member, title="Import of 10 files", state=Job.State.RUNNING, done=3)
    visitor = new_visitor().sign_in(member)
    page = visitor.page
    page.get_by_role("button", name="Jobs: 1 running").click()
    panel = page.get_by_role("dialog", name="Jobs")
    expect(panel).to_contain_text("3 / 10")
    with tenant(hospital):
        Job.objects.filter(pk=job.pk).update(done=7)
    expect(panel).to_contain_text("7 / 10")
    with tenant(hospital):
        Job.objects.filter(pk=job.pk).update(state=Job.State.SUCCEEDED, done=10, result_url="/o/hospital/jobs/")
    expect(page.locator("#toasts")).to_contain_text("Import of 10 files: Done")
    expect(page.get_by_role("button", name="Jobs: 0 running")).to_be_visible()


def test_a_running_job_is_cancelled_from_the_tray(new_visitor: Any, hospital: Organisation, member: User) -> None:
    job = start_job(organisation=hospital, owner=member, title="Export of a course", state=Job.State.RUNNING)
    visitor = new_visitor().sign_in(member)
    visitor.page.get_by_role("button", name="Jobs: 1 running").click()
    visitor.page.get_by_role("button", name="Cancel Export of a course").click()
    expect(visitor.page.get_by_text("Stopping at the next step")).to_be_visible()
    with tenant(hospital):
        assert Job.objects.get(pk=job.pk).cancel_requested


def test_on_a_phone_the_navigation_is_a_drawer(new_visitor: Any, member: User) -> None:
    visitor = new_visitor(width=390).sign_in(member)
    page = visitor.page
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Jobs")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Navigation", exact=True).click()
    expect(link).to_be_visible()
    link.click()
    expect(page).to_have_url(f"{visitor.base}/o/hospital/jobs/")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_an_administrator_adds_a_person_who_must_choose_a_password(new_visitor: Any, administrator: User) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/add/")
    page.get_by_label("Name", exact=True).fill("Søren Ågaard")
    page.get_by_label("User name").fill("soren")
    page.get_by_role("button", name="Add person").click()
    secret = page.locator(".command code").inner_text()

    newcomer = new_visitor()

    def sign_in() -> None:
        newcomer.go("/accounts/sign-in/")
        newcomer.page.get_by_label("User name").fill("soren@hospital")
        newcomer.page.get_by_label("Password").fill(secret)
        newcomer.page.get_by_role("button", name="Sign in").click()
        expect(newcomer.page.get_by_role("heading", name="Choose a password")).to_be_visible()

    sign_in()
    # Whoever goes elsewhere is not in, and begins again.
    newcomer.go("/o/hospital/")
    expect(newcomer.page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in()
    newcomer.page.get_by_label("New password").fill(PASSWORD)
    newcomer.page.get_by_label("The same again").fill(PASSWORD)
    newcomer.page.get_by_role("button", name="Save and sign in").click()
    expect(newcomer.page.get_by_role("heading", name="What waits for me")).to_be_visible()


def test_a_token_is_shown_once_and_can_be_revoked(new_visitor: Any, member: User) -> None:
    visitor = new_visitor().sign_in(member)
    page = visitor.go("/accounts/profile/")
    page.get_by_text("New token").click()
    page.locator("#tokens").get_by_label("Name").fill("Workstation")
    page.get_by_role("button", name="Make token").click()
    secret = page.locator(".command code").inner_text()
    assert secret.startswith("pw_")
    visitor.go("/accounts/profile/")
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("cell", name="Revoked")).to_be_visible()
