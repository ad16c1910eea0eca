"""Many machines, or one behind TLS: every secret and address comes from the environment, and is checked."""

from __future__ import annotations

from pacsweb.env import SettingError
from pacsweb.settings.base import *  # noqa: F403 -- a settings module is its names
from pacsweb.settings.base import ENV, HOUR, caches_from_url, database_from_url

DEBUG = False
if ENV.get("PACSWEB_DEBUG"):
    raise SettingError("PACSWEB_DEBUG is on, but production never shows debug pages; unset it.")
if ENV.get("PACSWEB_SIGN_ON_LOOPBACK"):
    raise SettingError("PACSWEB_SIGN_ON_LOOPBACK is on, but it is for trying out; unset it in production.")
SECRET_KEY = ENV.secret_key()
if not ENV.require("PACSWEB_PUBLIC_URL").startswith("https://"):
    raise SettingError("PACSWEB_PUBLIC_URL must start with https:// in production.")

DATABASES = {"default": database_from_url(url=ENV.require("DATABASE_URL"))}
REDIS_URL: str = ENV.require("REDIS_URL")
STORAGE_URL = ENV.require("PACSWEB_STORAGE_URL")
AUDIT_KEY = ENV.require("PACSWEB_AUDIT_KEY")
AUDIT_HEADS = ENV.require("PACSWEB_AUDIT_HEADS")
CACHES = caches_from_url(url=REDIS_URL)
CELERY_BROKER_URL = REDIS_URL

SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * HOUR
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-pacsweb_session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-pacsweb_csrf"
