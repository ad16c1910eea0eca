"""What the trainees read in the past weeks: right and wrong answers, marks on and off the lesion, more and less sure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from access.models import User
from archive.models import Instance
from pacsweb.demo.cases import CASES
from pacsweb.demo.loader.containers import House
from pacsweb.demo.loader.learning import UNREAD, _case_of
from pacsweb.demo.loader.marks import mark_id, reader_mark
from pacsweb.demo.phantoms.model import seed_of
from practice import services
from practice.models import Attempt
from teaching.models import Assignment, Case
from viewer.domain.mark_reading import stored_mark
from viewer.domain.marks import Mark

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trainee:
    """How a simulated trainee reads: skill at the start and at the end, and how far confidence runs ahead of it."""

    username: str
    skill: float
    later_skill: float
    overconfidence: float


TRAINEES = (
    Trainee("trainee@demo", 0.56, 0.84, 0.10),
    Trainee("trainee2@demo", 0.46, 0.72, 0.30),
)
WEEKS = 6


def load_reads(*, house: House, say: Say) -> None:
    """Let both trainees read, unless they have read already."""
    library = house.libraries["demo"]
    cases: dict[str, Case] = {}
    for text in CASES:
        case = _case_of(text, library=library)
        if case is not None and case.current_version_id is not None:
            cases[text.study] = case
    for trainee in TRAINEES:
        user = house.users[trainee.username]
        if Attempt.objects.filter(user=user).exists():
            continue
        count = _read_all(trainee=trainee, user=user, cases=cases)
        say(f"{count} reads of {user.display_name}")


def _read_all(*, trainee: Trainee, user: User, cases: Mapping[str, Case]) -> int:
    rng = np.random.default_rng(seed_of("reads", trainee.username))
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    keys = [key for key in cases if key not in UNREAD]
    plan = [str(key) for key in rng.permutation(keys)]
    # Some are read a second time, weeks later: that is what repetition and learning curves live on.
    again = [str(key) for key in rng.permutation(plan[: len(plan) // 2])[:8]]
    first = Assignment.objects.filter(title="Week 1: do not miss").first()
    steps = len(plan) + len(again)
    for step, key in enumerate([*plan, *again]):
        share = step / max(steps - 1, 1)
        moment = now - timedelta(days=WEEKS * 7 * (1 - share) + 0.9, hours=int(rng.integers(0, 9)))
        skill = trainee.skill + (trainee.later_skill - trainee.skill) * share + (0.15 if step >= len(plan) else 0.0)
        _read(
            user=user, case=cases[key], rng=rng, skill=min(skill, 0.96), trainee=trainee, moment=moment,
            assignment=first if step < len(plan) else None,
        )  # fmt: skip
    return steps


def _read(
    *, user: User, case: Case, rng: np.random.Generator, skill: float, trainee: Trainee, moment: datetime,
    assignment: Assignment | None,
) -> None:  # fmt: skip
    version = case.current_version
    if version is None:
        return
    content = version.content
    in_it = assignment is not None and assignment.assignment_cases.filter(case=case).exists()
    attempt = services.start_attempt(
        user=user, version=version, assignment=assignment if in_it else None, moment=moment
    )
    draft: dict[str, Any] = {}
    marks: list[Mark] = []
    truth = [stored_mark(entry["mark"]) for entry in content["truth"] if entry["is_lesion"]]
    levels = 5
    for question in content["questions"]:
        levels = int(question["confidence_levels"])
        if question["kind"] == "mark":
            key = f"{user.username}/{attempt.public_id}"
            given = _marks(question=question, truth=truth, content=content, rng=rng, skill=skill, key=key)
            marks += given
            draft[question["id"]] = {"none": not given, "confidence": int(rng.integers(2, levels + 1))}
        elif question["kind"] == "text":
            draft[question["id"]] = {"text": _sentence(rng, skill), "confidence": int(rng.integers(2, levels + 1))}
        else:
            right = rng.random() < skill
            draft[question["id"]] = {
                "choice": _choice(question, right=bool(right), rng=rng),
                "confidence": _confidence(right=bool(right), levels=levels, rng=rng, over=trainee.overconfidence),
            }
    services.commit_attempt(
        user=user,
        attempt=attempt,
        draft=draft,
        marks=marks,
        moment=moment + timedelta(minutes=float(rng.uniform(2, 9))),
    )
    attempt.refresh_from_db()
    for question in content["questions"]:
        if question["kind"] == "text":
            met = [line["id"] for line in question["rubric"] if rng.random() < skill]
            services.score_text(
                actor=user, attempt=attempt, question_id=question["id"], met=met, moment=moment + timedelta(minutes=12)
            )


def _confidence(*, right: bool, levels: int, rng: np.random.Generator, over: float) -> int:
    middle = (0.78 if right else 0.42) + over * (0.25 if right else 0.9)
    return int(np.clip(round(middle * levels + rng.normal(0, 0.8)), 1, levels))


def _choice(question: Mapping[str, Any], *, right: bool, rng: np.random.Generator) -> list[str]:
    good = [o["id"] for o in question["options"] if o["is_correct"]]
    bad = [o["id"] for o in question["options"] if not o["is_correct"]]
    if right or not bad:
        return good
    if question["kind"] == "single":
        return [str(rng.choice(bad))]
    return [*good[: max(len(good) - 1, 0)], str(rng.choice(bad))]


def _sentence(rng: np.random.Generator, skill: float) -> str:
    if rng.random() < skill:
        return "Growing spiculated nodule in the right upper lobe, suspicious for primary lung cancer. Discuss in the tumour board."
    return "Nodule in the right upper lobe. Follow-up recommended."


def _marks(
    *, question: Mapping[str, Any], truth: list[Mark], content: Mapping[str, Any], rng: np.random.Generator, skill: float,
    key: str,
) -> list[Mark]:  # fmt: skip
    """Marks on lesions that were seen, and now and then one where there is nothing."""
    found: list[Mark] = []
    for number, lesion in enumerate(truth):
        # The second lesion of a case is missed more often than the first.
        if rng.random() < skill - 0.12 * number:
            found.append(
                reader_mark(
                    lesion,
                    key=f"{key}/{question['id']}/hit/{number}",
                    group=question["id"],
                    offset_px=(float(rng.normal(0, 1.2)), float(rng.normal(0, 1.2))),
                    confidence=_rating(rng, 4.1),
                )
            )
    if rng.random() < (1 - skill) * 0.75:
        wrong = _false_mark(
            content=content, truth=truth, rng=rng, key=f"{key}/{question['id']}/false", group=question["id"]
        )
        if wrong is not None:
            found.append(wrong)
    return found[: int(question["max_marks"])]


def _rating(rng: np.random.Generator, middle: float) -> float:
    return float(np.clip(round(middle + rng.normal(0, 0.8)), 1, 5))


def _false_mark(
    *, content: Mapping[str, Any], truth: list[Mark], rng: np.random.Generator, key: str, group: str
) -> Mark | None:
    study = content["studies"][0]["id"]
    images = list(Instance.objects.filter(study__public_id=study).select_related("series").order_by("pk"))
    if not images:
        return None
    image = images[int(rng.integers(len(images) // 4, max(len(images) * 3 // 4, len(images) // 4 + 1)))]
    columns, rows = image.columns or 64, image.rows or 64
    point = (float(rng.uniform(0.3, 0.7) * columns), float(rng.uniform(0.3, 0.7) * rows))
    near = 0.2 * min(columns, rows)
    if any(t.sop_instance_uid == image.sop_instance_uid and math.dist(t.target, point) < near for t in truth):
        return None
    patient = _to_patient(image, point)
    return Mark(
        id=mark_id("reader", key), tool="probe", series_instance_uid=image.series.series_instance_uid,
        sop_instance_uid=image.sop_instance_uid, frame=1, points=(point,), patient_points=patient,
        frame_of_reference_uid=image.series.frame_of_reference_uid if patient else None,
        confidence=_rating(rng, 2.4), group=group,
    )  # fmt: skip


def _to_patient(image: Instance, point: tuple[float, float]) -> tuple[tuple[float, float, float], ...] | None:
    def values(tag: str) -> list[float]:
        return [float(v) for v in (image.attributes.get(tag) or {}).get("Value") or []]

    position, spacing = values("00200032"), values("00280030")
    if len(position) != 3 or len(spacing) != 2 or not image.series.frame_of_reference_uid:
        return None
    return ((position[0] + point[0] * spacing[1], position[1] + point[1] * spacing[0], position[2]),)
