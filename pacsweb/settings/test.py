"""The test run: services started by tests/conftest.py, which gives their addresses in the environment."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pacsweb.settings.base import *  # noqa: F403 -- a settings module is its names
from pacsweb.settings.base import ENV, caches_from_url, database_from_url

DEBUG = False
SECRET_KEY = "not-a-secret-of-anything-that-runs-outside-the-test-suite-0123456789"
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
_database_url = ENV.get("DATABASE_URL") or "postgresql://pacsweb@127.0.0.1:1/started-by-conftest"
# Each parallel test process has a broker database and a data folder of its own, as pytest-django gives it a database.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
REDIS_URL: str = (ENV.get("REDIS_URL") or "redis://127.0.0.1:1/0").removesuffix(
    "/0"
) + f"/{int(_worker[2:]) + 1 if _worker else 0}"
DATABASES = {"default": database_from_url(url=_database_url)}
# As the launcher made it: what only a superuser may set in a database (`core.db.leakproof`) is set in the copy.
DATABASES["default"]["TEST"] = {"TEMPLATE": DATABASES["default"]["NAME"]}
CACHES = caches_from_url(url=REDIS_URL)
CELERY_BROKER_URL = REDIS_URL

# Every hash with Argon2 costs 50 ms; a suite that signs in thousands of times needs none of its strength.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests count the queries of a page; what an earlier request left in the cache must not change them.
CACHES["sessions"] = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
SESSION_CACHE_ALIAS = "sessions"
WHITENOISE_AUTOREFRESH = False
DATA_DIR = (
    ENV.get("PACSWEB_DATA") if ENV.given("PACSWEB_DATA") else Path(tempfile.gettempdir()) / "pacsweb-tests"
) / _worker
AUDIT_KEY = "bm90IGEga2V5IG9mIGFueXRoaW5nIG91dHNpZGUgdGU="
AUDIT_HEADS = DATA_DIR / "audit" / "heads.jsonl"
STORAGE_URL = (DATA_DIR / "files").as_uri()
