"""The rules without a database: states of a subject, and whose images are whose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.domain import lifecycle
from trials.domain.matching import Said, agrees, folded, subject_named

STATES = (lifecycle.SCREENING, lifecycle.ENROLLED, lifecycle.COMPLETED, lifecycle.WITHDRAWN)


@given(st.lists(st.sampled_from(sorted(lifecycle.POSSIBLE_IN)), max_size=12))
def test_whatever_is_done_a_subject_is_in_one_of_the_states_and_can_go_on(actions: list[str]) -> None:
    state, was_enrolled = lifecycle.SCREENING, False
    for action in actions:
        if action not in lifecycle.actions(state):
            continue
        state = lifecycle.state_after(action, was_enrolled=was_enrolled)
        was_enrolled |= state == lifecycle.ENROLLED
        assert state in STATES
        assert lifecycle.actions(state)
        # Nobody comes to "enrolled" or "completed" without an enrolment, nor back to screening after one.
        assert was_enrolled or state in (lifecycle.SCREENING, lifecycle.WITHDRAWN)
        assert not (was_enrolled and state == lifecycle.SCREENING)


def test_only_subjects_in_screening_or_enrolled_can_be_changed() -> None:
    assert [state for state in STATES if lifecycle.is_editable(state)] == [lifecycle.SCREENING, lifecycle.ENROLLED]


def test_there_is_no_other_action() -> None:
    with pytest.raises(KeyError):
        lifecycle.state_after("delete", was_enrolled=True)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (Said(patient_id="S-01-001"), "S-01-001"),
        (Said(patient_id=" s-01-001 "), "S-01-001"),
        # What stands in the group of the trial counts more than what stands for the patient.
        (Said(patient_id="hospital-77", subject_id="S-01-001"), "S-01-001"),
        (Said(patient_id="S-01-001", protocol_id="lung-1"), "S-01-001"),
        (Said(patient_id="S-01-001", protocol_id="LUNG-2"), ""),
        (Said(), ""),
        (Said(protocol_id="LUNG-1"), ""),
    ],
)
def test_images_name_a_subject_of_their_own_protocol_only(said: Said, named: str) -> None:
    assert subject_named(said, protocol_id="LUNG-1") == named


def test_images_that_name_another_site_do_not_agree() -> None:
    assert agrees(Said(), site_number="01")
    assert agrees(Said(site_id=" 01"), site_number="01")
    assert not agrees(Said(site_id="02"), site_number="01")
    # "1" and "01" are two sites in many numbering schemes.
    assert not agrees(Said(site_id="1"), site_number="01")


@given(st.text(max_size=64))
def test_folding_twice_changes_nothing(identifier: str) -> None:
    assert folded(folded(identifier)) == folded(identifier)
