"""The provider's own words: its discovery document, its keys, and the ID token, checked (OpenID Connect Core 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import jwt
from django.core.cache import cache

from access.single_sign_on.errors import ProviderUnreachable, SignOnRefused
from access.single_sign_on.fetching import check_address, get_json
from access.single_sign_on.models import IdentityProvider

WELL_KNOWN = "/.well-known/openid-configuration"
# Signatures with a public key only: a shared secret or none at all proves nothing about who signed.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
KEPT_SECONDS = 10 * 60
KEYS_AGAIN_SECONDS = 30
LEEWAY_SECONDS = 60
LONGEST_TOKEN = 64 * 1024
LONGEST_SUBJECT = 255


def discover(issuer: str, *, fresh: bool = False, may_ask: bool = True) -> dict[str, Any]:
    """The discovery document of an issuer. Raises `ProviderUnreachable` (OpenID Connect Discovery 1.0, 4.3).

    Without `may_ask` only one that is known already is good enough.
    """
    key = f"sign-on-discovery:{_digest(issuer)}"
    known: dict[str, Any] | None = None if fresh else cache.get(key)
    if known is not None:
        return known
    if not may_ask:
        raise ProviderUnreachable(code="not-asked", hint="too many bad tokens came in")
    check_address(issuer, code="issuer")
    found = get_json(issuer.rstrip("/") + WELL_KNOWN)
    if found.get("issuer") != issuer:
        raise ProviderUnreachable(code="other-issuer", hint=f"it calls itself {str(found.get('issuer'))[:200]!r}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if name not in found:
            raise ProviderUnreachable(code="discovery", hint=f"it names no {name}")
        check_address(found[name], code="discovery")
    for name in ("userinfo_endpoint", "end_session_endpoint"):
        if found.get(name):
            check_address(found[name], code="discovery")
    signs = found.get("id_token_signing_alg_values_supported") or ["RS256"]
    if not isinstance(signs, list) or not set(map(str, signs)) & set(ALGORITHMS):
        raise ProviderUnreachable(code="algorithms", hint="it signs by no algorithm that is accepted")
    cache.set(key, found, KEPT_SECONDS)
    return found


def fetch_keys(document: dict[str, Any], *, fresh: bool = False, may_ask: bool = True) -> list[jwt.PyJWK]:
    """The provider's signing keys; kept for a while, and asked for anew at most twice a minute."""
    address = document["jwks_uri"]
    key = f"sign-on-keys:{_digest(address)}"
    found = cache.get(key)
    if found is None and not may_ask:
        raise ProviderUnreachable(code="not-asked", hint="too many bad tokens came in")
    if found is None or (fresh and cache.add(f"{key}:again", 1, KEYS_AGAIN_SECONDS)):
        found = get_json(address)
        cache.set(key, found, KEPT_SECONDS)
    usable = []
    rows = found.get("keys")
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or row.get("use", "sig") != "sig" or row.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            usable.append(jwt.PyJWK.from_dict({**row, "alg": row.get("alg") or _usual_algorithm(row)}))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue  # of a kind we do not know; others may do
    return usable


def _usual_algorithm(row: dict[str, Any]) -> str:
    curves = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
    return {"RSA": "RS256", "EC": curves.get(str(row.get("crv")), "ES256"), "OKP": "EdDSA"}[row["kty"]]


def read_id_token(
    token: Any, *, provider: IdentityProvider, document: dict[str, Any], nonce: str, access_token: str
) -> dict[str, Any]:
    """The claims of an ID token that is the answer to our question (OpenID Connect Core 1.0, 3.1.3.7).

    Raises `SignOnRefused` with the first thing that is wrong as its code.
    """
    header = read_header(token)
    required = ["iss", "sub", "aud", "exp", "iat"]
    claims = read_signed(token, header=header, provider=provider, document=document, required=required)
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise SignOnRefused(code="token-nonce")
    if not is_identifier(claims["sub"]):
        raise SignOnRefused(code="token-subject")
    expected = claims.get("at_hash")
    if expected is not None and expected != _half_hash(access_token, algorithm=str(header["alg"])):
        raise SignOnRefused(code="token-access-hash")
    return claims


