"""The demo loads through the services, is whole, and does not change when it is loaded again."""

from __future__ import annotations

import json
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command

from access.models import Membership, User
from archive.models import Archive, Instance, QuarantinedFile, Series, Study
from core.tenancy import all_tenants, tenant
from deid.models import DeidentificationRun
from pacsweb.demo.cases import CASES
from pacsweb.demo.cases.model import MAX_MARKS
from pacsweb.demo.catalogue import ENTRIES
from pacsweb.demo.loader.accounts import PEOPLE
from practice.models import Attempt, Card
from teaching.models import Assignment, Case, CaseStudy, Course, Library, TruthMark
from trials.models import SubjectStudy, Trial

# The whole demo is loaded, twice: seconds on a quiet machine, minutes on a busy one.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


def _counts() -> dict[str, int]:
    with all_tenants():
        return {
            model._meta.label: model.objects.count()
            for label in ("access", "archive", "deid", "teaching", "trials", "practice", "audit")
            for model in apps.get_app_config(label).get_models()
        }


def _no_patient_is_named_in_the_teaching_archive() -> None:
    names = {
        part.upper()
        for entry in ENTRIES.values()
        for part in entry.person.name.replace("=", "^").split("^")
        if len(part) > 4
    }
    with all_tenants():
        archive = Archive.objects.get(organisation__slug="demo", slug="teaching")
    with tenant(archive.organisation):
        for study in Study.objects.filter(archive=archive).select_related("patient"):
            shown = json.dumps(
                [study.attributes, study.patient.patient_name, study.description], ensure_ascii=False
            ).upper()
            assert not [name for name in names if name in shown and not name.startswith("TEACH")]
        library = Library.objects.get(slug="radiology")
        for case in library.cases.filter(state=Case.State.PUBLISHED).select_related("current_version"):
            assert case.current_version is not None
            assert case.current_version.alternative_title


@pytest.fixture
def loaded(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    call_command("load_demo", size="small", processes=0)
    return tmp_path


def test_the_demo_is_whole_and_loading_it_again_changes_nothing(loaded: Path) -> None:
    file = loaded / "demo-accounts.json"
    accounts = json.loads(file.read_text())
    assert set(accounts) == set(PEOPLE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for username, password in accounts.items():
        assert User.objects.get(username=username).check_password(password)
    with all_tenants():
        assert Membership.objects.filter(organisation__slug="demo").count() == 10
        assert Membership.objects.filter(organisation__slug="partner").count() == 1

    with all_tenants():
        titles = dict(Archive.objects.values_list("slug", "ae_title").filter(organisation__slug="demo"))
        assert titles == {"clinical": "DEMO_CLINICAL", "teaching": "DEMO_TEACHING", "trial-lung": "DEMO_LUNG"}
        assert Archive.objects.get(organisation__slug="partner", slug="clinical").ae_title == "PARTNER"
        for entry in ENTRIES.values():
            organisation, slug = entry.archive.split("/")
            found = Study.objects.get(
                archive__organisation__slug=organisation, archive__slug=slug, study_instance_uid=entry.visit.study_uid
            )
            assert found.instance_count > 0
            assert found.announced_at is not None
        shown = Series.objects.filter(modality__in=("CT", "MR", "DX", "MG", "US"), instance_count__gt=0)
        assert not shown.filter(thumbnail_key="").exists()
        # The same real image lies in two tenants.
        assert Counter(
            Instance.objects.filter(sop_instance_uid="1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322").values_list(
                "archive__organisation__slug", flat=True
            )
        ) == {"demo": 1, "partner": 1}
        # The ultrasound phantoms: held because nobody had looked at their pixels, released by the one who drew them.
        decided = QuarantinedFile.objects.filter(archive__slug__in=("teaching", "trial-lung"))
        assert set(decided.values_list("archive__slug", "state", "code")) == {
            ("teaching", "released", "held-by-screening")
        }

        published = Case.objects.filter(library__organisation__slug="demo", state=Case.State.PUBLISHED)
        assert published.count() == len(CASES)
        assert published.filter(is_normal=True).count() == sum(text.is_normal for text in CASES)
        assert all(case.has_unpublished_changes is False for case in published)
        assert Case.objects.get(title="Dilated renal pelvis").held_back
        assert CaseStudy.objects.filter(is_prior=True).count() == 1
        # Nothing that a reader is given before the answer tells the cases apart by what is in them.
        given = [case.current_version.content for case in published.select_related("current_version")]
        assert {str(content["layout"]) for content in given} == {"{}"}
        assert {q["max_marks"] for content in given for q in content["questions"] if q["kind"] == "mark"} == {MAX_MARKS}
        assert max(len(content["truth"]) for content in given) <= MAX_MARKS
        for text in CASES:
            marks = TruthMark.objects.filter(case__title=text.title, case__library__organisation__slug="demo")
            assert (marks.count() == 0) is text.is_normal, text.study
        assert {run.state for run in DeidentificationRun.objects.exclude(source_study__modalities=["US"])} == {
            "completed"
        }

        lung = Trial.objects.get(organisation__slug="demo")
        assert lung.sites.count() == 2
        matched = SubjectStudy.objects.filter(subject__trial=lung)
        assert Counter(matched.values_list("subject__subject_id", "time_point")) == {
            ("LUNG-01-001", "Baseline"): 1,
            ("LUNG-01-001", "Week 8"): 1,
            ("LUNG-02-001", "Baseline"): 1,
        }
        waiting = Study.objects.filter(archive=lung.archive, subject_study=None)
        assert [study.patient.patient_id for study in waiting] == ["LUNG-1-002"]

        assert Course.objects.count() == 2
        assert Assignment.objects.count() == 4
        for username in ("trainee@demo", "trainee2@demo"):
            attempts = Attempt.objects.filter(user__username=username)
            assert attempts.count() >= 20
            assert not attempts.exclude(state=Attempt.State.SCORED).exists()
            days = attempts.order_by("committed_at").values_list("committed_at", flat=True)
            assert (days[len(days) - 1] - days[0]).days > 28
            assert 0.2 < sum((a.grade or 0) > 9 for a in attempts) / attempts.count() < 0.95
            assert Card.objects.filter(user__username=username).count() > 15

    _no_patient_is_named_in_the_teaching_archive()
    before = _counts()
    call_command("load_demo", size="small", processes=0)
    assert _counts() == before
    assert json.loads(file.read_text()) == accounts
