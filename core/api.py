"""What every REST view shares: errors, paging, organisation."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import LimitOffsetPagination
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from core.errors import PacswebError
from core.middleware import problem, retry_after


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """`REST_FRAMEWORK["EXCEPTION_HANDLER"]`: the project's errors as problem details, DRF's own as DRF does."""
    if isinstance(exception, PacswebError):
        return Response(problem(exception), status=exception.status_code, headers=retry_after(exception))
    return drf_exception_handler(exception, context)


class Paging(LimitOffsetPagination):
    default_limit = 50
    max_limit = 500
