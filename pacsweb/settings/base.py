"""What holds everywhere. Development, production and test say only where they differ."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from celery.schedules import crontab
from django.utils.translation import gettext_lazy as _

from pacsweb import metric_files
from pacsweb.env import ROOT, Environment, SettingError
from pacsweb.logs import logging_configuration

# Whatever loads the settings may write to the data folder, which is closed to every other user of the machine.
os.umask(0o077)
metric_files.install()

ENV = Environment()
BASE_DIR: Path = ROOT
DATA_DIR: Path = ENV.get("PACSWEB_DATA")

HOUR = 60 * 60


def database_from_url(*, url: str) -> dict[str, Any]:
    """Django's description of a `postgresql://user:password@host:port/name?option=…` address."""
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise SettingError("DATABASE_URL names no database; write postgresql://user:password@host:port/name.")
    options = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    return {
        "ENGINE": "core.db.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10, "application_name": "pacsweb", **options},
        "TEST": {"TEMPLATE": "template0"},
    }


def caches_from_url(*, url: str) -> dict[str, Any]:
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            "KEY_PREFIX": "cache",
            # 1 held pickles.
            "VERSION": 2,
            "TIMEOUT": 300,
            "OPTIONS": {"serializer": "core.cache.JSONSerializer"},
        }
    }


def mail_from_url(*, url: str) -> dict[str, Any]:
    """Django's description of `console:`, `file:///folder` or `smtp[s]://user:password@host:port` (`?tls=no`)."""
    parts = urlsplit(url)
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": "core.mail.ClosedFileBackend"}
    if parts.scheme == "file":
        return {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend", "EMAIL_FILE_PATH": parts.path}
    if not parts.hostname:
        raise SettingError("PACSWEB_EMAIL_URL names no server; write smtp://user:password@host:587.")
    is_implicit = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if is_implicit else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_implicit,
        "EMAIL_USE_TLS": not is_implicit and parts.query != "tls=no",
        "EMAIL_TIMEOUT": 20,
    }


# Applications ---------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "guardian",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "django_vite",
    "csp",
    "django_cotton",
    "django_prometheus",
    "core",
    "access",
    "audit",
    "archive",
    "dimse",
    "dicomweb",
    "deid",
    "viewer",
    "teaching",
    "trials",
    "practice",
    "pacsweb",
]
ROOT_URLCONF = "pacsweb.urls"
WSGI_APPLICATION = "pacsweb.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "pacsweb.health.HealthMiddleware",
    "pacsweb.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "core.caching.NoStoreMiddleware",
    "access.middleware.TokenMiddleware",
    "access.middleware.PreferencesMiddleware",
    "access.sign_in.middleware.SessionMiddleware",
    "access.middleware.OrganisationMiddleware",
    "audit.middleware.RefusalMiddleware",
    "access.sign_in.middleware.SecondFactorMiddleware",
    "core.middleware.ErrorMiddleware",
    "access.sign_in.middleware.ProofMiddleware",
    "access.sign_in.middleware.BindingMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# People ---------------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = ["access.backends.PasswordBackend", "access.backends.DirectoryBackend"]
ANONYMOUS_USER_NAME = None
# guardian keeps the rows of object permissions; access.queries asks them, so its backend is not wanted.
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "access.sign_in.passwords.GuessableValidator"},
    {"NAME": "access.sign_in.passwords.BreachedValidator"},
]
# A file of SHA-1 hashes in order, as Have I Been Pwned offers for download; without it the lists we carry decide.
BREACHED_PASSWORDS: Path | None = ENV.get("PACSWEB_BREACHED_PASSWORDS")
PASSWORD_RESET_TIMEOUT = HOUR
LOGIN_URL = "/accounts/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/sign-in/"

# django-allauth carries the stages of a sign-in, second factors, addresses and sessions; the pages are ours.
ACCOUNT_ADAPTER = "access.sign_in.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # an account made by an administrator works at once; the address is proven apart
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 2
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = False  # access.sign_in.mail sends them
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_REAUTHENTICATION_REQUIRED = False  # access.sudo asks, bound to a purpose
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_RATE_LIMITS = {"login_failed": "10/15m/key", "login": False, "reauthenticate": False}
MFA_ADAPTER = "access.sign_in.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["recovery_codes", "totp", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_REAUTHENTICATION_REQUIRED = False
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_RECOVERY_CODE_DIGITS = 10
MFA_TOTP_ISSUER = "PACSWeb"
MFA_TOTP_TOLERANCE = 1

# Providers belong to organisations and are kept in the database; nothing about them is an installation's setting.
SOCIALACCOUNT_ADAPTER = "access.single_sign_on.adapter.SocialAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
# Providers and directories on this very machine, also without https: for trying out, never for people.
SIGN_ON_LOOPBACK: bool = ENV.get("PACSWEB_SIGN_ON_LOOPBACK")
IMAGE_MEMORY_BYTES: int = ENV.get("PACSWEB_IMAGE_MEMORY") << 20
DNS_SERVERS: tuple[str, ...] = ENV.get("PACSWEB_DNS_SERVERS")

# Sessions, cookies, headers -------------------------------------------------------------------------------------------

