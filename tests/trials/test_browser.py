"""The pages of trials in a real browser: whole on a desk and on a phone, light and dark, nothing for axe to find."""

from __future__ import annotations

from typing import Any

import pytest

from access.queries import may
from access.services import grant_role
from core.tenancy import tenant
from tests.archive.factories import deliver
from tests.look.conftest import new_visitor  # noqa: F401 -- fixture
from tests.trials.factories import House, make_house, make_images
from tests.trials.test_senders import files_for
from trials.models import SubjectStudy
from trials.permissions import VIEW_SITE

pytestmark = pytest.mark.e2e


def hold_for(house: House) -> None:
    """Two files of another site's staff for a study of the subject, which the archive holds."""
    grant_role(actor=None, container=house.archive, role="contributor", user=house.other_staff)
    deliver(house.archive, files_for(house.study, count=2), actor=house.other_staff)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_has_no_violations(
    scheme: str,
    width: int,
    transactional_db: None,
    new_visitor: Any,  # noqa: F811
) -> None:
    house = make_house()
    waiting = make_images(house.archive, PatientID="mistyped")
    hold_for(house)
    home = f"/o/{house.organisation.slug}/trials/"
    root = f"{home}{house.trial.slug}/"
    pages = {
        house.coordinator: (
            home, root, f"{root}sites/{house.site.public_id}/", f"{root}sites/{house.site.public_id}/settings/",
            f"{root}subjects/", f"{root}subjects/{house.subject.public_id}/", f"{root}new-subject/",
            f"{root}waiting/", f"{root}waiting/{waiting.public_id}/", f"{root}held/", f"{root}settings/",
            f"/o/{house.organisation.slug}/access/trials.site/{house.site.pk}/",
        ),
        house.administrator: (f"{home}new/",),
        house.reader: (root,),
        house.staff: (root, f"{root}subjects/{house.subject.public_id}/"),
    }  # fmt: skip
    found = {}
    for person, paths in pages.items():
        visitor = new_visitor(scheme=scheme, width=width).sign_in(person)
        for path in paths:
            page = visitor.go(path)
            found[person, path] = visitor.axe()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
                f"{path} scrolls sideways"
            )
    assert {where: violations for where, violations in found.items() if violations} == {}


def test_a_coordinator_matches_by_typing_and_undoes(transactional_db: None, new_visitor: Any) -> None:  # noqa: F811
    house = make_house()
    waiting = make_images(house.archive, PatientID="mistyped")
    root = f"/o/{house.organisation.slug}/trials/{house.trial.slug}/"
    page = new_visitor().sign_in(house.coordinator).go(f"{root}waiting/")
    page.get_by_role("link", name="mistyped").click()
    page.get_by_role("combobox", name="Subject").fill("02")
    page.get_by_role("option", name="S-02-001").click()
    page.get_by_label("Time point").fill("Week 8")
    page.get_by_role("button", name="Match").click()
    page.get_by_role("heading", name="S-02-001").wait_for()
    with tenant(house.organisation):
        row = SubjectStudy.objects.get(study=waiting)
        assert (row.subject, row.time_point) == (house.other_subject, "Week 8")
    line = page.get_by_role("row").filter(has=page.locator('input[value="Week 8"]'))
    line.get_by_role("button", name="Take off").click()
    page.get_by_text("The study was taken off this subject").wait_for()
    with tenant(house.organisation):
        assert not SubjectStudy.objects.filter(study=waiting).exists()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("The study was matched.").wait_for()
    with tenant(house.organisation):
        row = SubjectStudy.objects.get(study=waiting)
        assert (row.subject, row.time_point) == (house.other_subject, "Week 8")


def test_a_coordinator_gives_the_staff_role_by_typing_a_name(transactional_db: None, new_visitor: Any) -> None:  # noqa: F811
    house = make_house()
    visitor = new_visitor().sign_in(house.coordinator)
    page = visitor.go(f"/o/{house.organisation.slug}/access/trials.site/{house.other_site.pk}/")
    page.get_by_role("combobox", name="Person").fill(house.member.username[:8])
    page.get_by_role("option", name=house.member.display_name).first.click()
    page.get_by_role("button", name="Give role").click()
    page.get_by_text(f"{house.member.display_name} is Staff now.").wait_for()
    assert visitor.axe() == []
    with tenant(house.organisation):
        assert may(house.member, VIEW_SITE, house.other_site)
        assert not may(house.member, VIEW_SITE, house.site)


def test_two_time_points_typed_in_one_go_are_both_saved_and_a_long_one_is_counted(
    transactional_db: None,
    new_visitor: Any,  # noqa: F811
) -> None:
    house = make_house()
    make_images(house.archive, PatientID=house.subject.subject_id)
    visitor = new_visitor().sign_in(house.coordinator)
    visitor.expects_refusal = True
    page = visitor.go(f"/o/{house.organisation.slug}/trials/{house.trial.slug}/subjects/{house.subject.public_id}/")
    fields = page.get_by_role("textbox", name="Time point")
    assert fields.count() == 2
    fields.nth(0).fill("Baseline")
    fields.nth(1).fill("Week 8")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).first.click()
    assert [fields.nth(i).input_value() for i in (0, 1)] == ["Baseline", "Week 8"]
    with tenant(house.organisation):
        saved = SubjectStudy.objects.filter(subject=house.subject).values_list("time_point", flat=True)
        assert sorted(saved) == ["Baseline", "Week 8"]

    # What is pasted is kept whole, and refused with a count.
    fields.nth(1).fill("")
    fields.nth(1).focus()
    page.keyboard.insert_text("Week 8 " * 10)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "(it has 69)" in page.locator(".field-error").inner_text()
    assert fields.nth(1).input_value() == ("Week 8 " * 10)
    assert fields.nth(0).input_value() == "Baseline"


def test_a_reason_longer_than_its_field_is_refused_where_it_is_written_with_a_count(
    transactional_db: None,
    new_visitor: Any,  # noqa: F811
) -> None:
    house = make_house()
    page = (
        new_visitor()
        .sign_in(house.coordinator)
        .go(f"/o/{house.organisation.slug}/trials/{house.trial.slug}/sites/{house.site.public_id}/settings/")
    )
    reason = page.get_by_label("Reason")
    reason.focus()
    page.keyboard.insert_text("x" * 310)
    assert len(reason.input_value()) == 310
    page.get_by_text("At most 300 characters; this has 310.").wait_for()
    reason.press("Enter")
    assert page.url.endswith("/settings/")
    with tenant(house.organisation):
        house.site.refresh_from_db()
        assert house.site.closed_at is None
