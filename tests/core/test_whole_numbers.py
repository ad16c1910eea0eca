from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.whole_numbers import GREATEST, read_whole_number


@given(st.integers(min_value=0, max_value=GREATEST))
def test_every_number_of_the_database_is_read(number: int) -> None:
    assert read_whole_number(str(number)) == number


@pytest.mark.parametrize(
    "words", ["", " 1", "-1", "+1", "1.0", "1e3", "1_000", "²", "٣", "½", "x", "9" * 5000, str(GREATEST + 1)]
)
def test_what_is_no_such_number_is_none(words: str) -> None:
    assert read_whole_number(words) is None
