"""Storage in a bucket that speaks S3 (`s3://bucket/prefix`): each key is an object.

Credentials, and whatever else is not in the address, come from where every S3 program takes them (environment, profile,
instance role). An object appears whole or not at all, so a write that dies leaves nothing; what a file system gives by
`fsync` the service gives by its answer.
"""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from archive.storage.interface import Pending, check_key
from core.storage_address import Bucket

UPLOADS_AT_ONCE = 8
PART_BYTES = 16 << 20
CONNECT_SECONDS, READ_SECONDS = 5, 60
FIRST_READ_BYTES = 64 << 10
MOST_READ_BYTES = 8 << 20
ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
BEYOND_THE_END = frozenset({"416", "InvalidRange"})


class ObjectStorage:
    """A bucket, or a folder of one. Uploads of a batch run side by side, as each costs a round trip."""

    def __init__(self, *, bucket: Bucket) -> None:
        self.bucket = bucket
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=bucket.endpoint,
            region_name=bucket.region or (bucket.endpoint and "us-east-1"),
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"mode": "standard", "max_attempts": 4},
                max_pool_connections=UPLOADS_AT_ONCE * 2,
                # Services other than AWS rarely have a host name for each bucket.
                s3={"addressing_style": "path"} if bucket.endpoint else {},
            ),
        )
        # Parts of one large file go one after the other: the files of a batch are side by side already.
        self._transfer = TransferConfig(
            multipart_threshold=2 * PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
        )
        self._pool = ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="storage")
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[None]] = {}

    def adopt(self, *, source: Path, key: str) -> Pending:
        target = self._name(key)
        with self._lock:
            upload = self._pool.submit(self._upload, source=source, target=target)
            self._under_way[key] = upload
        return upload

    def _upload(self, *, source: Path, target: str) -> None:
        with source.open("rb") as file, _errors_as_os_errors(target):
            self._client.upload_fileobj(file, self.bucket.name, target, Config=self._transfer)

    def sync(self, pending: Iterable[Pending]) -> None:
        uploads = {one for one in pending if isinstance(one, Future)}
        try:
            for upload in uploads:
                upload.result()
        finally:
            with self._lock:
                self._under_way = {key: one for key, one in self._under_way.items() if not one.done()}

    def write(self, *, key: str, content: bytes) -> None:
        with _errors_as_os_errors(key):
            self._client.put_object(Bucket=self.bucket.name, Key=self._name(key), Body=content)

    def open(self, key: str) -> BinaryIO:
        return ObjectReader(fetch=self._fetcher(key), measure=lambda: self.size(key))

    def _fetcher(self, key: str) -> Callable[[int, int], bytes]:
        name = self._name(key)
        version: dict[str, str] = {}

        def fetch(start: int, length: int) -> bytes:
            """The bytes from `start`, at most `length`; none beyond the end. One reader sees one content."""
            try:
                with _errors_as_os_errors(key):
                    answer = self._client.get_object(
                        Bucket=self.bucket.name, Key=name, Range=f"bytes={start}-{start + length - 1}", **version
                    )
                    version.setdefault("IfMatch", answer["ETag"])
                    data: bytes = answer["Body"].read()
                    return data
            except _BeyondTheEnd:
                return b""

        return fetch

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        with tempfile.NamedTemporaryFile(prefix="stored-") as copy:
            with _errors_as_os_errors(key):
                self._client.download_fileobj(self.bucket.name, self._name(key), copy, Config=self._transfer)
            copy.flush()
            yield Path(copy.name)

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except FileNotFoundError:
            return False
        return True

    def size(self, key: str) -> int:
        with _errors_as_os_errors(key):
            return int(self._client.head_object(Bucket=self.bucket.name, Key=self._name(key))["ContentLength"])

    def delete(self, key: str) -> None:
        name = self._name(key)
        with self._lock:
            upload = self._under_way.pop(key, None)
        if upload is not None and not upload.cancel():
            # An upload that a failed batch left behind must not bring the object back.
            upload.exception()
        with _errors_as_os_errors(key):
            self._client.delete_object(Bucket=self.bucket.name, Key=name)

    def keys(self, prefix: str) -> Iterator[str]:
        root = f"{self.bucket.prefix}/" if self.bucket.prefix else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket.name, Prefix=f"{self._name(prefix)}/"
        )
        with _errors_as_os_errors(prefix):
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(root)

    def check(self) -> None:
        with _errors_as_os_errors(self.bucket.name):
            self._client.list_objects_v2(Bucket=self.bucket.name, Prefix=self.bucket.prefix, MaxKeys=1)

    def _name(self, key: str) -> str:
        return f"{self.bucket.prefix}/{check_key(key)}" if self.bucket.prefix else check_key(key)


class _BeyondTheEnd(OSError):
    pass


@contextmanager
def _errors_as_os_errors(name: str) -> Iterator[None]:
    """Who uses a storage knows the errors of files; those of the service become that."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise FileNotFoundError(name) from error
        if code in BEYOND_THE_END:
            raise _BeyondTheEnd(name) from error
        raise OSError(f"the storage refused: {code}") from error
    except BotoCoreError as error:
        raise OSError(f"the storage does not answer: {type(error).__name__}") from error


class ObjectReader(io.BufferedIOBase, BinaryIO):
    """An object as a file to read: each request fetches a range, longer ones the longer it is read in one go."""

    def __init__(self, *, fetch: Callable[[int, int], bytes], measure: Callable[[], int]) -> None:
        self._fetch = fetch
        self._measure = measure
        self._position = 0
        self._start = 0
        self._buffer = b""
        self._ahead = FIRST_READ_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        position = (self._measure() if base is None else base) + offset
        if position < 0:
            raise ValueError("a position before the beginning")
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        if self.closed:
            raise ValueError("The object is closed.")
        if size is None or size < 0:
            size = max(0, self._measure() - self._position)
        pieces: list[bytes] = []
        while size > 0:
            piece = self._some(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read1(self, size: int = -1, /) -> bytes:
        return self._some(size if size >= 0 else FIRST_READ_BYTES)

    def readinto(self, target: Any, /) -> int:
        view = memoryview(target).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        """Up to `size` bytes from here, at least one unless at the end; one request at most."""
        offset = self._position - self._start
        if not 0 <= offset < len(self._buffer):
            follows = self._buffer != b"" and offset == len(self._buffer)
            self._ahead = min(self._ahead * 2, MOST_READ_BYTES) if follows else FIRST_READ_BYTES
            self._buffer = self._fetch(self._position, max(size, self._ahead))
            self._start, offset = self._position, 0
        piece = self._buffer[offset : offset + size]
        self._position += len(piece)
        return piece
