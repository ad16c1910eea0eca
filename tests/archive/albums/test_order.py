"""The order of an album is the one that was given to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.albums import services
from tests.archive.albums.house import House, as_, events

pytestmark = pytest.mark.django_db


def test_studies_move_up_down_and_to_the_ends(house: House) -> None:
    album = house.album(of=4)
    for numbers, direction, wanted in (
        ((2,), "up", [0, 2, 1, 3]),
        ((0,), "up", [0, 2, 1, 3]),
        ((0,), "down", [2, 0, 1, 3]),
        ((0, 3), "first", [0, 3, 2, 1]),
        ((0, 2), "last", [3, 1, 0, 2]),
        ((1, 0), "up", [1, 0, 3, 2]),
    ):
        services.move_studies(
            actor=house.reader,
            album=album,
            studies=house.keys(*numbers),
            direction=direction,  # type: ignore[arg-type]
        )
        assert house.order(album) == wanted, (numbers, direction)
    assert events(house, "album.arranged") == 5


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    order=st.permutations("abcdefg"),
    picked=st.integers(0, 127),
    direction=st.sampled_from(["up", "down", "first", "last"]),
)
def test_a_move_loses_nothing_and_keeps_both_groups_in_their_order(
    order: list[str], picked: int, direction: Any
) -> None:
    chosen = {key for number, key in enumerate("abcdefg") if picked >> number & 1}
    moved = services.moved_order(order, chosen=chosen, direction=direction)
    assert sorted(moved) == sorted(order)
    for group in (set(order) & chosen, set(order) - chosen):
        assert [key for key in moved if key in group] == [key for key in order if key in group]
    towards_start = direction in ("up", "first")
    for key in chosen & set(order):
        assert moved.index(key) <= order.index(key) if towards_start else moved.index(key) >= order.index(key)


def test_the_order_on_screen_becomes_that_of_the_album(house: House) -> None:
    album = house.album(of=4)
    client = as_(house.reader)
    page = client.get(house.url("album", album=album.public_id) + "?sort=-patient").content.decode()
    assert "Keep this order" in page
    assert "Keep this order" not in client.get(house.url("album", album=album.public_id)).content.decode()
    # Narrowed to one, it is the whole album that is arranged.
    client.post(house.url("album-arrange", album=album.public_id) + "?sort=-patient&q=Berg")
    assert house.order(album) == [3, 2, 1, 0]


def test_what_was_taken_out_goes_back_where_it_was(house: House) -> None:
    album = house.album(of=4)
    client = as_(house.reader)
    client.post(house.url("album-remove", album=album.public_id), {"selected": house.keys(1, 2)})
    assert house.order(album) == [0, 3]
    assert "Put back" in client.get(house.url("album", album=album.public_id)).content.decode()
    assert "Put back" not in as_(house.manager).get(house.url("album", album=album.public_id)).content.decode()
    client.post(house.url("album-put-back", album=album.public_id))
    assert house.order(album) == [0, 1, 2, 3]
    assert client.post(house.url("album-put-back", album=album.public_id)).status_code == 409
