"""One machine: what `make up` runs. The launcher provides database, broker and secret."""

from __future__ import annotations

from audit import key_folder
from pacsweb.local_services import LocalServices, read_audit_key, read_secret_key
from pacsweb.settings.base import *  # noqa: F403 -- a settings module is its names
from pacsweb.settings.base import BIND, DATA_DIR, ENV, caches_from_url, database_from_url

_NOT_STARTED = LocalServices(
    database_url="postgresql://pacsweb@127.0.0.1:1/not-started-run-make-up", redis_url="redis://127.0.0.1:1/0"
)
_services = LocalServices.read(data=DATA_DIR) or _NOT_STARTED
_database_url = ENV.get("DATABASE_URL") or _services.database_url
_redis_url = ENV.get("REDIS_URL") or _services.redis_url

DEBUG = ENV.get("PACSWEB_DEBUG")
SECRET_KEY = (
    ENV.secret_key()
    if ENV.given("PACSWEB_SECRET_KEY")
    else read_secret_key(data=DATA_DIR) or "only-for-commands-that-need-no-secret-because-nothing-was-started-here"
)
AUDIT_KEY = ENV.get("PACSWEB_AUDIT_KEY") or read_audit_key(data=DATA_DIR)
AUDIT_KEY_PREVIOUS = ENV.get("PACSWEB_AUDIT_KEY_PREVIOUS") or key_folder.read_previous(DATA_DIR)
AUDIT_KEY_FOLDER = None if ENV.get("PACSWEB_AUDIT_KEY") else DATA_DIR
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "127.0.0.1", "localhost", "[::1]", *([BIND] if BIND != "0.0.0.0" else [])]  # noqa: S104
DATABASES = {"default": database_from_url(url=_database_url)}
REDIS_URL = _redis_url
CACHES = caches_from_url(url=_redis_url)
CELERY_BROKER_URL = _redis_url
