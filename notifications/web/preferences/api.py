"""A user's mutes and quiet hours as JSON over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_time
from django.views.decorators.http import require_GET, require_POST

from ...actions import preferences
from ...message.times import storable
from ...wire.commands import shown
from ...wire.items import timestamp
from ...wire.protocol import ProtocolError
from ..inbox.api import answer, api, posted, posted_json

DETAIL_MAX_CHARS = 500
THREADS_PER_ANSWER = 1000

_MUTE = '{"group_key": "order-7", "until": "2027-01-01T00:00:00Z"}'
_UNMUTE = '{"kind": "order.shipped"}'
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")
_QUIET_HOURS = '{"from": "22:00", "until": "07:00", "time_zone": "Europe/Berlin"} or null'


@require_GET
@api
def mutes(request: HttpRequest) -> HttpResponse:
    """Answer with the kinds, the muted threads and the quiet hours."""
    return _preferences(request)


@require_POST
@api
def mute(request: HttpRequest) -> HttpResponse:
    """Mute a kind or a thread."""
    body = posted(request, _MUTE)
    with _refusals_as_answers():
        preferences.mute(request.user, **_named(body), until=_moment(body.get("until")))
    return _preferences(request)


@require_POST
@api
def unmute(request: HttpRequest) -> HttpResponse:
    """Unmute a kind or a thread."""
    body = posted(request, _UNMUTE)
    with _refusals_as_answers():
        preferences.unmute(request.user, **_named(body))
    return _preferences(request)


@require_POST
@api
def quiet_hours(request: HttpRequest) -> HttpResponse:
    """Set or clear the quiet hours."""
    if posted_json(request, _QUIET_HOURS) is None:
        preferences.clear_quiet_hours(request.user)
        return _preferences(request)
    body = posted(request, _QUIET_HOURS)
    starts, ends = (_time(name, body.get(name)) for name in ("from", "until"))
    with _refusals_as_answers():
        preferences.set_quiet_hours(request.user, starts, ends, _text("time_zone", body))
    return _preferences(request)


def _preferences(request: HttpRequest) -> HttpResponse:
    with _refusals_as_answers():
        stored = preferences.preferences_of(
            request.user, after=request.GET.get("after", ""), max_threads=THREADS_PER_ANSWER
        )
    hours = stored.quiet_hours
    content = {
        "kinds": [
            {
                "kind": each.kind.name,
                "label": str(each.kind.label),
                "group": str(each.kind.group),
                "critical": each.kind.critical,
                "muted": each.is_muted,
                "until": _until(each.until),
            }
            for each in stored.kinds
        ],
        "threads": [
            {"group_key": each.key, "title": each.title, "until": _until(each.until)}
            for each in stored.threads
        ],
        "next": stored.threads[-1].key if stored.has_more else None,
        "quiet_hours": hours
        and {
            "from": f"{hours.starts:%H:%M}",
            "until": f"{hours.ends:%H:%M}",
            "time_zone": hours.time_zone,
        },
    }
    return answer(request, content)


def _until(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _named(body: dict[str, Any]) -> dict[str, Any]:
    return {"kind": _text("kind", body), "thread": _text("group_key", body)}


def _text(name: str, body: dict[str, Any]) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise ProtocolError(f"{name} is {shown(value)}; it must be a string.")
    return value


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        is_text = isinstance(value, str) and value.isascii()
        moment = parse_datetime(str(value)) if is_text else None
        if moment is None or timezone.is_naive(moment):
            raise ValueError("It is not a moment with a time zone.")
        return storable(moment.astimezone(UTC))
    except (ValueError, OverflowError) as exc:
        raise ProtocolError(
            f"until is {shown(value)}; it must be null or a moment with a time zone, such as "
            "2027-01-01T00:00:00Z."
        ) from exc


def _time(name: str, value: object) -> time:
    try:
        # parse_time() drops an offset, and reads digits of every script.
        is_time = isinstance(value, str) and _TIME.fullmatch(value)
        parsed = parse_time(str(value)) if is_time else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise ProtocolError(f"{name} is {shown(value)}; it must be a time such as 22:00.")
    return parsed


@contextmanager
def _refusals_as_answers() -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as exc:
        raise ProtocolError(str(exc)[:DETAIL_MAX_CHARS]) from exc
