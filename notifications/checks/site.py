"""Checks of the site around the app: its URLs, templates, sessions and database connections."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core import checks
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from ..realtime.auth import has_lasting_keys
from ..wire.protocol import SOCKET_PATH
from .layer import is_test_run

NAMESPACE = "notifications"
REQUEST = "django.template.context_processors.request"
CACHED_SESSIONS = (
    "django.contrib.sessions.backends.cache",
    "django.contrib.sessions.backends.cached_db",
)
UNSHARED_CACHES = (
    "django.core.cache.backends.locmem.LocMemCache",
    "django.core.cache.backends.dummy.DummyCache",
)


@checks.register(checks.Tags.templates)
def check_templates(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W002: without the request in templates the widget renders nothing."""
    engines: list[dict[str, Any]] = settings.TEMPLATES
    options = [engine.get("OPTIONS", {}) for engine in engines]
    if not options or any(REQUEST in each.get("context_processors", ()) for each in options):
        return []
    return [
        checks.Warning(
            "No template engine has the context processor that {% notifications_widget %} needs.",
            hint=f'Add "{REQUEST}" to OPTIONS["context_processors"] in TEMPLATES.',
            id="notifications.W002",
        )
    ]


@checks.register(checks.Tags.caches)
def check_session_cache(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W006: sessions are in a cache that processes do not share."""
    if settings.SESSION_ENGINE not in CACHED_SESSIONS or is_test_run():
        return []
    alias = settings.SESSION_CACHE_ALIAS
    backend = settings.CACHES.get(alias, {}).get("BACKEND")
    if backend not in UNSHARED_CACHES:
        return []
    return [
        checks.Warning(
            f"Sessions are in the cache {alias!r}, which processes do not share: a log-in or "
            "log-out in one of them is unknown to the others.",
            hint="Use a shared cache, such as django.core.cache.backends.redis.RedisCache, or "
            'SESSION_ENGINE = "django.contrib.sessions.backends.db".',
            id="notifications.W006",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_cookie_sessions(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W015: nobody can look up whether a session in a cookie has ended."""
    if has_lasting_keys():
        return []
    return [
        checks.Warning(
            "Sessions are in signed cookies, which nobody can end: after a log-out while the "
            "broker is away, the session's sockets stay open until the cookie expires.",
            hint='Use SESSION_ENGINE = "django.contrib.sessions.backends.cached_db" or "….db".',
            id="notifications.W015",
        )
    ]


@checks.register(checks.Tags.urls)
def check_session_path(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W016: browsers do not send the session cookie to the socket."""
    prefix = settings.FORCE_SCRIPT_NAME or ""
    socket = f"{prefix.rstrip('/')}/{SOCKET_PATH}"
    path = settings.SESSION_COOKIE_PATH
    if f"{socket}/".startswith(f"{path.rstrip('/')}/"):
        return []
    return [
        checks.Warning(
            f"SESSION_COOKIE_PATH is {path!r}: browsers do not send the cookie to the socket at "
            f"{socket}, so nobody is logged in there.",
            hint='Use SESSION_COOKIE_PATH = "/", or FORCE_SCRIPT_NAME if the whole site is below '
            "that path.",
            id="notifications.W016",
        )
    ]


@checks.register(checks.Tags.urls)
def check_addresses(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W011: the app's URLs are missing, so pages with the widget fail."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        reverse(f"{NAMESPACE}:feed")
    except NoReverseMatch:
        return [
            checks.Warning(
                "The app's URLs are not in ROOT_URLCONF: pages with "
                "{% notifications_widget %} fail.",
                hint='Add path("notifications/", include("notifications.urls")) to urlpatterns; no '
                f"other app may have the namespace {NAMESPACE!r}.",
                id="notifications.W011",
            )
        ]
    return []


@checks.register(checks.Tags.urls)
def check_reachable(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W013: an earlier pattern takes the app's URLs."""
    if not getattr(settings, "ROOT_URLCONF", None) or check_addresses():
        return []
    from ..urls import urlpatterns

    names = [pattern.name for pattern in urlpatterns if pattern.name]
    taken = {name: view for name in names if (view := _taken_by(name))}
    if not taken:
        return []
    first = next(iter(taken))
    return [
        checks.Warning(
            f"{len(taken)} of the app's URLs lead elsewhere, such as "
            f"{reverse(f'{NAMESPACE}:{first}')} to {taken[first]}: an earlier pattern in the "
            "URLconf, perhaps a catch-all, matches them.",
            hint='Move path("notifications/", include("notifications.urls")) above that pattern.',
            id="notifications.W013",
        )
    ]


def _taken_by(name: str) -> str:
    path = unquote(reverse(f"{NAMESPACE}:{name}")).removeprefix(get_script_prefix())
    try:
        match = resolve(f"/{path}")
    except Resolver404:
        return "no view"
    is_ours = NAMESPACE in match.app_names and match.url_name == name
    return "" if is_ours else match.view_name


@checks.register(checks.Tags.database, deploy=True)
def check_connections(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W012: under ASGI, persistent connections outlive their threads."""
    kept = [
        alias
        for alias, each in settings.DATABASES.items()
        if each.get("CONN_MAX_AGE", 0) != 0
        and not str(each.get("ENGINE", "")).endswith("sqlite3")  # a file
    ]
    return [
        checks.Warning(
            f"The database {alias!r} has CONN_MAX_AGE. Under ASGI each thread keeps a connection "
            "of its own, until the database has too many.",
            hint="Set CONN_MAX_AGE = 0 in the settings of processes that run under ASGI; on "
            'PostgreSQL "OPTIONS": {"pool": True} keeps connections instead.',
            id="notifications.W012",
        )
        for alias in kept
    ]
