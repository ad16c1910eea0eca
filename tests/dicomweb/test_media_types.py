"""Media types as clients write them (RFC 9110 8.3.1, 12.5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.domain.media import HeaderError, parse_media_types

VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)


@given(VALUES)
def test_a_quoted_value_is_read_as_it_was_meant(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    (found,) = parse_media_types(f'multipart/related; type="{quoted}"; q=0.5;')
    assert (found.parameters, found.quality) == ({"type": value}, 0.5)


@pytest.mark.parametrize("text", ["image/png;", "image/png; ;q=1", "image/png ; "])
def test_nothing_between_two_semicolons_is_no_parameter(text: str) -> None:
    (found,) = parse_media_types(text)
    assert (found.name, found.parameters) == ("image/png", {})


@pytest.mark.parametrize("text", ['a/b; x=!""', 'a/b; x=a"b"', "a/b; x", "a/b; =x", 'a/b; x="', "a/b; q=1.1", "a"])
def test_what_is_no_media_type_is_refused(text: str) -> None:
    with pytest.raises(HeaderError):
        parse_media_types(text)
