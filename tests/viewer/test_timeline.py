"""A study is a prior of another only where it is earlier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer.domain.timeline import relation

DATES = st.dates().map(lambda day: day.strftime("%Y%m%d").zfill(8))
TIMES = st.times().map(lambda time: time.strftime("%H%M%S"))
MOMENTS = st.tuples(DATES, TIMES)


@pytest.mark.parametrize(
    ("main", "other", "expected"),
    [
        (("20240229", "1200"), ("20230101", "1200"), "prior"),
        (("20240229", "1200"), ("20240301", "0800"), "later"),
        (("20240229", "120000.5"), ("20240229", "1300"), "later"),
        (("20240229", "12"), ("20240229", "110000"), "prior"),
        (("20240229", "12"), ("20240229", "125959"), ""),
        (("20240229", ""), ("20240229", "110000"), ""),
        (("20240229", "12"), ("", ""), ""),
        (("", ""), ("20240229", "12"), ""),
        (("202402", ""), ("20230101", ""), ""),
    ],
)
def test_dates_decide_and_then_times_where_both_are_known(
    main: tuple[str, str], other: tuple[str, str], expected: str
) -> None:
    assert relation(main=main, other=other) == expected


@given(main=MOMENTS, other=MOMENTS)
def test_of_two_studies_one_is_the_prior_and_the_other_is_later(main: tuple[str, str], other: tuple[str, str]) -> None:
    opposite = {"": "", "prior": "later", "later": "prior"}
    assert relation(main=other, other=main) == opposite[relation(main=main, other=other)]


def test_what_somebody_called_a_prior_is_one_unless_the_dates_say_otherwise() -> None:
    assert relation(main=("", ""), other=("", ""), named_prior=True) == "prior"
    assert relation(main=("20240229", ""), other=("20240301", ""), named_prior=True) == "later"
