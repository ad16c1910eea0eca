"""The cache holds JSON: what is written comes back as it was, and what is read runs nothing."""

from __future__ import annotations

import pickle  # noqa: TID251 -- what must not be run
from datetime import date
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads
from redis import Redis

from core.cache import JSONSerializer

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(plain)
def test_what_is_written_comes_back_as_it_was(value: Any) -> None:
    serializer = JSONSerializer()
    written = serializer.dumps(value)
    found = serializer.loads(str(written).encode() if isinstance(written, int) else written)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value", [("a", 1), {1: "a"}, {"a": {"b": ("c",)}}, b"bytes", date(2024, 1, 1), {1, 2}, object()]
)
def test_what_would_come_back_as_something_else_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="the cache"):
        cache.set("key", value)


def test_counting_works(settings: Any) -> None:
    cache.add("count", 0, 60)
    assert cache.incr("count") == 1
    assert cache.get("count") == 1
    cache.set_many({"a": [1, 2.5, None, True], "b": "12"}, 60)
    assert cache.get_many(["a", "b", "c"]) == {"a": [1, 2.5, None, True], "b": "12"}


class Planted:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('what was read was run')",))


def test_pickle_in_the_cache_is_not_run(settings: Any) -> None:
    with Redis.from_url(settings.REDIS_URL) as broker:
        broker.set(cache.make_key("planted"), pickle.dumps(Planted()))
    with pytest.raises(ValueError):  # noqa: PT011 -- not JSON; that it was not run is what counts
        cache.get("planted")


def test_pickled_task_is_not_run() -> None:
    from pacsweb.celery import app

    assert list(app.conf.accept_content) == list(app.conf.result_accept_content) == ["json"]
    assert (app.conf.task_serializer, app.conf.result_serializer, app.conf.event_serializer) == ("json",) * 3
    with pytest.raises(ContentDisallowed):
        loads(pickle.dumps(Planted()), "application/x-python-serialize", "binary", accept=set(app.conf.accept_content))
