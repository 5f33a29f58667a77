"""Views that notify whoever asks for them, each in another way."""

import time
from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth import aget_user
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from django.http import HttpRequest, HttpResponse

from notifications import anotify, notify

SLOW_SECONDS = 3.0


def synchronous(request: HttpRequest) -> HttpResponse:
    """Notify as most views do."""
    notify(request.user, "from a view")
    return HttpResponse("ok")


async def asynchronous(request: HttpRequest) -> HttpResponse:
    """Notify as an asynchronous view does."""
    await anotify(await aget_user(request), "from an async view")
    return HttpResponse("ok")


async def mistaken(request: HttpRequest) -> HttpResponse:
    """Call the synchronous verb in an asynchronous view, and answer with what it said."""
    user = await aget_user(request)
    try:
        notify(user, "never")
    except SynchronousOnlyOperation as exc:
        return HttpResponse(str(exc))
    return HttpResponse("ok")


def threaded(request: HttpRequest) -> HttpResponse:
    """Notify from a thread of the view's own."""

    def work() -> None:
        try:
            notify(request.user, "from a thread")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()
    return HttpResponse("ok")


def slow(request: HttpRequest) -> HttpResponse:
    """Keep a thread for a while, as a call to somebody else's service does."""
    time.sleep(SLOW_SECONDS)
    return HttpResponse("ok")
