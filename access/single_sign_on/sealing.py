"""Secrets of providers and directories at rest: whoever has the database alone cannot read them."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from access.single_sign_on.errors import SecretUnreadable


def seal(text: str) -> str:
    return _cipher(settings.SECRET_KEY).encrypt(text.encode()).decode() if text else ""


def unseal(sealed: str) -> str:
    """Raises `SecretUnreadable` when the installation's secret key is another one now."""
    if not sealed:
        return ""
    try:
        return _cipher(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


@lru_cache(maxsize=2)
def _cipher(secret_key: str) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in (secret_key, *settings.SECRET_KEY_FALLBACKS)])


def _derive(secret_key: str | bytes) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"pacsweb secrets of sign-on providers")
    return base64.urlsafe_b64encode(kdf.derive(secret_key.encode() if isinstance(secret_key, str) else secret_key))
