"""Structured logs that carry no identifying data.

One line an event. Our own code logs events with ids; what other libraries log passes through the same processors. Three
walls keep people out of the logs: keys that name identifying values are masked, requests are logged by their route
instead of their address, and exceptions keep their class and frames but lose a message that may quote data.
"""

from __future__ import annotations

import logging
import logging.config
import os
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from pacsweb.launcher.processes import TREE_VARIABLE

MASK = "[removed]"

IDENTIFYING_KEYS = frozenset(
    {
        "accession", "accession_number", "address", "birth_date", "birthdate", "body", "comment", "content", "cookie",
        "dataset", "date_of_birth", "description", "display_name", "dob", "email", "file_name", "filename", "first_name",
        "full_name", "identifier", "last_name", "mrn", "name", "other_patient_ids", "password", "path", "patient",
        "patient_age", "patient_birth_date", "patient_id", "patient_name", "patientid", "patientname", "phone", "query",
        "query_string", "referring_physician", "search", "secret", "series_description", "session_key", "sex",
        "study_description", "subject", "telephone", "title", "token", "url", "user_name", "username",
    }
)  # fmt: skip
"""Keys that are masked wherever they stand; `_camelCase`, `-` and case do not matter."""

SAFE_MESSAGES = (ImportError, NameError, AttributeError, SyntaxError, NotImplementedError, RecursionError, MemoryError)
SAFE_MESSAGE_NAMES = frozenset(
    {"ImproperlyConfigured", "TemplateSyntaxError", "TemplateDoesNotExist", "NoReverseMatch", "ProgrammingError",
     "OperationalError", "ScopeError", "SettingError", "AppRegistryNotReady", "InterfaceError"}
)  # fmt: skip
"""Errors about our code or our servers, whose messages quote no data."""


def _plain(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").lower()


def redact(value: Any, *, key: str = "") -> Any:
    """A copy without the values of identifying keys, to any depth."""
    if key and _plain(key) in IDENTIFYING_KEYS:
        return MASK
    if isinstance(value, dict):
        return {inner_key: redact(inner, key=str(inner_key)) for inner_key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(inner) for inner in value]
    return value


def remove_identifying_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: mask identifying keys."""
    return {key: value if key == "event" else redact(value, key=key) for key, value in event.items()}


def describe_exception(*, error: BaseException) -> str:
    """Class, code and frames of an error and its causes; the message only where it cannot quote data."""
    parts = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        parts.append(_one_exception(error=current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\ncaused by\n".join(parts)


def _one_exception(*, error: BaseException) -> str:
    kind = type(error)
    headline = f"{kind.__module__}.{kind.__qualname__}"
    code = getattr(error, "code", None)
    if isinstance(code, str):
        headline += f" code={code}"
    if isinstance(error, SAFE_MESSAGES) or kind.__name__ in SAFE_MESSAGE_NAMES:
        headline += f": {(str(error).splitlines() or [''])[0]}"
    frames = _frames(error.__traceback__)
    return "\n".join([headline, *frames])


def _frames(found: TracebackType | None) -> list[str]:
    return [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(found)]


def format_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: turn `exc_info` into text without data."""
    info: ExcInfo | BaseException | bool | None = event.pop("exc_info", None)
    error: BaseException | None = None
    if info is True:
        error = sys.exc_info()[1]
    elif isinstance(info, tuple):
        error = info[1]
    elif isinstance(info, BaseException):
        error = info
    if error is not None:
        event["exception"] = describe_exception(error=error)
    return event


class RouteInsteadOfPath(logging.Filter):
    """Django logs `Not Found: /the/address`; keep the route, drop the values in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is not None:
            status = getattr(record, "status_code", "")
            record.msg, record.args = "request failed: %s %s", (status, route_of(request=request))
        return True


def route_of(*, request: Any) -> str:
    """The URL pattern of a request, e.g. `o/<slug:organisation>/archive/`; never the values."""
    match = getattr(request, "resolver_match", None)
    return str(match.route) if match is not None else "unmatched"


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    format_exception,
    remove_identifying_data,
]


def line_formatter(*, log_format: str) -> logging.Formatter:
    renderer: Any = (
        structlog.processors.JSONRenderer(default=repr)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=28)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED_PROCESSORS,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def logging_configuration(*, log_format: str, level: str) -> dict[str, Any]:
    """The `dictConfig` of every process: one line an event on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"route": {"()": "pacsweb.logs.RouteInsteadOfPath"}},
        "formatters": {
            "lines": {"()": "pacsweb.logs.line_formatter", "log_format": log_format},
        },
        "handlers": {
            "lines": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["route"]},
            "nowhere": {"class": "logging.NullHandler"},
        },
        "root": {"handlers": ["lines"], "level": level.upper()},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.db.backends": {"level": "WARNING"},
            # RequestLogMiddleware already says 4xx; Django's own line is wanted for 5xx, with the frames.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
            # These quote the values of the data sets they complain about.
            "pydicom": {"handlers": ["nowhere"], "propagate": False},
            "pynetdicom": {"handlers": ["nowhere"], "propagate": False},
            "py.warnings": {"handlers": ["nowhere"], "propagate": False},
            "PIL": {"level": "WARNING"},
            "celery": {"level": "INFO"},
            # `Task x[id] received` and `succeeded` for each task: our own events say it with less noise.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "_granian": {"level": "INFO"},
        },
    }


def log_uncaught(kind: type[BaseException], error: BaseException | None, found: TracebackType | None) -> None:
    """What the interpreter would print with its message, which may quote data."""
    if error is None or issubclass(kind, (KeyboardInterrupt, SystemExit)):
        sys.__excepthook__(kind, error or kind(), found)
        return
    structlog.get_logger("pacsweb").critical("uncaught_error", exc_info=error)


def configure(configuration: dict[str, Any]) -> None:
    """Called by Django with LOGGING; also sets structlog up and takes warnings off standard error."""
    logging.config.dictConfig(configuration)
    logging.captureWarnings(True)
    # A line that cannot be written must not put its arguments on standard error.
    logging.raiseExceptions = False
    if TREE_VARIABLE in os.environ or os.environ.get("DJANGO_SETTINGS_MODULE", "").endswith(".production"):
        sys.excepthook = log_uncaught
        threading.excepthook = lambda caught: log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
