"""Leaks that the tests of the law plant, to show that they would be noticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db.models import Q

from practice.views.reading import AttemptPage
from teaching import pinned
from teaching.domain import content as documents


def a_longer_page(patch: pytest.MonkeyPatch) -> None:
    """A full stop more for every lesion."""
    show = documents.learner_view

    def telling(content: Mapping[str, Any], **how: Any) -> documents.Content:
        view = show(content, **how)
        return {**view, "alternative_abstract": view["alternative_abstract"] + "." * len(content["truth"])}

    patch.setattr(documents, "learner_view", telling)


def an_order_of_options(patch: pytest.MonkeyPatch) -> None:
    """The right one comes last."""
    show = documents.question_view

    def telling(question: Mapping[str, Any], **how: Any) -> documents.Content:
        ordered = sorted(question["options"], key=lambda option: bool(option["is_correct"]))
        return {**show({**question, "options": ordered}, **how), "shuffle": False}

    patch.setattr(documents, "question_view", telling)


def a_search(patch: pytest.MonkeyPatch) -> None:
    """Learners find cases by what editors call them."""
    patch.setattr(
        "teaching.queries.search_unknowns", lambda rows, text: rows.filter(case__title__icontains=text.strip())
    )


def a_count_of_images(patch: pytest.MonkeyPatch) -> None:
    """What came with the images counts among them."""
    patch.setattr(pinned, "images_of", lambda _versions: Q(number_of_frames__gte=0))


def a_header(patch: pytest.MonkeyPatch) -> None:
    """The digest of the whole version as the tag of the page."""
    get = AttemptPage.get

    def telling(view: Any, *arguments: Any, **more: Any) -> Any:
        answer = get(view, *arguments, **more)
        answer.headers["ETag"] = view.attempt.version.digest
        return answer

    patch.setattr(AttemptPage, "get", telling)
