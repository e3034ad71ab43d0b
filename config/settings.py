"""One set of settings, read from the environment; the defaults need no service and write below DATA_DIR only."""

import logging
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONCE
from django.core.exceptions import ImproperlyConfigured

from config import env
from uploads import limits
from uploads.limits import LEASE

django_stubs_ext.monkeypatch()  # generic classes of Django take their [Model] at run time too

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.folder("DATA_DIR", BASE_DIR / "var")
DEBUG = env.flag("DEBUG", default=False)
PORT = env.number("PORT", default=8000, at_least=1, at_most=65_535)
SITE_URL = env.origin("SITE_URL", f"http://localhost:{PORT}")
IS_HTTPS = SITE_URL.startswith("https://")


def secret_key() -> str:
    """SECRET_KEY, else the one that `make run` keeps in DATA_DIR, else one for this process (tests, checks)."""
    if given := env.text("SECRET_KEY"):
        return given
    kept = DATA_DIR / "secret_key"
    if kept.is_file():
        return kept.read_text().strip()
    if IS_HTTPS:
        raise ImproperlyConfigured("SECRET_KEY must be set when SITE_URL is https.")
    return secrets.token_urlsafe(50)


SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = [SITE_URL, *env.words("TRUSTED_ORIGINS")]

INSTALLED_APPS = [
    "config.apps.ConfigApp",
    "uploads",
    "galleries",
    "accounts",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "ninja",
    "allauth",
    "allauth.account",
    "django_vite",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.every_answer",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.InvalidFormsAnswer422",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Django's ASGI handler runs each request in a context of its own, which would connect anew each time. Workers fork,
# and a pool must not cross a fork.
IS_WEB = "config.asgi" in sys.modules
DATABASES = {"default": env.database("DATABASE_URL", DATA_DIR / "db.sqlite3", is_pooled=IS_WEB)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def redis_url() -> str:
    """REDIS_URL, else the private one that `make run` has in DATA_DIR, else that of the system."""
    kept = DATA_DIR / "redis" / "redis.sock"
    return env.text("REDIS_URL", f"unix://{kept}" if kept.is_socket() else "redis://127.0.0.1:6379/0")


REDIS_URL = redis_url()
CHANNEL_PREFIX = "safelight"
CHANNEL_LAYERS = {
    "default": {
        # The pub/sub layer delivers six times the messages of the list layer and drops what nobody reads;
        # a gap is healed by the version in every message.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": CHANNEL_PREFIX},
    }
}

# How long a photo waits for another worker when its own was killed.
UPLOAD_LEASE_S = env.number("UPLOAD_LEASE_S", default=int(LEASE.total_seconds()), at_least=1, at_most=3_600)
# Guesses at passwords are counted in it, for all web processes together.
CACHES = {"default": {"BACKEND": "config.shared_cache.SharedCache", "KEY_PREFIX": "safelight:cache"}}

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
# A bell that can't be rung is a log line: publishing must give up fast, the sweeper rings again.
CELERY_TASK_PUBLISH_RETRY = False
# A task takes ten seconds and the end of one photo; a worker stuck for so much longer is ended from outside.
CELERY_TASK_TIME_LIMIT = 2_700
CELERY_TASK_DEFAULT_QUEUE = "work"
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/galleries/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# The session outlives the browser: an upload that goes on after a restart must still be signed in.
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PRESERVE_USERNAME_CASING = False
SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = False
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.number("EMAIL_PORT", default=25, at_least=1, at_most=65_535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL", default=False)
# A worker waits for no mail server longer than this.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", f"Safelight <photos@{urlsplit(SITE_URL).hostname}>")
# Whether anybody is mailed when publishing is done; each person may choose not to be.
PUBLICATION_MAIL = env.flag("PUBLICATION_MAIL", default=True)

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.pages.csrf_failed"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY", default=False) else None
)
X_FRAME_OPTIONS = "DENY"
if IS_HTTPS:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
# What one gallery and one person may hold, and have on its way at once.
MAX_GALLERY_PHOTOS = env.number(
    "MAX_GALLERY_PHOTOS", default=limits.MAX_GALLERY_PHOTOS, at_least=1, at_most=limits.MAX_GALLERY_PHOTOS
)
MAX_GALLERY_BYTES = env.byte_count("MAX_GALLERY_BYTES", default=limits.MAX_GALLERY_BYTES)
MAX_GALLERY_OPEN_UPLOADS = env.number(
    "MAX_GALLERY_OPEN_UPLOADS", default=limits.MAX_GALLERY_OPEN_UPLOADS, at_least=1, at_most=1_000_000
)
MAX_USER_PHOTOS = env.number(
    "MAX_USER_PHOTOS", default=limits.MAX_USER_PHOTOS, at_least=1, at_most=10_000_000
)
MAX_USER_BYTES = env.byte_count("MAX_USER_BYTES", default=limits.MAX_USER_BYTES)
MAX_USER_OPEN_UPLOADS = env.number(
    "MAX_USER_OPEN_UPLOADS", default=limits.MAX_USER_OPEN_UPLOADS, at_least=1, at_most=1_000_000
)
# Every original is shown to it before it is opened: clamd://host:port or clamd:///path/of/its/socket. Empty: none.
SCANNER_URL = env.scanner("SCANNER_URL")
# A publication is shown as going on for at least so long; nothing waits for it.
PUBLISH_VISIBLE_S = env.number("PUBLISH_VISIBLE_S", default=3, at_least=0, at_most=60)
# Downloads of one person that may be under way at once, in all web processes together.
ARCHIVES_AT_ONCE = env.number("ARCHIVES_AT_ONCE", default=4, at_least=1, at_most=1_000)
# How often one person may call, by kind of call.
CALL_RATES = env.rates("RATE_LIMITS", limits.CALL_RATES)

# An editor's notes of 512 KiB: JSON in ASCII has six bytes for two of UTF-8, and there is the name. Every other body is
# held to half of it (config/body_limit.py); photos never pass through Django.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

S3_BUCKET = env.text("S3_BUCKET")
S3_ENDPOINT_URL = env.text("S3_ENDPOINT_URL")
STORAGES: dict[str, dict[str, object]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "files"},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "local": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "objects", "base_url": "/-/objects/"},
    },
}
PHOTO_STORE_PUBLIC_ENDPOINTS: dict[str, str] = {}
if S3_BUCKET:
    STORAGES["s3"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": S3_ENDPOINT_URL or None,
            "region_name": env.text("S3_REGION", "us-east-1"),
            "access_key": env.text("S3_ACCESS_KEY_ID") or None,
            "secret_key": env.text("S3_SECRET_ACCESS_KEY") or None,
            "security_token": env.text("S3_SESSION_TOKEN") or None,
            "addressing_style": env.one_of("S3_ADDRESSING_STYLE", ("path", "virtual"), default="path"),
            "signature_version": "s3v4",
            "object_parameters": env.pairs("S3_OBJECT_PARAMETERS"),
        },
    }
    if public := env.text("S3_PUBLIC_ENDPOINT_URL", S3_ENDPOINT_URL):
        PHOTO_STORE_PUBLIC_ENDPOINTS["s3"] = public
