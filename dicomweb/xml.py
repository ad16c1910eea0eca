"""Answers in application/dicom+xml: one part a data set (PS3.18 8.7.3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest

from dicomweb.domain import multipart
from dicomweb.domain.media import DICOM_XML
from dicomweb.domain.native_xml import to_xml
from dicomweb.payload import Lazy, answer


def as_multipart(
    request: HttpRequest, *, models: Iterable[dict[str, Any]], tag: str = "", headers: dict[str, str] | None = None
) -> Any:
    """A multipart of native models. `models` is walked while sending: it must not need the database then."""
    boundary = multipart.new_boundary()

    def parts() -> Iterator[bytes]:
        is_first = True
        for model in models:
            yield multipart.part_head(boundary=boundary, content_type=DICOM_XML, is_first=is_first) + to_xml(model)
            is_first = False
        yield multipart.tail(boundary=boundary)

    return answer(
        request,
        pieces=[Lazy(parts)],
        content_type=f'multipart/related; type="{DICOM_XML}"; boundary={boundary}',
        tag=tag,
        headers=headers,
    )
