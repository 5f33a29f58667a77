"""`GET /healthz`: tells a load balancer that this process serves.

It is a middleware and the first one, so that the answer touches neither database nor session, and
a probe that asks by address and without TLS meets neither ALLOWED_HOSTS nor the redirect to HTTPS.
"""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

PATH = "/healthz"

# A response, or what awaits to one.
GetResponse = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def health_middleware(get_response: GetResponse) -> GetResponse:
    """Answer 200 to `PATH` and pass on everything else."""
    if iscoroutinefunction(get_response):

        async def amiddleware(request: HttpRequest) -> Any:
            return _ok() if request.path_info == PATH else await get_response(request)

        return amiddleware

    def middleware(request: HttpRequest) -> Any:
        return _ok() if request.path_info == PATH else get_response(request)

    return middleware


def _ok() -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain", headers={"Cache-Control": "no-store"})
