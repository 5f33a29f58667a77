"""The project's settings. Values that differ between machines come from the environment.

`DEBUG` is off unless the environment turns it on, as `make run` does, so forgetting it is safe.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from notifier.broker.location import socket_path, socket_url
from notifier.environment import Environment, read_development_file
from notifier.logs import in_one_line
from notifier.private_files import PrivateSQLite, make_private_directory

BASE_DIR = Path(__file__).resolve().parent.parent
DEVELOPMENT_KEY = "django-insecure-for-development-only"

env = Environment()

VAR_DIR = Path(env.text("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
IS_DEVELOPMENT_FILE_READ = read_development_file(VAR_DIR)

# Servers refuse DEVELOPMENT_KEY with DEBUG off: see startup.py.
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY", default=DEVELOPMENT_KEY)
SECRET_KEY_FALLBACKS = env.texts("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.texts("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.texts("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "whitenoise.runserver_nostatic",
    "notifier",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "channels",
    "csp",
    "notifications",
    "accounts",
    "demo",
]

MIDDLEWARE = [
    "notifier.healthz.health_middleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "notifier.urls"
# For commands such as the doctor; servers load asgi.py, which prepares to serve.
ASGI_APPLICATION = "notifier.routing.application"
WSGI_APPLICATION = "notifier.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


# Accounts

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.backends.ThrottlingBackend",
    f"notifier.backends.{'DemoPasswordBackend' if DEBUG else 'NoDemoPasswordBackend'}",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL

# Limits on attempts to log in: see accounts/throttling.py.
AXES_HANDLER = "accounts.throttling.AttemptHandler"
AXES_LOCKOUT_CALLABLE = "accounts.throttling.locked_out"
AXES_CLIENT_IP_CALLABLE = "accounts.throttling.address_of"
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
# The number of this site's proxies that append to X-Forwarded-For; with 0 it is ignored.
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", default=0)


# Database


_SQLITE = {
    "factory": PrivateSQLite,
    # A transaction that starts with a read cannot wait for the write lock: it fails at once.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # Small caches, because the threads of the sockets keep their connections.
    "cached_statements": 16,
    "init_command": (
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
        "PRAGMA cache_size = -256"
    ),
}
_POSTGRESQL = {
    "pool": {
        "min_size": 1,
        "max_size": env.number("DATABASE_POOL_SIZE", default=20, least=1),
        "timeout": 10,
    },
}

_database = env.database("DATABASE_URL", default=f"sqlite:///{quote(str(VAR_DIR / 'db.sqlite3'))}")
_adapt = _SQLITE if "sqlite" in _database["ENGINE"] else _POSTGRESQL
DATABASES = {
    "default": {
        **_database,
        "OPTIONS": {**_adapt, **_database.get("OPTIONS", {})},
        # Under ASGI threads come and go, and a connection kept by one would never be closed.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if DATABASES["default"]["NAME"] == str(VAR_DIR / "db.sqlite3"):
    make_private_directory(VAR_DIR)


# Redis: the channel layer, the cache and, through it, the sessions

BROKER_SOCKET = None if "REDIS_URL" in os.environ else socket_path(VAR_DIR)
REDIS_URL = env.address("REDIS_URL", default=socket_url(socket_path(VAR_DIR)))

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": env.text(
            "CHANNEL_LAYER", default="notifications.delivery.layers.RedisPubSubLayer"
        ),
        "CONFIG": {"hosts": [REDIS_URL]},
    },
}
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_FUNCTION": "notifier.caching.key_of_site",
        "OPTIONS": {
            # A lost or hung Redis makes pages slower by these times but does not break them.
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
            "CONNECTION_POOL_KWARGS": {
                # redis-py would retry for seconds. One retry is enough for a connection that Redis
                # has closed; a time-out is not retried.
                "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
                "max_connections": 1000,
            },
        },
    },
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"


# Language and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC")
USE_TZ = True


# Static files

STATIC_URL = "static/"
STATIC_ROOT = env.text("STATIC_ROOT", default=str(VAR_DIR / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "notifier.storage.HashedStaticFiles"
        ),
    },
}
# With DEBUG, files are served from their source directories, without `collectstatic`.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG


# Security. HTTPS=0 is for a site without TLS, such as one inside a closed network.

HTTPS = env.flag("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=HTTPS)
SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_PRELOAD", default=HTTPS)
if env.flag("TRUST_FORWARDED_PROTO", default=False):
    # Only behind a proxy that sets or strips this header itself.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}


# Notifications

globals().update(env.settings_of_the_app())


# Logs

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "filters": {
        "in_one_line": {"()": "django.utils.log.CallbackFilter", "callback": in_one_line},
        "once_per_minute": {"()": "notifications.logs.OncePerMinute"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["once_per_minute"],
        },
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"level": "WARNING"},
        "uvicorn": {"propagate": True},  # without handlers of its own
        "django_redis.cache": {"filters": ["in_one_line"]},
        "notifications": {"level": env.log_level("LOG_LEVEL", default="INFO")},
        "notifier": {"level": env.log_level("LOG_LEVEL", default="INFO")},
    },
}
