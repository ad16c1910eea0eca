"""Where stored bytes live, behind keys: `settings.STORAGE_URL` is `file:///path` or `s3://bucket/prefix`.

A key is a relative path of safe segments that the archive makes itself; nothing a sender wrote becomes part of one.
"""

from __future__ import annotations

import os
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from archive.storage.files import FileStorage
from archive.storage.interface import Pending, Storage
from core import storage_address

__all__ = ["FileStorage", "Pending", "Storage", "storage"]


@lru_cache(maxsize=8)
def _storage_at(url: str, _process: int) -> Storage:
    try:
        address = storage_address.parse(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"PACSWEB_STORAGE_URL is not {error}.") from error
    if isinstance(address, storage_address.Folder):
        return FileStorage(root=address.path)
    from archive.storage.objects import ObjectStorage

    return ObjectStorage(bucket=address)


def storage() -> Storage:
    """The installation's storage. Connections and threads are this process's own: a forked one makes new ones."""
    return _storage_at(settings.STORAGE_URL, os.getpid())
