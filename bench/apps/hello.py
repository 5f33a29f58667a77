"""A page that says that the server is there."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def hello(request: HttpRequest) -> HttpResponse:
    """Say so."""
    return HttpResponse("ok")


urlpatterns = [path("", hello)]