GCS_BUCKET = env.text("GCS_BUCKET")
GCS_ENDPOINT_URL = env.text("GCS_ENDPOINT_URL")
# By alias: the file with the private key of the account that the site signs URLs as.
PHOTO_STORE_KEY_FILES: dict[str, str] = {}
if GCS_BUCKET:
    STORAGES["gcs"] = {
        "BACKEND": "storages.backends.gcloud.GoogleCloudStorage",
        "OPTIONS": {
            "bucket_name": GCS_BUCKET,
            "project_id": env.text("GCS_PROJECT") or None,
            "custom_endpoint": GCS_ENDPOINT_URL or None,
            "object_parameters": env.pairs("GCS_OBJECT_PARAMETERS"),
        },
    }
    PHOTO_STORE_KEY_FILES["gcs"] = env.text("GCS_CREDENTIALS", env.text("GOOGLE_APPLICATION_CREDENTIALS"))
    PHOTO_STORE_PUBLIC_ENDPOINTS["gcs"] = env.text(
        "GCS_PUBLIC_ENDPOINT_URL", GCS_ENDPOINT_URL or "https://storage.googleapis.com"
    )
PHOTO_STORE = env.one_of(
    "PHOTO_STORE",
    ("local", "s3", "gcs"),
    default="s3" if S3_BUCKET else "gcs" if GCS_BUCKET else "local",
)

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = (
    [BASE_DIR / "static" / "img"]
    if not (BASE_DIR / "static" / "dist").is_dir()
    else [
        ("dist", BASE_DIR / "static" / "dist"),
        ("img", BASE_DIR / "static" / "img"),
    ]
)
DJANGO_VITE = {
    "default": {
        "dev_mode": False,
        "manifest_path": BASE_DIR / "static" / "dist" / "manifest.json",
        "static_url_prefix": "dist",
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False


def storage_origins() -> list[str]:
    """Where the browser may send bytes to and show photos from, beside the site itself.

    Every store that is described, not the default alone: older photos stay where they were sent.
    """
    origins = list(PHOTO_STORE_PUBLIC_ENDPOINTS.values())
    if "s3" in STORAGES and "s3" not in PHOTO_STORE_PUBLIC_ENDPOINTS:
        origins.append("https://*.amazonaws.com")
    return origins


CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        # The nonce is for the one style sheet that Turbo writes for its progress bar.
        "style-src": ["'self'", NONCE],
        "img-src": ["'self'", "blob:", "data:", *storage_origins()],
        "connect-src": ["'self'", SITE_URL.replace("http", "ws", 1), *storage_origins()],
        "worker-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
    "EXCLUDE_URL_PREFIXES": ["/api/docs"],
}


def is_about_health(record: logging.LogRecord) -> bool:
    """A part that is not up yet is the answer of /healthz, not an error of ours."""
    return getattr(getattr(record, "request", None), "path", "") == "/healthz"


LOG_FORMAT = env.one_of("LOG_FORMAT", ("words", "json"), default="words")
# Whoever has it reads /metrics without being staff: for a scraper.
METRICS_TOKEN = env.secret("METRICS_TOKEN")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "but_health": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: not is_about_health(record),
        }
    },
    "formatters": {"line": {"()": "config.log_lines.line_of_choice"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr},
        "counted": {"class": "uploads.counters.WarningCounter", "level": "WARNING"},
    },
    "root": {
        "handlers": ["console", "counted"],
        "level": env.one_of("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO"),
    },
    "loggers": {
        "botocore": {"level": "WARNING"},
        "boto3": {"level": "WARNING"},
        # A bell that was heard is no news.
        "celery": {"level": "WARNING"},
        # Every refused call is an answer with a code, not an event of its own.
        "django.request": {"level": "ERROR", "filters": ["but_health"]},
    },
}
