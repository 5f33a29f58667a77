"""Checks a socket: whether it opens, knows the user and receives a live message."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib import import_module
from time import perf_counter
from typing import Any
from uuid import uuid4

from channels.routing import get_default_application
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from ...actions.topics import apublish
from ...topics.signing import sign_topic
from ...wire.protocol import CloseCode
from ..names import find_users
from .findings import Finding, in_one_line, milliseconds, noted, well, wrong
from .patient import Patient
from .wires import ClosedError, Frame, UnopenedError, Wire, in_process, origin_of, to_address

ADVICE = "Check the server, its log, and any proxy in front of it."
SESSION_SECONDS = 60
AGAIN_SECONDS = 0.5
LIVE_SECONDS = 2.0

NOT_OPENED = {
    0: "Check that a server listens at this address and that no firewall or proxy blocks it.",
    403: "The origin {origin} is neither the site's, by scheme, host and port, nor one of "
    "CSRF_TRUSTED_ORIGINS, or the host is not in ALLOWED_HOSTS. A proxy has to pass on Host, and "
    "with TLS the header of SECURE_PROXY_SSL_HEADER. Use --origin to try another origin.",
    404: "Check the path, and that an ASGI server answers: WSGI has no WebSockets.",
}
LOG = "The server's log says more."
PROXY = "The proxy or server there does not pass Upgrade and Connection on to the ASGI server."
CLOSED: dict[int, str] = {
    CloseCode.LOGIN_REQUIRED: "The server does not know the session: does it use the same "
    "database, SECRET_KEY, SESSION_ENGINE and SESSION_COOKIE_NAME as this command?",
    CloseCode.FORBIDDEN: "The account is not active.",
    CloseCode.TOO_MANY: "This user has NOTIFICATIONS_MAX_SOCKETS_PER_USER sockets already.",
    CloseCode.FULL: "The server has NOTIFICATIONS_MAX_SOCKETS sockets, or no database.",
    CloseCode.RESTART: "The server is shutting down. Run this command again in a moment.",
}


def look_at_socket(patient: Patient) -> Finding:
    """Open a socket as the user; without a user, check that the server closes it."""
    try:
        user = next(iter(find_users([patient.user]))) if patient.user else None
    except ValueError as exc:
        return wrong(str(exc), "Name another --user.")
    where = patient.url or getattr(settings, "ASGI_APPLICATION", "ASGI_APPLICATION")
    origin = patient.origin or origin_of(patient.url)
    try:
        with _cookies_of(user) as cookies:
            if patient.url:
                wire = to_address(patient.url, origin, cookies)
            else:
                wire = in_process(get_default_application(), origin, cookies)
            return asyncio.run(_as_user(wire, patient) if cookies else _as_nobody(wire))
    except UnopenedError as exc:
        advice = NOT_OPENED.get(exc.status, LOG if exc.status >= 500 else PROXY)
        return wrong(f"{where} opens no socket: {exc}.", advice.format(origin=origin))
    except ClosedError as exc:
        advice = CLOSED.get(exc.code, LOG)
        return wrong(f"{where} closed the socket with {exc.code}.", advice, code=exc.code)
    except Exception as exc:  # of the site's application, or of its asgi.py
        return wrong(f"{where} fails: {in_one_line(exc)}", ADVICE)


# A session as log-in creates it, but without the signals.
@contextmanager
def _cookies_of(user: Any) -> Iterator[dict[str, str]]:
    if user is None:
        yield {}
        return
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = user._meta.pk.value_to_string(user)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    if hasattr(user, "get_session_auth_hash"):
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.set_expiry(SESSION_SECONDS)  # in case this process is killed
    session.save()
    try:
        yield {settings.SESSION_COOKIE_NAME: session.session_key}
    finally:
        session.delete(session.session_key)


async def _as_nobody(opening: AbstractAsyncContextManager[Wire]) -> Finding:
    started = perf_counter()
    async with opening as wire:
        try:
            frame = await wire.receive()
        except ClosedError as exc:
            if exc.code != CloseCode.LOGIN_REQUIRED:
                raise
            seconds = perf_counter() - started
            return well(
                f"Opened, and closed with {exc.code:d} because nobody is logged in, in "
                f"{milliseconds(seconds)}. Use --user NAME to check more.",
                code=exc.code,
                seconds=seconds,
            )
    return wrong(
        f"A socket without a session gets a frame: {frame.get('type')!r}.",
        "Check that this is the address of the notification socket.",
    )


async def _as_user(opening: AbstractAsyncContextManager[Wire], patient: Patient) -> Finding:
    started = perf_counter()
    async with opening as wire:
        await _receive(wire, "welcome")
        welcomed = perf_counter() - started
        if "broker" in patient.unwell:
            return well(
                f"Welcomed in {milliseconds(welcomed)}; no live messages, because of the broker.",
                welcomed=welcomed,
            )
        try:
            async with asyncio.timeout(LIVE_SECONDS):
                live = await _live_round_trip(wire)
        except TimeoutError:
            return wrong(
                f"Welcomed in {milliseconds(welcomed)}, but a live message did not arrive.",
                "Check that the server and this command use the same broker and the same prefix "
                "in CHANNEL_LAYERS.",
                welcomed=welcomed,
            )
    if live is None:
        return noted(
            f"Welcomed in {milliseconds(welcomed)}; it refuses a topic that was signed here.",
            "Check that the server and this command have the same SECRET_KEY.",
            welcomed=welcomed,
        )
    return well(
        f"Welcomed in {milliseconds(welcomed)}; a live message arrived in {milliseconds(live)}.",
        welcomed=welcomed,
        live=live,
    )


# Through a topic that nobody else knows, so nothing is stored and no user sees it.
async def _live_round_trip(wire: Wire) -> float | None:
    topic = f"notifications.doctor.{uuid4().hex}"
    await wire.send({"type": "subscribe", "topic": sign_topic(topic), "ref": "doctor"})
    if (await _receive(wire, "ok", "error"))["type"] == "error":
        return None
    while not await _arrives(wire, topic):
        continue
    started = perf_counter()
    while not await _arrives(wire, topic):
        started = perf_counter()
    return perf_counter() - started


async def _arrives(wire: Wire, topic: str) -> bool:
    message = uuid4().hex
    await apublish(topic, message)
    try:
        async with asyncio.timeout(AGAIN_SECONDS):
            while (await _receive(wire, "message"))["data"] != message:
                continue
    except TimeoutError:
        return False
    return True


async def _receive(wire: Wire, *types: str) -> Frame:
    while (frame := await wire.receive())["type"] not in types:
        continue
    return frame
