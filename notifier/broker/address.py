"""Checks that REDIS_URL names a Redis that this site can use.

It refuses errors that do not pass by waiting: an illegal address, a server that is not a Redis or
refuses the log-in. A server that does not answer may answer later; meanwhile only hints are lost.
"""

import os
import socket
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    InvalidResponse,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from notifier.broker.location import PATH_MAX_BYTES

RIGHT = "It must be like redis://host:6379/0, rediss://host:6379/0 or unix:///run/redis.sock."
ANSWER_SECONDS = 1
REFUSALS = (
    AuthenticationError,
    AuthorizationError,
    InvalidResponse,
    ResponseError,
    # redis-py raises these for illegal hosts and options.
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
)
# Errors of the system that do not pass by waiting.
DEAD_ENDS = (PermissionError, ssl.SSLError)
BAD_PORT = "its port is not a number from 1 to 65535"


def refuse_address(url: str) -> None:
    """Raise `ImproperlyConfigured` if `url` is not the address of a Redis, without connecting."""
    try:
        parse_url(url)  # type: ignore[no-untyped-call]
        parts = urlsplit(url)
        port = parts.port
        ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, RedisError) as exc:
        # An error about the port may contain a part of the password.
        raise _unusable(BAD_PORT if "Port" in str(exc) else f"{exc}".rstrip(".")) from None
    database = unquote(parts.path).strip("/")
    if port == 0:
        raise _unusable(BAD_PORT)
    if parts.scheme == "unix":
        _refuse_socket(parts.netloc, Path(unquote(parts.path)))
    elif not parts.hostname:
        raise _unusable("it names no host")
    elif database and not database.isdecimal():
        raise _unusable(f"its database is {database!r}, which is not a number")


def complaint(url: str) -> str:
    """Connect to the server; return the reason why it does not answer now, or "".

    Raises `ImproperlyConfigured` if waiting would not help.
    """
    try:
        with Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            client.ping()
    except (RedisError, OSError, *REFUSALS) as exc:
        cause = exc.__context__
        is_no_host = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
        if is_no_host or isinstance(exc, REFUSALS) or isinstance(cause, DEAD_ENDS):
            raise _unusable(str(exc).rstrip(".")) from exc
        return str(exc).rstrip(".")
    return ""


def _refuse_socket(host: str, path: Path) -> None:
    if host or not path.is_absolute():
        raise _unusable("a socket's path must be absolute, so three slashes follow unix:")
    if len(os.fsencode(path)) > PATH_MAX_BYTES:
        raise _unusable(f"a socket's path may have at most {PATH_MAX_BYTES} bytes")
    # The socket itself may be missing: a Redis that ends removes it.
    if not path.parent.is_dir():
        raise _unusable(f"there is no directory {path.parent}")
    if path.exists() and not path.is_socket():
        raise _unusable(f"{path} is not a socket")


def _unusable(reason: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"REDIS_URL is unusable: {reason}. {RIGHT}")
