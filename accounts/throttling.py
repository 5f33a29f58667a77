"""Limits attempts to guess passwords or names, in the tables of django-axes.

An attempt is counted before its password is checked, and forgotten if that is right, so that
simultaneous guesses cannot exceed the limit.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.db.models import F, Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

# Per AXES_COOLOFF_TIME. An office may share one address. The limit of a name does not apply at
# addresses from which its user has logged in before.
TRIES_PER_NAME_AND_ADDRESS = 10
TRIES_PER_ADDRESS = 30
TRIES_PER_NAME = 30
SIGN_UPS_PER_ADDRESS = 20

SIGN_UP = ""
NAME_MAX_LENGTH = 255
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104  such as the peer of a Unix socket
IPV6_PREFIX = 64

Attempts = QuerySet[AccessAttempt]
View = Callable[..., Any]


class AttemptHandler(AxesDatabaseHandler):  # type: ignore[misc]  # untyped base
    """The handler by which axes reports the outcome of log-ins."""

    def user_login_failed(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the backend has already counted the attempt."""

    def user_logged_in(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        """Forget the user's attempts from this address, and remember it as one of theirs."""
        name, address = _stored(user.get_username()), address_of(request)
        forget(request, name)
        known = AccessLog.objects.filter(username=name, ip_address=address)
        if not known.update(attempt_time=timezone.now()):
            AccessLog.objects.create(username=name, ip_address=address)

    def user_logged_out(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


def may_try(request: HttpRequest, name: str) -> bool:
    """Count an attempt for a name, or to sign up; tell whether it is allowed.

    If it is not, answer with `locked_out(request)`.
    """
    name, address = _stored(name), address_of(request)
    AccessAttempt.objects.filter(attempt_time__lte=_threshold()).delete()
    if not (full := _full(name, address)):
        attempt, _ = AccessAttempt.objects.get_or_create(
            username=name, ip_address=address, user_agent="", defaults={"failures_since_start": 0}
        )
        AccessAttempt.objects.filter(pk=attempt.pk).update(
            failures_since_start=F("failures_since_start") + 1, attempt_time=timezone.now()
        )
        full = _full(name, address, one_more=True)
    if full:
        newest = max(attempts.aggregate(newest=Max("attempt_time"))["newest"] for attempts in full)
        wait = newest - _threshold()
        request.throttled_seconds = max(1, ceil(wait.total_seconds()))  # type: ignore[attr-defined]
    return not full


def forget(request: HttpRequest, name: str) -> None:
    """Forget the attempts for a name from this address, after a successful one."""
    AccessAttempt.objects.filter(username=_stored(name), ip_address=address_of(request)).delete()


@never_cache
def locked_out(request: HttpRequest, *args: Any) -> HttpResponse:
    """Render the page that there were too many attempts and how long to wait, with status 429."""
    seconds: int = getattr(request, "throttled_seconds", 1)
    context = {"minutes": ceil(seconds / 60)}
    response = render(request, "accounts/locked_out.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


def throttled(view: View) -> View:
    """Limit the attempts in a view that checks the user's password and redirects if it is right."""

    def throttled_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        name = request.user.get_username()
        if request.method != "POST" or not name:
            return view(request, *args, **kwargs)
        if not may_try(request, name):
            return locked_out(request)
        response = view(request, *args, **kwargs)
        if response.status_code == 302:
            forget(request, name)
        return response

    return throttled_view


def address_of(request: HttpRequest) -> str:
    """Return the client's address to count by; of an IPv6 address its /64 network.

    `X-Forwarded-For` counts only as far as TRUSTED_PROXIES have written it.
    """
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    proxies: int = settings.TRUSTED_PROXIES
    peer = request.META.get("REMOTE_ADDR") or UNKNOWN_ADDRESS
    if 0 < proxies <= len(hops):
        # Some proxies append the port, and put an IPv6 address in brackets.
        host, _, _port = hops[-proxies].strip().lstrip("[").partition("]")
        peer = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return UNKNOWN_ADDRESS
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # A client usually has the whole network.
    return str(ipaddress.IPv6Network((int(address), IPV6_PREFIX), strict=False).network_address)


def _full(name: str, address: str, *, one_more: bool = False) -> list[Attempts]:
    return [
        attempts
        for attempts, limit in _limits(name, address)
        if (attempts.aggregate(tries=Sum("failures_since_start"))["tries"] or 0) >= limit + one_more
    ]


def _limits(name: str, address: str) -> Iterator[tuple[Attempts, int]]:
    recent = AccessAttempt.objects.filter(attempt_time__gt=_threshold())
    if name == SIGN_UP:
        yield recent.filter(username=name, ip_address=address), SIGN_UPS_PER_ADDRESS
        return
    yield recent.filter(username=name, ip_address=address), TRIES_PER_NAME_AND_ADDRESS
    yield recent.filter(ip_address=address).exclude(username=SIGN_UP), TRIES_PER_ADDRESS
    if not AccessLog.objects.filter(username=name, ip_address=address).exists():
        yield recent.filter(username=name), TRIES_PER_NAME


def _threshold() -> Any:
    return timezone.now() - settings.AXES_COOLOFF_TIME


# A name from outside may be longer than the column and contain NUL, which PostgreSQL refuses.
def _stored(name: str) -> str:
    return name[:NAME_MAX_LENGTH].replace("\0", "")