SESSION_ENGINE = "access.sign_in.session_store"
SESSION_COOKIE_NAME = "pacsweb_session"
SESSION_COOKIE_AGE = 12 * HOUR
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "pacsweb_csrf"
CSRF_COOKIE_HTTPONLY = False  # the upload and viewer scripts send it back as a header
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_TEMP_DIR = None
if ENV.get("PACSWEB_TRUSTED_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TRUSTED_PROXY: bool = ENV.get("PACSWEB_TRUSTED_PROXY")
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if TRUSTED_PROXY else 0

# Where people find us -------------------------------------------------------------------------------------------------

HTTP_PORT: int = ENV.get("PACSWEB_HTTP_PORT")
PUBLIC_URL: str = (ENV.get("PACSWEB_PUBLIC_URL") or f"http://127.0.0.1:{HTTP_PORT}").rstrip("/")
BIND: str = ENV.get("PACSWEB_BIND")
DICOM_PORT: int = ENV.get("PACSWEB_DICOM_PORT")
DICOM_PROCESSES: int = ENV.get("PACSWEB_DICOM_PROCESSES")
DICOM_TLS_PORT: int = ENV.get("PACSWEB_DICOM_TLS_PORT")
DICOM_TLS_CERTIFICATE: Path | None = ENV.get("PACSWEB_DICOM_TLS_CERTIFICATE")
DICOM_TLS_KEY: Path | None = ENV.get("PACSWEB_DICOM_TLS_KEY")
DICOM_TLS_AUTHORITIES: Path | None = ENV.get("PACSWEB_DICOM_TLS_AUTHORITIES")
if (DICOM_TLS_CERTIFICATE is None) != (DICOM_TLS_KEY is None):
    raise SettingError("PACSWEB_DICOM_TLS_CERTIFICATE and PACSWEB_DICOM_TLS_KEY belong together; set both or neither.")
HL7_PORT: int = ENV.get("PACSWEB_HL7_PORT")
ALLOWED_HOSTS = list(dict.fromkeys([urlsplit(PUBLIC_URL).hostname or "", *ENV.get("PACSWEB_ALLOWED_HOSTS")]))
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# Mail -----------------------------------------------------------------------------------------------------------------

globals().update(mail_from_url(url=ENV.get("PACSWEB_EMAIL_URL")))
DEFAULT_FROM_EMAIL: str = ENV.get("PACSWEB_EMAIL_FROM") or f"PACSWeb <no-reply@{urlsplit(PUBLIC_URL).hostname}>"
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Data -----------------------------------------------------------------------------------------------------------------

# The proof of the audit trail, outside the database.
AUDIT_KEY: str = ENV.get("PACSWEB_AUDIT_KEY") or ""
AUDIT_KEY_PREVIOUS: tuple[str, ...] = ENV.get("PACSWEB_AUDIT_KEY_PREVIOUS") or ()
#: The data folder that keeps the key, where no setting gives it.
AUDIT_KEY_FOLDER: Path | None = None
AUDIT_HEADS: Path = ENV.get("PACSWEB_AUDIT_HEADS") or DATA_DIR / "audit" / "heads.jsonl"
#: Made when the file of heads is begun; a trail that has it and no heads was tampered with.
AUDIT_HEADS_BEGUN: Path = DATA_DIR / "secrets" / "audit-heads-begun"

STORAGE_URL: str = ENV.get("PACSWEB_STORAGE_URL") or (DATA_DIR / "files").as_uri()

# Language and time ----------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE: str = ENV.get("PACSWEB_TIME_ZONE")

# Static files: Vite builds them into static/dist with a hash in each name --------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static" / "dist"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9.]+$"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
DJANGO_VITE = {
    "default": {
        "dev_mode": False,
        "manifest_path": BASE_DIR / "static" / "dist" / ".vite" / "manifest.json",
    }
}

# API ------------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "access.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["access.authentication.TokenScope"],
    "EXCEPTION_HANDLER": "core.api.exception_handler",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.parsers.ShallowJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "core.api.Paging",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PACSWeb",
    "DESCRIPTION": "Imaging archive, teaching files and reading. Not for primary diagnosis.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "DEFAULT_GENERATOR_CLASS": "pacsweb.schema.Generator",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "SubjectStateEnum": "trials.models.Subject.State",
        "SubjectActionEnum": "trials.domain.lifecycle.ACTIONS",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Background work ------------------------------------------------------------------------------------------------------

CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = True
CELERY_TASK_TIME_LIMIT = 2 * HOUR
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_EVENT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 1_500_000  # KiB; image codecs fragment memory
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A task whose worker vanished comes back after this long; it must exceed the longest task, or it would run twice.
    # (The launcher gives the tasks of a worker it saw die back at once.)
    "visibility_timeout": 8 * HOUR,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "run" / "beat-schedule")
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # A beat that finds no worker must not pile up: each message is worthless once the next one is due.
    "seal-chains": {"task": "audit.tasks.seal_chains", "schedule": 5.0, "options": {"expires": 5.0}},
    "settle-due-studies": {"task": "archive.tasks.settle_due_studies", "schedule": 3.0, "options": {"expires": 3.0}},
    "end-expired-grants": {
        "task": "access.tasks.end_expired_grants",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    "look-up-domains": {"task": "access.tasks.look_up_domains", "schedule": crontab(hour="3", minute="20")},
    "sync-directories": {"task": "access.tasks.sync_directories", "schedule": crontab(hour="2", minute="40")},
    "sweep-spool": {"task": "archive.tasks.sweep_spool", "schedule": 20.0, "options": {"expires": 20.0}},
    "forget-refused-callers": {"task": "dimse.tasks.forget_old_refusals", "schedule": crontab(hour="3", minute="40")},
    "forget-notifications": {"task": "core.cleaning.forget_old_notifications", "schedule": 24 * 3600.0},
}

# Logs and metrics -----------------------------------------------------------------------------------------------------

LOGGING = logging_configuration(log_format=ENV.get("PACSWEB_LOG_FORMAT"), level=ENV.get("PACSWEB_LOG_LEVEL"))
LOGGING_CONFIG = "pacsweb.logs.configure"
METRICS_TOKEN: str | None = ENV.get("PACSWEB_METRICS_TOKEN")
PROMETHEUS_EXPORT_MIGRATIONS = False
