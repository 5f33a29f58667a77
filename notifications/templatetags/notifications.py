"""The template tags that show the user's notifications live on a page."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape
from typing import Any

from django import template
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.contrib.messages import get_messages
from django.contrib.messages.constants import DEFAULT_TAGS
from django.http import HttpRequest
from django.http.request import HttpHeaders
from django.middleware.csrf import get_token
from django.template import Context
from django.urls import get_script_prefix
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from ..message.kinds import Level
from ..message.recipients import user_key
from ..store import user_state
from ..store.feed import StartingPoint, starting_point
from ..wire.items import timestamp
from ..wire.protocol import SOCKET_PATH

BADGE_MAX = 99

register = template.Library()


@register.inclusion_tag("notifications/widget.html", takes_context=True)
def notifications_widget(
    context: Context, bell: bool = True, messages: bool = False
) -> dict[str, Any]:
    """Show toasts, and a bell in the place of the tag. Use it once per page, such as in the header.

    With `messages` it shows those of `django.contrib.messages` as toasts, also to visitors who are
    not logged in, who see nothing else. Without a request in the context, as on error pages, it
    renders nothing.
    """
    request = context.get("request")
    if request is None:
        return {}
    state = user_state.of_visitor(request)
    start = starting_point(state) if state else None
    shown = {
        "bell": bell,
        "messages": _taken(context, request) if messages else [],
        **bell_context(start),
    }
    if state is None:
        return shown
    inbox, quiet = state.inbox, ""
    # For broadcasts, which are the same for all users: the page decides about the toast.
    if inbox.quiet_from is not None and inbox.quiet_until is not None:
        quiet = f"{inbox.quiet_from:%H:%M} {inbox.quiet_until:%H:%M} {inbox.time_zone}"
    return shown | {
        "quiet": quiet,
        "user_pk": str(user_key(request.user)),
        "socket": get_script_prefix() + SOCKET_PATH,
        "now": timestamp(datetime.now(UTC)),
        "login_url": redirect_to_login(request.get_full_path()).url,
        # From the page, because settings may hide the cookie from scripts or use none.
        "csrf": get_token(request),
        "csrf_header": HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or "X-CSRFToken",
    }


@register.inclusion_tag("notifications/_bell.html", takes_context=True)
def notifications_bell(context: Context) -> dict[str, Any]:
    """Show another bell on a page that has the widget."""
    request = context.get("request")
    state = user_state.of_visitor(request) if request else None
    return bell_context(starting_point(state) if state else None)


def bell_context(start: StartingPoint | None) -> dict[str, Any]:
    """Return the context of the bell's template; {} for a visitor who is not logged in."""
    if start is None:
        return {}
    label = gettext("Notifications, {n} unread") if start.unread else gettext("Notifications")
    return {
        "start": start,
        "badge": start.unread if start.unread <= BADGE_MAX else f"{BADGE_MAX}+",
        "bell_label": label.replace("{n}", str(start.unread)),
    }


def _taken(context: Context, request: HttpRequest) -> list[dict[str, str]]:
    messages = get_messages(request)
    if getattr(messages, "used", False):  # the page has shown them itself
        return []
    # The page's own list of messages, if it comes later, is empty. The dicts are replaced, not
    # changed, because projects' tests look at the context that the page began with.
    context.dicts[:] = [
        {**each, "messages": []} if "messages" in each else each for each in context.dicts
    ]
    taken: list[dict[str, str]] = []
    for message in messages:
        # A project may rename the tags, for instance to "danger"; the numbers stay.
        names = [message.level_tag, DEFAULT_TAGS.get(message.level)]
        level = next((name for name in names if name in Level.values), Level.INFO)
        text = message.message
        shown = unescape(strip_tags(text)) if isinstance(text, SafeString) else str(text)
        taken.append({"level": level, "text": shown})
    return taken
