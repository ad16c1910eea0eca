from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from pacsweb import logs

SECRET = "DOE^JANE"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Reads what the log's own formatter and filter have written since the fixture was made."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.line_formatter(log_format="json"))
    handler.addFilter(logs.RouteInsteadOfPath())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    "key", ["patient_name", "PatientName", "patient-id", "accessionNumber", "username", "path", "token"]
)
def test_identifying_keys_are_masked(key: str) -> None:
    assert logs.redact({key: SECRET}) == {key: logs.MASK}


@given(
    st.recursive(
        st.just(SECRET),
        lambda inner: (
            st.dictionaries(st.sampled_from(["patient_name", "a"]), inner, min_size=1) | st.lists(inner, min_size=1)
        ),
    )
)
def test_nothing_below_an_identifying_key_survives(value: Any) -> None:
    assert SECRET not in str(logs.redact({"patient_name": value}))


def test_own_events_are_one_json_line_without_identifying_values(lines: Lines) -> None:
    structlog.get_logger("archive").info(
        "instance_indexed", instance_id=7, patient_name=SECRET, nested={"PatientID": SECRET}
    )
    (line,) = lines()
    assert line["event"] == "instance_indexed"
    assert line["instance_id"] == 7
    assert SECRET not in json.dumps(line)


def test_exceptions_keep_class_and_frames_but_not_a_message_that_may_quote_data(lines: Lines) -> None:
    try:
        raise ValueError(f"cannot read {SECRET}")
    except ValueError:
        structlog.get_logger("archive").exception("failed")
        logging.getLogger("some.library").exception("library failed")
    ours, theirs = lines()
    for line in (ours, theirs):
        assert "builtins.ValueError" in line["exception"]
        assert "test_logs.py" in line["exception"]
        assert SECRET not in json.dumps(line)


def test_causes_of_an_exception_are_told_without_their_messages() -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError as error:
        told = logs.describe_exception(error=error)
    assert "builtins.RuntimeError" in told
    assert "builtins.KeyError" in told
    assert SECRET not in told


def test_errors_of_our_code_keep_their_message() -> None:
    assert "no attribute 'frame'" in logs.describe_exception(error=AttributeError("no attribute 'frame'"))


def test_data_set_libraries_say_nothing(lines: Lines) -> None:
    for name in ("pydicom", "pynetdicom.events", "py.warnings"):
        logging.getLogger(name).error("Invalid value for VR PN: %r", SECRET)
    assert lines() == []


def test_failed_request_is_logged_by_route(lines: Lines) -> None:
    request = RequestFactory().get(f"/o/demo/{SECRET}?PatientName={SECRET}")
    logging.getLogger("django.request").error(
        "Internal Server Error: %s", request.path, extra={"request": request, "status_code": 500}
    )
    assert SECRET not in json.dumps(lines())


@pytest.mark.django_db
def test_request_line_has_route_and_numbers_only(lines: Lines) -> None:
    response = Client().get(f"/accounts/sign-in/?next=/{SECRET}", headers={"x-request-id": "chosen-by-the-client"})
    line = next(line for line in lines() if line["event"] == "request")
    assert line["route"] == "accounts/sign-in/"
    assert line["request_id"] == response["X-Request-ID"] != "chosen-by-the-client"
    assert SECRET not in json.dumps(line)
