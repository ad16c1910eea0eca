"""Studies as a zip that is made while it is sent: no job, no file, flat memory."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse

from archive.models import Instance, Study
from archive.services.export import write_directory
from archive.storage import storage

CHUNK = 1 << 20


class _Outlet:
    """A file that cannot be sought in, as `zipfile` needs it; what was written is taken out piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def zip_response(*, studies: Sequence[Study], name: str) -> StreamingHttpResponse:
    """Every image of the studies with a DICOMDIR. The caller has authorised."""
    rows = Instance.objects.filter(study__in=[study.pk for study in studies])
    # Asked now: the answer is sent after the request's scope has closed.
    instances = list(
        rows.order_by("study_id", "series__series_number", "series_id", "instance_number", "pk")
        .select_related("study", "series", "study__patient")
        .defer("attributes", "frame_table", "study__attributes", "series__attributes")
    )
    response = StreamingHttpResponse(zip_pieces(instances), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def zip_pieces(instances: Sequence[Instance]) -> Iterator[bytes]:
    folder = Path(settings.DATA_DIR) / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="zip-", dir=folder))
    try:
        names = write_directory(instances, work=work)
        outlet = _Outlet()
        # Images hardly deflate and the receiver wants them soon: stored, not deflated.
        with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED, allowZip64=True) as packed:  # type: ignore[call-overload]
            if names:
                packed.write(work / "out" / "DICOMDIR", "DICOMDIR")
                yield outlet.take()
            for number, instance in enumerate(instances, start=1):
                name = names.get(instance.sop_instance_uid) or f"OTHER/OT{number:06d}"
                with storage().open(instance.storage_key) as source, packed.open(name, "w", force_zip64=True) as target:
                    while piece := source.read(CHUNK):
                        target.write(piece)
                        yield outlet.take()
        yield outlet.take()
    finally:
        shutil.rmtree(work, ignore_errors=True)
