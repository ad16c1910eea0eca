"""WADO-RS metadata (PS3.18 10.4.1.1.2): the prepared document of a series where it is current, else made on the way."""

from __future__ import annotations

import gzip
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest

from archive.domain import metadata as documents
from archive.models import Archive, Instance, Series
from archive.services.derive import instance_metadata as instance_json
from archive.services.derive import is_current
from archive.storage import storage
from dicomweb import queries, seen
from dicomweb.domain import blind, media, pixels
from dicomweb.door import accepted, base_address
from dicomweb.errors import NotAcceptable
from dicomweb.payload import Lazy, answer, etag
from dicomweb.queries.sight import Sight
from dicomweb.xml import as_multipart

# Changes of the form of the answer make older ETags stale.
FORM = 2
CACHE_BYTES = 48 << 20
FAST_COMPRESSION = 1


class _Ready:
    """Packed documents with the addresses of one root in them, the latest used ones, for each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, str]) -> bytes | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: tuple[str, str], document: bytes) -> None:
        if len(document) > CACHE_BYTES // 4:
            return
        with self._lock:
            old = self._entries.pop(key, None)
            self._bytes += len(document) - (len(old) if old is not None else 0)
            self._entries[key] = document
            while self._bytes > CACHE_BYTES:
                _key, dropped = self._entries.popitem(last=False)
                self._bytes -= len(dropped)


_ready = _Ready()


def study_metadata(request: HttpRequest, *, archive: Archive, study: str) -> Any:
    found = queries.get_study(user=request.user, archive=archive, study=study)
    choice = _choice(request)
    seen.study_fetched(request, archive=archive, study=found)
    base = base_address(request, archive)
    sight = queries.sight_of(user=request.user, archive=archive)
    series = list(queries.series_of_study(found, user=request.user, archive=archive))
    # The sources ask the database now; the models are made later, while the answer is sent.
    sources = [_source(one, sight=sight) for one in series]
    tag = etag(FORM, base, choice.media_type, *(source.version for source in sources))
    if choice.media_type == media.DICOM_XML:
        return as_multipart(request, models=_models(sources=sources, base=base), tag=tag)
    return answer(
        request,
        pieces=[Lazy(lambda: _joined(sources=sources, base=base))],
        content_type=choice.media_type,
        tag=tag,
    )


def series_metadata(request: HttpRequest, *, archive: Archive, study: str, series: str) -> Any:
    found = queries.get_series(user=request.user, archive=archive, study=study, series=series)
    choice = _choice(request)
    seen.series_seen(request, archive=archive, series=found, purpose="view")
    base = base_address(request, archive)
    source = _source(found, sight=queries.sight_of(user=request.user, archive=archive))
    tag = etag(FORM, base, choice.media_type, source.version)
    if choice.media_type == media.DICOM_XML:
        return as_multipart(request, models=_models(sources=[source], base=base), tag=tag)
    if not source.is_prepared:
        return answer(
            request,
            pieces=[Lazy(lambda: _joined(sources=[source], base=base))],
            content_type=choice.media_type,
            tag=tag,
        )
    packed = source.packed(base=base)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        packed_tag = etag(tag, "gzip")
        return answer(
            request,
            pieces=[packed],
            content_type=choice.media_type,
            tag=packed_tag,
            headers={"Content-Encoding": "gzip", "Vary": "Accept, Accept-Encoding, Authorization, Cookie"},
        )
    return answer(
        request,
        pieces=[gzip.decompress(packed)],
        content_type=choice.media_type,
        tag=tag,
        headers={"Vary": "Accept, Accept-Encoding, Authorization, Cookie"},
    )


def instance_metadata(request: HttpRequest, *, archive: Archive, study: str, series: str, instance: str) -> Any:
    found = queries.get_instance(user=request.user, archive=archive, study=study, series=series, instance=instance)
    choice = _choice(request)
    seen.series_seen(request, archive=archive, series=found.series, purpose="view")
    base = base_address(request, archive)
    is_blind = not queries.sight_of(user=request.user, archive=archive).is_open(found.study_id)
    tag = etag(FORM, base, choice.media_type, is_blind, bytes(found.digest).hex())
    model = _instance_model(found, changes=_changes(found))
    model = blind.shown(model) if is_blind else model
    if choice.media_type == media.DICOM_XML:
        return as_multipart(request, models=[_placed(model, base=base)], tag=tag)
    body = _dump([model]).replace(documents.ROOT.encode(), base.encode())
    return answer(request, pieces=[body], content_type=choice.media_type, tag=tag)


def _choice(request: HttpRequest) -> media.Choice:
    choice = media.choose_text(accepted(request), offered=(media.DICOM_JSON, media.JSON, media.DICOM_XML))
    if choice is None:
        raise NotAcceptable
    return choice


class _Source:
    """Where the document of one series comes from; everything it needs from the database is already here."""

    def __init__(
        self,
        *,
        version: tuple[Any, ...],
        prepared_key: str,
        instances: list[Instance],
        changes: dict[str, dict[str, Any]],
        part: frozenset[str] | None,
        is_blind: bool,
    ) -> None:
        #: What the document is made from, for ETags and caches.
        self.version = (*version, is_blind, sorted(part) if part is not None else "")
        self._prepared_key = prepared_key
        self._instances = instances
        self._changes = changes
        self._part = part
        self._is_blind = is_blind

    @property
    def is_prepared(self) -> bool:
        return bool(self._prepared_key)

    @property
    def _key(self) -> str:
        return self._prepared_key + etag(*self.version)

    def packed(self, *, base: str) -> bytes:
        """The prepared document with its addresses, gzip."""
        found = _ready.get((self._key, base))
        if found is None:
            found = gzip.compress(self._placed_document(base=base), FAST_COMPRESSION, mtime=0)
            _ready.put((self._key, base), found)
        return found

    def _placed_document(self, *, base: str) -> bytes:
        with storage().open(self._prepared_key) as file:
            document = gzip.decompress(file.read())
        if self._changes or self._is_blind or self._part is not None:
            models = (self._changed(model) for model in json.loads(document) if self._is_seen(model))
            document = _dump([blind.shown(model) if self._is_blind else model for model in models])
        return document.replace(documents.ROOT.encode(), base.encode())

    def _is_seen(self, model: dict[str, Any]) -> bool:
        return self._part is None or _uid_of(model) in self._part

    def _changed(self, model: dict[str, Any]) -> dict[str, Any]:
        return {**model, **self._changes.get(_uid_of(model), {})}

    def _made(self, instance: Instance) -> dict[str, Any]:
        model = _instance_model(instance, changes=self._changes.get(instance.sop_instance_uid, {}))
        return blind.shown(model) if self._is_blind else model

    def elements(self, *, base: str) -> Iterator[bytes]:
        """The models as JSON, joined with commas, without the brackets around."""
        if self.is_prepared:
            cached = _ready.get((self._key, base))
            document = gzip.decompress(cached) if cached is not None else self._placed_document(base=base)
            yield document.strip()[1:-1]
            return
        is_first = True
        for instance in self._instances:
            text = _dump(self._made(instance)).replace(documents.ROOT.encode(), base.encode())
            yield text if is_first else b"," + text
            is_first = False

    def models(self, *, base: str) -> Iterator[dict[str, Any]]:
        if self.is_prepared:
            yield from json.loads(b"[" + b"".join(self.elements(base=base)) + b"]")
            return
        for instance in self._instances:
            yield _placed(self._made(instance), base=base)


def _uid_of(model: dict[str, Any]) -> str:
    return str((model.get("00080018", {}).get("Value") or [""])[0])


def _source(series: Series, *, sight: Sight) -> _Source:
    key = series.metadata_key if is_current(series=series, key=series.metadata_key) else ""
    if key and not storage().exists(key):
        key = ""
    part = sight.part_of(series)
    rows = series.instances.select_related("study", "series").order_by("instance_number", "sop_instance_uid")
    if part is not None:
        rows = rows.filter(sop_instance_uid__in=part)
    instances = list(rows) if not key else []
    # Rare: only where the pixels leave in another form than the header says must the document be taken apart.
    odd = (
        instances
        if not key
        else list(rows.filter(photometric_interpretation=pixels.SUBSAMPLED, transfer_syntax_uid__in=pixels.NATIVE))
    )
    changes = {one.sop_instance_uid: change for one in odd if (change := _changes(one))}
    return _Source(
        version=(series.pk, series.version),
        prepared_key=key,
        instances=instances,
        changes=changes,
        part=part,
        is_blind=not sight.is_open(series.study_id),
    )


def _changes(instance: Instance) -> dict[str, Any]:
    return pixels.metadata_changes(
        transfer_syntax=instance.transfer_syntax_uid,
        photometric_interpretation=instance.photometric_interpretation,
    )


def _instance_model(instance: Instance, *, changes: dict[str, Any]) -> dict[str, Any]:
    model = instance_json(
        instance,
        study_uid=instance.study.study_instance_uid,
        series_uid=instance.series.series_instance_uid,
    )
    return {**model, **changes}


def _placed(model: dict[str, Any], *, base: str) -> dict[str, Any]:
    placed: dict[str, Any] = json.loads(_dump(model).replace(documents.ROOT.encode(), base.encode()))
    return placed


def _joined(*, sources: Iterable[_Source], base: str) -> Iterator[bytes]:
    yield b"["
    is_first = True
    for source in sources:
        for element in source.elements(base=base):
            if not element:
                continue
            if is_first or element.startswith(b","):
                yield element
            else:
                yield b"," + element
            is_first = False
    yield b"]"


def _models(*, sources: list[_Source], base: str) -> Iterator[dict[str, Any]]:
    return (model for source in sources for model in source.models(base=base))


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
