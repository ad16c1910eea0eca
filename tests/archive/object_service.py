"""A service that speaks S3, in this process, on a port of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer


class ObjectService:
    """Hands out empty buckets; `stop` takes the service away, `begin` brings it back with what it held."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.host, self.port = self._server.get_host_and_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def new_bucket(self, *, prefix: str = "") -> str:
        """The address of an empty bucket."""
        name = f"images-{uuid4().hex[:8]}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}/{prefix}?endpoint={self.endpoint}"

    def client(self) -> object:
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1")

    def names(self, address: str) -> list[str]:
        """Every object of the bucket, by its whole name."""
        bucket = address.removeprefix("s3://").split("/", maxsplit=1)[0]
        found = self.client().list_objects_v2(Bucket=bucket).get("Contents", ())  # type: ignore[attr-defined]
        return sorted(one["Key"] for one in found)

    def stop(self) -> None:
        self._server.stop()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers at the port for the length of the block; the objects stay."""
        self._server.stop()
        try:
            yield
        finally:
            self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
            self._server.start()


@pytest.fixture(scope="module")
def object_service() -> Iterator[ObjectService]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "tester")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        service = ObjectService()
        yield service
        service.stop()