def read_header(token: Any) -> dict[str, Any]:
    """What a token says of its signature. Raises `SignOnRefused`, also for an algorithm that proves nothing."""
    if not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN:
        raise SignOnRefused(code="no-id-token")
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise SignOnRefused(code="token-malformed") from error
    if header.get("alg") not in ALGORITHMS:
        raise SignOnRefused(code="token-algorithm")
    return header


def read_signed(
    token: str,
    *,
    header: dict[str, Any],
    provider: IdentityProvider,
    document: dict[str, Any],
    required: list[str],
    may_ask: bool = True,
) -> dict[str, Any]:
    """The claims of a token signed by the provider for us alone, in its time. Raises `SignOnRefused`.

    Without `may_ask` only keys that are known already count.
    """
    key = _key_for(header, document=document, may_ask=may_ask)
    claims = _verified(token, key=key, algorithm=str(header["alg"]), provider=provider, required=required)
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    party = claims.get("azp")
    if (len(audience) > 1 and party is None) or (party is not None and party != provider.client_id):
        raise SignOnRefused(code="token-party")
    return claims


def is_identifier(value: Any) -> bool:
    """Whether a claim can name a person or a session (OpenID Connect Core 1.0, 2: at most 255 characters)."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_SUBJECT and "\x00" not in value


def _key_for(header: dict[str, Any], *, document: dict[str, Any], may_ask: bool) -> jwt.PyJWK:
    for fresh in (False, True):  # keys are changed by adding the new one first; a cached list may lack it
        if fresh and not may_ask:
            break
        keys = fetch_keys(document, fresh=fresh, may_ask=may_ask)
        fitting = [key for key in keys if key.key_type == _key_type(header["alg"])]
        named = [key for key in fitting if key.key_id == header.get("kid")]
        if header.get("kid") is not None and named:
            return named[0]
        if header.get("kid") is None and len(fitting) == 1:
            return fitting[0]
    raise SignOnRefused(code="token-key")


def _key_type(algorithm: str) -> str:
    return {"R": "RSA", "P": "RSA"}.get(algorithm[0], "OKP" if algorithm == "EdDSA" else "EC")


def _verified(
    token: str, *, key: jwt.PyJWK, algorithm: str, provider: IdentityProvider, required: list[str]
) -> dict[str, Any]:
    try:
        found: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=provider.client_id,
            issuer=provider.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": required},
        )
    except jwt.ExpiredSignatureError as error:
        raise SignOnRefused(code="token-expired") from error
    except jwt.InvalidIssuerError as error:
        raise SignOnRefused(code="token-issuer") from error
    except jwt.InvalidAudienceError as error:
        raise SignOnRefused(code="token-audience") from error
    except jwt.InvalidSignatureError as error:
        raise SignOnRefused(code="token-signature") from error
    except jwt.ImmatureSignatureError as error:
        raise SignOnRefused(code="token-not-yet") from error
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:  # a time that is infinite, brackets
        raise SignOnRefused(code="token-malformed") from error
    return found


def _half_hash(text: str, *, algorithm: str) -> str:
    name = {"256": "sha256", "384": "sha384", "512": "sha512"}.get(algorithm[-3:], "sha512")
    digest = hashlib.new(name, text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def read_userinfo(*, document: dict[str, Any], access_token: str, subject: str) -> dict[str, Any]:
    """What the userinfo address adds; it must speak of the same person (OpenID Connect Core 1.0, 5.3.2)."""
    address = document.get("userinfo_endpoint")
    if not address:
        return {}
    found = get_json(address, headers={"Authorization": f"Bearer {access_token}"})
    if found.get("sub") != subject:
        raise SignOnRefused(code="userinfo-subject")
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
