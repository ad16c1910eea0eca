"""The address of the place for bytes: `file:///path` or `s3://bucket/prefix?endpoint=…&region=…`. Knows no Django."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

# What every service that speaks S3 takes as the name of a bucket.
BUCKET_PATTERN = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
OPTIONS = ("endpoint", "region")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine, or one that all machines share."""

    path: Path


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, or a folder of one. The options are for services other than AWS."""

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None


def parse(address: str) -> Folder | Bucket:
    """Raises `ValueError` that says what the address should be."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        path = unquote(parts.path)
        if parts.netloc or parts.query or not path.startswith("/"):
            raise ValueError("an address as file:///srv/images, with three slashes")
        return Folder(path=Path(path))
    if parts.scheme != "s3":
        raise ValueError("an address that starts with file:// or s3://")
    if not BUCKET_PATTERN.fullmatch(parts.netloc):
        raise ValueError("an address as s3://bucket/prefix with the name of a bucket")
    prefix = unquote(parts.path).strip("/")
    if prefix and not PREFIX_PATTERN.fullmatch(prefix):
        raise ValueError("an address as s3://bucket/prefix with letters, digits, '.', '_' and '-' in the prefix")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not set(options) <= set(OPTIONS):
        raise ValueError(f"an address whose only options are {' and '.join(OPTIONS)}")
    endpoint = options.get("endpoint")
    if endpoint is not None and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        raise ValueError("an address whose endpoint starts with https:// or http://")
    return Bucket(name=parts.netloc, prefix=prefix, endpoint=endpoint, region=options.get("region") or None)
