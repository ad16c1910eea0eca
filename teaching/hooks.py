"""What the floor above tells teaching: how learners fare. Practice registers itself in its `AppConfig.ready`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class ResultsProvider(Protocol):
    def done_cases(self, *, assignment_ids: Sequence[int]) -> set[tuple[int, int, int]]:
        """(assignment, case, person) of every committed read made for these assignments."""

    def case_summaries(self, *, case_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Case → `{"reads", "readers", "percent"}` over committed reads."""


class NoResults:
    """Stands in while no floor above reads cases."""

    def done_cases(self, *, assignment_ids: Sequence[int]) -> set[tuple[int, int, int]]:
        return set()

    def case_summaries(self, *, case_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        return {}


_provider: list[ResultsProvider] = [NoResults()]


def register_results(provider: ResultsProvider) -> None:
    """The one source of results; a second registration replaces the first."""
    _provider[:] = [provider]


def results() -> ResultsProvider:
    return _provider[0]
