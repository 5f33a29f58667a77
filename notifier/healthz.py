"""`GET /healthz`: tells a load balancer that this process serves.

It is the first middleware, so that the answer needs neither database nor session, and neither
ALLOWED_HOSTS nor the redirect to HTTPS applies to a probe by IP address and without TLS.
"""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

PATH = "/healthz"

# It returns a response or an awaitable of one.
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
