"""`{% notifications_widget %}`: what a page needs to show its user's notifications live."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.middleware.csrf import get_token
from django.shortcuts import resolve_url
from django.template import Context
from django.urls import get_script_prefix

from ..feed import starting_point
from ..protocol import SOCKET_PATH

register = template.Library()


@register.inclusion_tag("notifications/widget.html", takes_context=True)
def notifications_widget(context: Context) -> dict[str, Any]:
    """Show toasts on this page for a logged-in user; put it before `</body>`.

    It renders nothing for anybody else, nor where the context has no request, as on error pages.
    """
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return {}
    return {
        "start": starting_point(user),
        "socket": get_script_prefix() + SOCKET_PATH,
        "login_url": resolve_url(settings.LOGIN_URL),
        # From the page, because settings may hide the cookie from scripts or do without it.
        "csrf": get_token(request),
    }
