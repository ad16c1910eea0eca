"""The walk of a case in a real browser: written, previewed and published by an educator, read blind and reviewed by a trainee."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from core.tenancy import tenant
from practice import services
from practice.models import Attempt
from teaching.models import Case
from tests.look.conftest import Visitor, new_visitor  # noqa: F401 -- fixtures
from tests.practice.test_reads import answers, own_mark
from tests.teaching.factories import House, make_case, make_house, publish

pytestmark = pytest.mark.e2e

PATIENCE = 60.0


@pytest.fixture
def house(transactional_db: None) -> House:
    return make_house()


def until(condition: Callable[[], Any], *, what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"Not within {PATIENCE:g} s: {what}"
        time.sleep(0.1)


def images_are_there(page: Page) -> None:
    until(
        lambda: page.evaluate("document.getElementById('viewer')?.dataset.ready === 'true'"), what="the viewer is ready"
    )


def leave(page: Page) -> None:
    """Go away and let the last report of what was on screen arrive, before the tables are emptied for the next test."""
    page.goto("about:blank")
    page.wait_for_timeout(1500)


def draw_ellipse(page: Page, *, column: float, row: float, radius: float) -> None:
    left, top, _width, _height = page.evaluate("window.pacswebViewer.panes[0].box")

    def place(x: float, y: float) -> tuple[float, float]:
        found = page.evaluate(f"window.pacswebViewer.toScreen(0, [{x}, {y}])")
        return left + found[0], top + found[1]

    page.mouse.move(*place(column - radius, row - radius))
    page.mouse.down()
    page.mouse.move(*place(column + radius, row + radius), steps=6)
    page.mouse.up()


def test_a_trainee_reads_marks_commits_and_only_then_sees_the_truth(house: House, new_visitor: Any) -> None:  # noqa: F811
    version = publish(house)
    visitor: Visitor = new_visitor().sign_in(house.learner)
    visitor.expects_refusal = True
    page = visitor.go(f"/o/{house.organisation.slug}/practice/")
    page.get_by_role("button", name="Read the next case").click()
    page.wait_for_url("**/practice/reads/*/")
    images_are_there(page)
    assert "anthogranuloma" not in page.content()

    page.get_by_text("A benign plexus lesion").click()
    page.get_by_role("radiogroup", name="How sure are you?").get_by_role("radio", name="4").check()
    page.get_by_text("Answers saved").wait_for()
    page.reload()
    images_are_there(page)
    assert page.get_by_role("radio", name="A benign plexus lesion").is_checked()

    page.get_by_role("button", name="Commit and see the truth").click()
    page.get_by_text("Mark what you see, or say that there is nothing to mark.").wait_for()
    assert "anthogranuloma" not in page.content()

    page.locator(".mark-ask").get_by_role("button", name="Outline").click()
    draw_ellipse(page, column=8, row=8, radius=2)
    until(lambda: page.locator("[data-viewer-mark-count]").text_content() == "1", what="the mark is counted")
    page.locator(".mark-form .scale-row label").nth(3).click()
    page.get_by_role("button", name="Commit and see the truth").click()
    page.get_by_role("heading", name="Xanthogranuloma").first.wait_for()
    until(lambda: page.locator("#viewer").get_attribute("data-mode") == "review", what="the review is shown")
    assert page.get_by_text("20 of 20 points").is_visible()
    assert page.get_by_text("found").first.is_visible()
    with tenant(house.organisation):
        attempt = Attempt.objects.get(version=version)
        assert (attempt.state, attempt.points) == (Attempt.State.SCORED, 20.0)
    leave(page)


def test_keys_in_the_questions_answer_them_and_neither_mark_nor_commit(
    house: House,
    new_visitor: Any,  # noqa: F811
) -> None:
    version = publish(house)
    visitor: Visitor = new_visitor().sign_in(house.learner)
    page = visitor.go(f"/o/{house.organisation.slug}/practice/")
    page.get_by_role("button", name="Read the next case").click()
    page.wait_for_url("**/practice/reads/*/")
    images_are_there(page)
    page.locator(".viewer-tools [data-tool=ellipse]").click()
    question = page.locator(".question", has_text="What is the most likely diagnosis?")
    options = question.locator(".option input")
    scale = question.get_by_role("radiogroup", name="How sure are you?").get_by_role("radio")

    options.nth(0).focus()
    page.keyboard.press("2")
    assert options.nth(1).is_checked()
    scale.nth(0).focus()
    page.keyboard.press("4")
    assert scale.nth(3).is_checked() and options.nth(1).is_checked()
    options.nth(2).focus()
    page.keyboard.press("Enter")
    assert options.nth(2).is_checked()
    page.keyboard.type("gran")
    page.get_by_text("Answers saved").wait_for()
    state = "window.pacswebViewer"
    assert page.evaluate(f"[{state}.marks.length, {state}.tool, {state}.mode]") == [0, "ellipse", "read"]
    with tenant(house.organisation):
        assert Attempt.objects.get(version=version).is_active
    leave(page)


def test_an_educator_writes_asks_previews_and_publishes(house: House, new_visitor: Any) -> None:  # noqa: F811
    case = make_case(house, alternative_title="")
    visitor: Visitor = new_visitor().sign_in(house.educator)
    page = visitor.go(f"/o/{house.organisation.slug}/teaching/cases/{case.public_id}/")
    images_are_there(page)
    page.get_by_label("Title as an unknown").fill("Woman of 54 with headache")
    page.get_by_text("All changes saved").wait_for()

    page.get_by_role("tab", name="Questions").click()
    page.get_by_role("button", name="Free text").click()
    editors = page.locator(".question-editor")
    until(lambda: editors.count() == 3, what="a third question")
    page.get_by_role("button", name="Remove question 3").click()
    until(lambda: editors.count() == 2, what="the question is gone")
    with page.expect_navigation():
        page.locator(".undo button").click()
    images_are_there(page)
    assert page.get_by_role("tab", name="Questions").get_attribute("aria-selected") == "true"
    until(lambda: editors.count() == 3, what="the question is back")
    page.get_by_label("Line 1").fill("Names the calcified rim")
    page.get_by_label("Question", exact=True).last.fill("Describe what you see.")
    page.get_by_text("All changes saved").wait_for()

    page.get_by_role("button", name="As the trainee sees it").click()
    page.locator(".preview").get_by_text("Describe what you see.").wait_for()
    assert page.locator(".preview").get_by_text("Xanthogranuloma").count() == 0
    page.get_by_role("button", name="After the answer").click()
    page.locator(".preview").get_by_text("Xanthogranuloma").first.wait_for()
    page.get_by_role("button", name="As the trainee sees it").click()

    page.get_by_role("tab", name="Publish").click()
    page.get_by_role("button", name="Publish", exact=True).click()
    until(lambda: page.get_by_text("Learners see exactly this.").count(), what="the case is published")
    with tenant(house.organisation):
        case.refresh_from_db()
        assert case.state == Case.State.PUBLISHED
        assert case.current_version.content["alternative_title"] == "Woman of 54 with headache"
    leave(page)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_of_the_shell_has_no_violations(
    scheme: str,
    width: int,
    house: House,
    new_visitor: Any,  # noqa: F811
) -> None:
    case = make_case(house)
    version = publish(house, case)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
        services.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
    root = f"/o/{house.organisation.slug}"
    of_educator = (
        "/teaching/", "/teaching/?view=grid", "/teaching/new-case/", f"/teaching/libraries/{house.library.slug}/",
        f"/teaching/libraries/{house.library.slug}/settings/", f"/teaching/courses/{house.course.slug}/",
        f"/teaching/courses/{house.course.slug}/assign/", f"/teaching/courses/{house.course.slug}/results/",
        f"/teaching/cases/{case.public_id}/history/", f"/teaching/cases/{case.public_id}/results/",
    )  # fmt: skip
    of_learner = ("/practice/", "/practice/progress/", "/practice/reads/", "/practice/?q=nothing")
    found: dict[str, list[str]] = {}
    for person, paths in ((house.educator, of_educator), (house.learner, of_learner)):
        visitor: Visitor = new_visitor(scheme=scheme, width=width).sign_in(person)
        for path in paths:
            page = visitor.go(root + path)
            found[path] = visitor.axe()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
                f"{path} scrolls sideways"
            )
    assert {path: violations for path, violations in found.items() if violations} == {}


def test_the_pages_with_images_have_no_violations(house: House, new_visitor: Any) -> None:  # noqa: F811
    case = make_case(house)
    version = publish(house, case)
    with tenant(house.organisation):
        done = services.start_attempt(user=house.learner, version=version)
        services.commit_attempt(user=house.learner, attempt=done, draft=answers(version), marks=[own_mark(version)])
        attempt = services.start_attempt(user=house.learner, version=version)
    root = f"/o/{house.organisation.slug}"
    found = {}
    for person, path in (
        (house.educator, f"/teaching/cases/{case.public_id}/"),
        (house.learner, f"/practice/reads/{attempt.public_id}/"),
        (house.learner, f"/practice/reads/{done.public_id}/"),
    ):
        visitor: Visitor = new_visitor().sign_in(person)
        images_are_there(visitor.go(root + path))
        # The strip of tools stands between the landmarks; it is the viewer's own frame and tried with the viewer.
        found[path] = [one for one in visitor.axe() if not one.startswith("region: ['.viewer-tools']")]
        leave(visitor.page)
    assert {path: violations for path, violations in found.items() if violations} == {}


KEPT = "Object.keys(localStorage).filter((name) => name.startsWith('pacsweb-marks:')).sort()"


def test_marks_kept_in_the_browser_end_with_signing_out(house: House, new_visitor: Any) -> None:  # noqa: F811
    """Nor does the next person at the same browser find them, when the session ended by itself."""
    publish(house)
    visitor: Visitor = new_visitor().sign_in(house.learner)
    visitor.expects_refusal = True
    practice = f"/o/{house.organisation.slug}/practice/"

    def keep() -> Page:
        page = visitor.go(practice)
        own = f"pacsweb-marks:{house.learner.pk}:attempt:a:own"
        for name in (own, f"pacsweb-marks:{house.educator.pk}:attempt:a:own", "pacsweb-marks:attempt:old:own"):
            page.evaluate("(name) => localStorage.setItem(name, '{}')", name)
        # One's own outlive a reload, the others do not.
        page = visitor.go(practice)
        assert page.evaluate(KEPT) == [own]
        return page

    page = keep()
    page.evaluate("document.querySelector('form[action$=\"/accounts/sign-out/\"]').requestSubmit()")
    page.wait_for_url("**/accounts/sign-in/**")
    assert page.evaluate(KEPT) == []
    visitor.sign_in(house.learner)
    keep()
    page.context.clear_cookies()
    page.goto(page.url)
    page.wait_for_url("**/accounts/sign-in/**")
    assert page.evaluate(KEPT) == []
