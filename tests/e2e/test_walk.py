"""The whole walk: images come in by three doors, become a case, are read as an unknown, and leave their trace."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import urllib.request
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pacsweb.demo.phantoms import HeadBody, HeadFinding, PhantomStudy, Visit, brain_mr, head_ct
from pacsweb.demo.phantoms import Person as PhantomPerson
from tests.e2e.system import Person, System, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.tree, pytest.mark.timeout(900)]

expect.set_options(timeout=60_000)

SignIn = Callable[[str], Person]

TITLE = "Walkersfund of the left hemisphere"
RUN = uuid.uuid4().hex[:6]
UNKNOWN = f"58-year-old man found on the floor of room {RUN}"
DIAGNOSIS = "Zwischenbruck haemorrhage"
FINDINGS = "Hyperdense Zwischenbruck focus in the left hemisphere"
WHY = "Blood is denser than brain until it is broken down."
# Found by no search before the answer; the diagnosis itself stands among the options of the question.
SECRET_WORDS = ("zwischenbruck", "walkersfund")
TOLD = ("walkersfund", FINDINGS.casefold(), WHY.casefold())


@dataclass(frozen=True)
class Case:
    address: str
    public_id: str


def visit(key: str, name: str) -> Visit:
    run = uuid.uuid4().hex[:8]
    person = PhantomPerson(patient_id=f"W-{run}", name=name, birth_date="19680214", sex="M")
    return Visit(key=f"walk-{key}-{run}", person=person, accession=f"W{run}", description=f"Walk {key} {run}")


def head_with_bleed() -> PhantomStudy:
    finding = HeadFinding("Dense focus", "haematoma", (27, -3, 70), (14, 18, 18))
    return head_ct(visit("bleed", "Пешеход^Иван"), body=HeadBody(), findings=(finding,), size="small")


def zip_of(study: PhantomStudy) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in study.files():
            archive.writestr(f"disc/{name}", content)
        archive.writestr("disc/readme.txt", "not an image")
        archive.writestr("disc/broken.dcm", next(content for _name, content in study.files())[:900])
    return buffer.getvalue()


def test_the_whole_walk(system: System, sign_in: SignIn, tmp_path: Path) -> None:
    educator = sign_in("educator@demo")
    bleed = head_with_bleed()
    upload_by_page(educator, bleed)
    send_by_association(system, tmp_path)
    store_by_web(system)
    index = open_study(educator, bleed)
    case = make_case(educator)
    write_case(educator, bleed, index)
    publish(educator)
    read_as_unknown(sign_in("trainee@demo"), case, bleed, index)
    see_results(educator, case)
    see_trail(sign_in("officer@demo"), case)
    see_nothing(sign_in("educator@partner"), case)


# 1. Images come in ----------------------------------------------------------------------------------------------------


def upload_by_page(educator: Person, study: PhantomStudy) -> None:
    educator.open("/o/demo/archive/clinical/upload/")
    educator.page.locator("input[data-pick]").nth(1).set_input_files(
        {"name": "disc.zip", "mimeType": "application/zip", "buffer": zip_of(study)}
    )
    stored = educator.page.locator("[data-count=stored]")
    expect(stored).to_have_text(str(len(list(study.files()))))
    problems = educator.page.locator("[data-problem-rows]")
    expect(problems).to_contain_text("readme.txt")
    expect(problems).to_contain_text("broken.dcm")
    expect(educator.page.locator("[data-studies] a").first).to_be_visible()
    assert_listed(educator, study.visit.person.patient_id)


def assert_listed(educator: Person, words: str) -> None:
    """The study stands in the list with a thumbnail, found by typing."""

    def listed() -> bool:
        educator.open(f"/o/demo/archive/clinical/studies/?q={words}")
        row = educator.page.locator("tr[data-row]").first
        picture = row.locator("img").first
        if not row.count() or not picture.count():
            return False
        return bool(educator.get(picture.get_attribute("src") or "/").ok)

    wait_for(listed, what=f"the study {words} with its thumbnail")
    expect(educator.page.locator("tr[data-row]")).to_have_count(1)


def send_by_association(system: System, folder: Path) -> None:
    study = brain_mr(visit("mr", "Walker^Second"), size="small", compressed=False)
    for name, content in study.files():
        (folder / name.replace("/", "-")).write_bytes(content)
    storescu = shutil.which("storescu")
    assert storescu or not shutil.which("apt-get"), "dcmtk's storescu is missing; install dcmtk"
    if storescu is None:
        pytest.skip("storescu is not installed and cannot be")
    subprocess.run(
        [storescu, "-aec", "DEMO_CLINICAL", "+sd", "+r", "127.0.0.1", str(system.dicom_port), str(folder)],
        check=True, capture_output=True, timeout=120, env={**os.environ, "TCP_NODELAY": "1"},
    )  # fmt: skip
    wait_for(lambda: found_by_web(system, study.visit.study_uid), what="the association's study")


def token(system: System) -> str:
    return system.tree.manage("create_token", "educator@demo").strip().splitlines()[-1]


def found_by_web(system: System, study_uid: str) -> bool:
    request = urllib.request.Request(  # noqa: S310 -- a fixed loopback address
        f"{system.http}/o/demo/dicomweb/clinical/studies?StudyInstanceUID={study_uid}",
        headers={"Authorization": f"Bearer {token(system)}", "Accept": "application/dicom+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return answer.status == 200 and len(json.load(answer)) == 1


def store_by_web(system: System) -> None:
    study = head_ct(visit("stow", "Walker^Third"), size="small")
    boundary = uuid.uuid4().hex
    parts = b"".join(
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + content + b"\r\n"
        for _name, content in study.files()
    )
    request = urllib.request.Request(  # noqa: S310 -- a fixed loopback address
        f"{system.http}/o/demo/dicomweb/clinical/studies",
        data=parts + f"--{boundary}--\r\n".encode(),
        headers={
            "Authorization": f"Bearer {token(system)}",
            "Accept": "application/dicom+json",
            "Content-Type": f'multipart/related; type="application/dicom"; boundary="{boundary}"',
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        document = json.load(answer)
    assert len(document["00081199"]["Value"]) == len(list(study.files()))
    assert found_by_web(system, study.visit.study_uid)


# 2. A study becomes a case --------------------------------------------------------------------------------------------


def open_study(educator: Person, study: PhantomStudy) -> int:
    """Open the study from the list and scroll to the lesion; returns its place in the stack."""
    educator.open(f"/o/demo/archive/clinical/studies/?q={study.visit.person.patient_id}")
    educator.page.keyboard.press("j")
    educator.page.locator("tr[data-row] [data-row-link]").first.click()
    educator.page.wait_for_url("**/viewer/studies/**")
    educator.wait_for_image()
    educator.show(sop_instance_uid=study.lesions[0].sop_instance_uid)
    return int(educator.viewer("panes[0].index"))


def make_case(educator: Person) -> Case:
    educator.page.get_by_text("Make teaching case", exact=True).first.click()
    educator.page.get_by_label("Title", exact=False).last.fill(TITLE)
    educator.page.get_by_role("button", name="De-identify and make the case").click()
    educator.page.wait_for_url("**/teaching/cases/**")
    address = re.sub(r"preparing/.*$", "", educator.page.url)
    wait_for(lambda: educator.page.locator("#case-editor").count(), what="the editor")
    educator.wait_for_image()
    return Case(address=address, public_id=address.rstrip("/").rsplit("/", 1)[-1])


# 3. The case is written, marked and published -------------------------------------------------------------------------


def write_case(educator: Person, study: PhantomStudy, index: int) -> None:
    page = educator.page
    page.get_by_label("Title as an unknown").fill(UNKNOWN)
    for heading, words in (
        ("History", "Found on the kitchen floor, drowsy, weak on the right."),
        ("Findings", FINDINGS),
        ("Diagnosis", DIAGNOSIS),
        ("Discussion", WHY),
    ):
        named = page.locator(".section-heading", has_text=re.compile(rf"^\s*{heading}\s*$"))
        page.locator(".section-editor", has=named).locator("textarea").first.fill(words)
    saved(educator)
    mark_truth(educator, study, index)
    ask_questions(educator)
    page.get_by_role("tab", name="About").click()
    page.locator("select[name=category]").select_option(index=1)
    page.locator("select[name=level]").select_option(index=1)
    saved(educator)
    preview(educator)


def saved(educator: Person) -> None:
    educator.page.keyboard.press("Tab")
    expect(educator.page.locator("[data-save-state]")).to_have_text("All changes saved")


def go_to(person: Person, index: int) -> None:
    person.page.focus(".pane >> nth=0")
    person.page.keyboard.press("Home")
    wait_for(lambda: person.viewer("panes[0].index") == 0, what="the first image")
    for _image in range(index):
        person.step()
    wait_for(lambda: person.viewer("panes[0].drawn") == index, what="the image on screen")


def mark_truth(educator: Person, study: PhantomStudy, index: int) -> None:
    go_to(educator, index)
    educator.page.get_by_role("tab", name="Truth").click()
    educator.page.locator("[data-viewer-tool=ellipse]:visible").first.click()
    lesion = study.lesions[0]
    educator.outline(centre=lesion.centre_px, radius=max(lesion.radius_px, 3.0))
    expect(educator.page.locator("#truth .truth-list li")).to_have_count(1)


def ask_questions(educator: Person) -> None:
    page = educator.page
    page.get_by_role("tab", name="Questions").click()
    page.locator(".question-add button").first.click()
    question = page.locator(".question-editor").first
    question.locator("[name=stem]").fill("What is it?")
    options = question.locator("[name=option_text]")
    options.nth(0).fill(DIAGNOSIS)
    options.nth(1).fill("Calcification")
    question.locator("[name=option_correct]").nth(0).check()
    question.locator("[name=option_explanation]").nth(0).fill(WHY)
    saved(educator)
    page.locator(".question-add button").filter(has_text=re.compile("[Mm]ark")).click()
    expect(page.locator(".question-editor")).to_have_count(2)
    page.locator(".question-editor").nth(1).locator("[name=stem]").fill("Mark what is abnormal.")
    saved(educator)


def preview(educator: Person) -> None:
    educator.page.locator("[data-preview-switch]").click()
    shown = educator.page.locator("#case-preview")
    expect(shown).to_contain_text(UNKNOWN)
    assert not [word for word in TOLD if word in shown.inner_text().casefold()]
    educator.page.locator("[data-preview-switch]").click()


def publish(educator: Person) -> None:
    educator.page.get_by_role("tab", name="Publish").click()
    button = educator.page.get_by_role("button", name="Publish", exact=True)
    expect(button).to_be_enabled()
    button.click()
    expect(educator.page.locator("[data-case-state]")).to_contain_text("Published")
    educator.page.get_by_role("tab", name="Publish").click()
    expect(educator.page.get_by_text("Learners see exactly this.")).to_be_visible()


# 4. A trainee reads it as an unknown ----------------------------------------------------------------------------------


def read_as_unknown(trainee: Person, case: Case, study: PhantomStudy, index: int) -> None:
    page = trainee.page
    for word in SECRET_WORDS:
        trainee.open(f"/o/demo/practice/?q={word}")
        expect(page.locator("tr[data-row]")).to_have_count(0)
    trainee.open(f"/o/demo/practice/?q={RUN}")
    page.locator("tr[data-row]", has_text=UNKNOWN).get_by_role("button", name=re.compile("Read")).click()
    page.wait_for_url("**/practice/reads/**")
    trainee.wait_for_image()
    attempt = page.url.split("?")[0]
    assert_untold(trainee, case, attempt)
    go_to(trainee, index)
    page.locator("[data-viewer-tool=ellipse]:visible").first.click()
    lesion = study.lesions[0]
    trainee.outline(centre=lesion.centre_px, radius=max(lesion.radius_px, 3.0))
    rate_mark(trainee)
    page.locator(".option", has_text=DIAGNOSIS).locator("input").check()
    for scale in page.locator(".confidence:visible .scale").all():
        scale.locator("label").nth(3).click()
    page.get_by_role("button", name="Commit and see the truth").click()
    expect(page.locator(".review-percent")).to_have_text("100")
    expect(page.locator("#review-diagnosis")).to_have_text(re.compile(f"{DIAGNOSIS}|{re.escape(TITLE)}"))
    expect(page.locator(".review-question").nth(1)).to_contain_text("found")
    wait_for(
        lambda: any(layer["name"] == "truth" and layer["count"] == 1 for layer in trainee.viewer("layers")),
        what="the truth over the image",
    )
    page.reload()
    expect(page.locator(".review-percent")).to_have_text("100")


def rate_mark(trainee: Person) -> None:
    """Say how sure, where the viewer asks for it."""
    form = trainee.page.locator("form:visible, dialog:visible", has_text="How sure").first
    scale = trainee.page.locator(".mark-form:visible, [data-mark-form]:visible").first
    target = scale if scale.count() else form
    target.locator("input[type=radio]").nth(3).check(force=True)
    save = target.get_by_role("button", name=re.compile("Save|Done|OK|Keep"))
    if save.count():
        save.first.click()


def assert_untold(trainee: Person, case: Case, attempt: str) -> None:
    """Nothing this trainee can fetch before the commit holds the diagnosis, except as one option among others."""
    addresses = [attempt, f"{attempt}?format=json", "/o/demo/practice/", "/o/demo/", "/o/demo/practice/reads/"]
    addresses += ["/api/v1/o/demo/cases/", "/api/v1/o/demo/attempts/", "/o/demo/dicomweb/teaching/studies"]
    for address in addresses:
        answer = trainee.get(address)
        assert answer.status in (200, 403), (address, answer.status)
        text = answer.text().casefold()
        assert not [word for word in TOLD if word in text], address
        assert not [name for name in answer.headers if "walkersfund" in answer.headers[name].casefold()]
    assert trainee.get(case.address).status in (403, 404)


# 5. What the others see -----------------------------------------------------------------------------------------------


def see_results(educator: Person, case: Case) -> None:
    educator.open(f"/o/demo/teaching/cases/{case.public_id}/results/")
    expect(educator.page.locator("main")).to_contain_text("Tomas Berg")
    expect(educator.page.locator("main")).to_contain_text("100")


def see_trail(officer: Person, case: Case) -> None:
    """Each act of the walk is in the audit list with who, what, when, from where and the outcome."""
    wanted = {
        "educator@demo": (
            "delivery.indexed",
            "viewer.opened",
            "deidentification.requested",
            "case.created",
            "case.published",
        ),
        "trainee@demo": ("session.started", "attempt.started", "attempt.committed", "truth.revealed", "series.viewed"),
    }
    officer.open("/o/demo/audit/")
    expect(officer.page.get_by_role("heading", name="Audit")).to_be_visible()
    events = officer.get("/api/v1/o/demo/audit/events/?limit=400").json()["results"]
    seen = {(event["actor"], event["action"]) for event in events}
    missing = [(who, what) for who, acts in wanted.items() for what in acts if (who, what) not in seen]
    assert not missing, (missing, sorted(seen))
    assert any(event["target_id"] == case.public_id and event["action"] == "case.published" for event in events)
    for event in events[:50]:
        assert event["occurred_at"]
        assert event["outcome"] in ("success", "refused", "failed")
    page_of_acts = [event for event in events if event["actor"] == "trainee@demo" and event["door"] == "web"]
    assert page_of_acts
    assert all(event["address"] == "127.0.0.1" for event in page_of_acts)


def see_nothing(partner: Person, case: Case) -> None:
    for address in (
        case.address,
        f"/o/demo/teaching/cases/{case.public_id}/results/",
        "/o/demo/audit/",
        "/o/demo/archive/clinical/studies/",
        "/api/v1/o/demo/cases/",
        "/o/demo/dicomweb/teaching/studies",
    ):
        assert partner.get(address).status == 404, address
