"""OpenID providers on loopback: the certified one (npm oidc-provider, run by Node), and one that can be told to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from pacsweb.launcher.front_end import node_environment
from pacsweb.launcher.ports import choose

HERE = Path(__file__).parent / "oidc_provider"
FETCHED = Path(sys.prefix) / "openid-provider"
CLIENT = {"client_id": "pacsweb", "client_secret": "a-secret-of-the-tests-with-length"}


@contextmanager
def certified(
    *,
    people: dict[str, dict[str, Any]],
    redirects: list[str],
    after: list[str],
    back_channel: str = "",
    port: int | None = None,
) -> Iterator[str]:
    """The issuer of a running oidc-provider. `redirects` are filled in by the caller before the first sign-in.

    With `back_channel` it tells that address of each sign-out, naming its session; `port` when the issuer was said before.
    """
    if not (FETCHED / "node_modules" / "oidc-provider").exists():
        pytest.fail("The OpenID provider of the tests is missing: run `python -m tests.prepare` (make test does).")
    port = port or choose()
    issuer = f"http://127.0.0.1:{port}"
    client: dict[str, Any] = CLIENT | {"redirect_uris": redirects, "post_logout_redirect_uris": after}
    if back_channel:
        client |= {"backchannel_logout_uri": back_channel, "backchannel_logout_session_required": True}
    settings = {"issuer": issuer, "port": port, "clients": [client], "people": people}
    shutil.copy(HERE / "provider.mjs", FETCHED / "provider.mjs")
    process = subprocess.Popen(
        ["node", "provider.mjs"],
        cwd=FETCHED,
        env={**node_environment(), "OPENID_PROVIDER": json.dumps(settings)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip() == "ready", line
        yield issuer
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _new_key(name: str) -> tuple[rsa.RSAPrivateKey, dict[str, Any]]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return key, public | {"kid": name, "use": "sig", "alg": "RS256"}


GOOD_KEY, GOOD_PUBLIC = _new_key("good")
OTHER_KEY, OTHER_PUBLIC = _new_key("good")


@dataclass
class Liar:
    """A provider whose every answer can be bent. Honest as long as nothing is set."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "42"})
    token: dict[str, Any] = field(default_factory=dict)  # claims over the honest ones; None removes
    header: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    key: Any = GOOD_KEY
    discovery: dict[str, Any] = field(default_factory=dict)
    raw_discovery: bytes | None = None
    redirects: str = ""
    userinfo: dict[str, Any] | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    exchanges: int = 0
    calls: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        there = self.issuer
        return {
            "issuer": there,
            "authorization_endpoint": f"{there}/authorize",
            "token_endpoint": f"{there}/token",
            "jwks_uri": f"{there}/keys",
            "userinfo_endpoint": f"{there}/userinfo",
            "end_session_endpoint": f"{there}/end",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256"],
        } | self.discovery

    def authorise(self, address: str, **extra: str) -> str:
        """What the browser would do there: the address it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256", asked
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], **extra})}"

    def exchange(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if (form.get("client_id"), form.get("client_secret")) != tuple(CLIENT.values()):
            return 401, {"error": "invalid_client"}
        self.exchanges += 1
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.person,
            **self.token,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        key = None if self.algorithm == "none" else self.key
        token = jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": "good"} | self.header)
        return 200, {"access_token": "opens-nothing", "token_type": "Bearer", "id_token": token}


@contextmanager
def bent() -> Iterator[Liar]:
    liar = Liar()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: Any) -> None:
            pass

        def _answer(self, status: int, body: Any) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(OSError):  # who asked had enough
                self.wfile.write(data)

        def do_GET(self) -> None:
            liar.calls.append(self.path)
            if liar.redirects and self.path in liar.redirects:
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path == "/.well-known/openid-configuration":
                self._answer(200, liar.raw_discovery or liar.document())
            elif self.path == "/keys":
                self._answer(200, {"keys": [GOOD_PUBLIC]})
            elif self.path == "/userinfo":
                self._answer(200, {"sub": liar.person["sub"]} if liar.userinfo is None else liar.userinfo)
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            liar.calls.append(self.path)
            length = int(self.headers.get("Content-Length", "0"))
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            self._answer(*liar.exchange(form))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    liar.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield liar
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
