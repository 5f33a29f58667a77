"""The feed, the list and the verbs as JSON over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from django.middleware.csrf import get_token
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from ...actions import marks
from ...message.recipients import user_key
from ...store import feed, user_state
from ...wire.commands import parse_ids, read_json
from ...wire.items import timestamp
from ...wire.protocol import OtherUserError, ProtocolError, Resume, check_user, whole_number
from .listing import Listing

LIST_LIMIT_MAX = 100

View = Callable[..., HttpResponse]


def api(view: View) -> View:
    """Wrap a view to answer 401 to all but the page's user and 400 to bad input, as JSON."""

    # Django's LoginRequiredMiddleware would redirect to a page that a script cannot read.
    @login_not_required
    @never_cache
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return _error(401, "login_required", "Log in; the session cookie says who you are.")
        try:
            check_user(request.GET.dict(), user_key(request.user))
            return view(request)
        except OtherUserError as exc:
            return _error(401, exc.code, str(exc))
        except ProtocolError as exc:
            return _error(400, exc.code, str(exc))

    return checked


def answer(request: HttpRequest, content: dict[str, Any]) -> HttpResponse:
    """Return JSON, with a valid CSRF token and the server's time in headers."""
    # A log-in in another tab makes the token of an open page invalid. The page uses this time
    # because the clock of its computer may be wrong.
    headers = {"X-CSRFToken": get_token(request), "X-Server-Time": timestamp(datetime.now(UTC))}
    return JsonResponse(content, headers=headers)


def posted_json(request: HttpRequest, example: str) -> Any:
    """Return the posted JSON; raise `ProtocolError` with the example if it is not JSON."""
    try:
        return read_json(request.body)
    except (ValueError, RawPostDataException) as exc:
        raise ProtocolError(f"The body is not JSON: {exc}. Send {example}.") from exc


def posted(request: HttpRequest, example: str) -> dict[str, Any]:
    """Return the posted object; raise `ProtocolError` with the example if it is none."""
    body = posted_json(request, example)
    if not isinstance(body, dict):
        raise ProtocolError(f"The body must be an object such as {example}.")
    return body


@require_GET
@api
def feed_page(request: HttpRequest) -> HttpResponse:
    """Answer with what a socket would send after a cursor."""
    page = feed.read(user_key(request.user), Resume.from_query(request.GET.dict()))
    return answer(
        request,
        {
            "epoch": str(page.epoch),
            "cursor": page.cursor.as_json(),
            "unread": page.unread,
            "reset": page.reset,
            "more": page.more,
            "items": page.items,
        },
    )


@require_GET
@api
def items(request: HttpRequest) -> HttpResponse:
    """Answer with the newest notifications, or those that follow an id in the list."""
    asked_for = request.GET.get("limit", "20")
    limit = whole_number(asked_for)
    if limit is None or not 0 < limit <= LIST_LIMIT_MAX:
        raise ProtocolError(
            f"limit is {asked_for[:20]!r}; it must be a whole number from 1 to {LIST_LIMIT_MAX}."
        )
    unread = request.GET.get("unread", "")
    if unread not in ("", "0", "1"):
        raise ProtocolError(f"unread is {unread[:20]!r}; it must be 0 or 1.")
    state = user_state.of(user_key(request.user))
    listing = Listing(state, unread=unread == "1")
    before = request.GET.get("before")
    if before:
        anchor = listing.find(*parse_ids([before]))
        rows = listing.before(anchor, limit + 1) if anchor else []
    else:
        rows = listing.newest(limit + 1)
    following = rows[limit - 1].item_id if len(rows) > limit else None
    shown = [state.item(row) for row in rows[:limit]]
    return answer(request, {"items": shown, "next": following})


@require_POST
@api
def read(request: HttpRequest) -> HttpResponse:
    """Mark notifications as read."""
    marks.mark_read(request.user, _posted_ids(request))
    return _current_state(request)


@require_POST
@api
def unread(request: HttpRequest) -> HttpResponse:
    """Mark notifications as unread."""
    marks.mark_unread(request.user, _posted_ids(request))
    return _current_state(request)


@require_POST
@api
def remove(request: HttpRequest) -> HttpResponse:
    """Remove notifications from the inbox."""
    marks.remove(request.user, _posted_ids(request))
    return _current_state(request)


@require_POST
@api
def restore(request: HttpRequest) -> HttpResponse:
    """Restore removed notifications."""
    marks.restore(request.user, _posted_ids(request))
    return _current_state(request)


@require_POST
@api
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark all notifications as read."""
    marks.mark_all_read(request.user)
    return _current_state(request)


def _current_state(request: HttpRequest) -> HttpResponse:
    state = user_state.of(user_key(request.user))
    return JsonResponse({"unread": state.unread, "cursor": state.head.as_json()})


def _posted_ids(request: HttpRequest) -> tuple[str, ...]:
    return parse_ids(posted(request, '{"ids": ["n5120"]}').get("ids"))


def _error(status: int, code: str, detail: str) -> HttpResponse:
    return JsonResponse({"error": {"code": code, "detail": detail}}, status=status)
