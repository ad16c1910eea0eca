"""What every DICOMweb address goes through: who, which archive, which method, and errors as answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from archive.models import Archive
from core.errors import Invalid, PacswebError
from core.middleware import with_retry_after
from core.ready import ready
from dicomweb import queries
from dicomweb.domain.media import HeaderError, MediaType, parse_media_types
from dicomweb.domain.multipart import MultipartError
from dicomweb.domain.query import QueryError
from dicomweb.domain.rendering import RenderingError
from dicomweb.errors import ForeignOrigin, RangeNotSatisfiable, ScopeMissing

logger = structlog.get_logger(__name__)

View = Callable[..., Any]
SAFE_METHODS = frozenset({"GET", "HEAD"})
TOKEN_SCOPE = "dicomweb"


def door(**views: View) -> View:
    """One address: the view of each method (`get=`, `post=`). HEAD is GET without the body; other methods are 405."""
    allowed = sorted({"GET", "HEAD"} if "get" in views else set()) + (["POST"] if "post" in views else [])

    @csrf_exempt  # a program sends no CSRF token; `_authorise` looks at the origin instead
    def enter(request: HttpRequest, organisation: str, archive: str, **names: Any) -> Any:
        method = "get" if request.method == "HEAD" else (request.method or "").lower()
        view = views.get(method)
        if view is None:
            refusal = _problem(405, "method-not-allowed", _("This address does not take this method."))
            refusal["Allow"] = ", ".join(allowed)
            return refusal
        try:
            _authorise(request)
            return view(request, archive=_archive(request, archive), **names)
        except (QueryError, HeaderError, MultipartError, RenderingError) as error:
            return _problem(400, "bad-request", str(error))
        except RangeNotSatisfiable as error:
            return _problem(416, error.code, str(error.message))
        except PacswebError as error:
            return refuse(error)

    functools.update_wrapper(enter, views.get("get") or views["post"])
    return enter


def refuse(error: PacswebError) -> HttpResponse:
    """The error as a problem document. What is forbidden on an object looks as what is absent: see `queries`."""
    logger.info("dicomweb_refused", code=error.code, status=error.status_code)
    response = _problem(error.status_code, error.code, str(error.message))
    if isinstance(error, Invalid) and error.fields:
        response = _problem(error.status_code, error.code, "; ".join(m for ms in error.fields.values() for m in ms))
    return with_retry_after(response, error)


def _problem(status: int, code: str, detail: str) -> HttpResponse:
    return JsonResponse(
        {"status": status, "code": code, "detail": detail}, status=status, content_type="application/problem+json"
    )


def _authorise(request: HttpRequest) -> None:
    token = getattr(request, "api_token", None)
    if token is not None:
        if TOKEN_SCOPE not in token.scopes:
            raise ScopeMissing
        return
    if request.method not in SAFE_METHODS and not _is_own_page(request):
        raise ForeignOrigin


def _is_own_page(request: HttpRequest) -> bool:
    """A session came with a cookie, which any site can make a browser send: the page that asks must be ours.

    Browsers say where a POST comes from in Origin, old ones in Referer; one that says nothing is not trusted.
    """
    said = request.headers.get("Origin") or request.headers.get("Referer") or ""
    origin = urlsplit(said)
    return bool(origin.netloc) and origin.scheme == request.scheme and origin.netloc == request.get_host()


@ready(scoped=True, slug=str)
def _archive_at(*, slug: str) -> QuerySet[Archive]:
    return Archive.objects.filter(slug=slug).order_by()


def _archive(request: HttpRequest, slug: str) -> Archive:
    """The archive of the address; what of it the caller may see is the query's matter."""
    # An absent archive is asked like one that is not the caller's, and so takes as long: nothing is found in either.
    found = _archive_at.first(slug=slug) or Archive(pk=queries.ABSENT, slug=slug)
    found.organisation = request.organisation  # type: ignore[attr-defined]
    return found


def base_address(request: HttpRequest, archive: Archive) -> str:
    """The absolute DICOMweb root of the archive, as the client reached it."""
    return f"{request.scheme}://{request.get_host()}/o/{archive.organisation.slug}/dicomweb/{archive.slug}"


def accepted(request: HttpRequest) -> tuple[MediaType, ...]:
    """What the client takes: the query parameter `accept` (PS3.18 8.3.3.1) before the header."""
    wished = request.GET.get("accept")
    return parse_media_types(wished or request.headers.get("Accept", ""))
