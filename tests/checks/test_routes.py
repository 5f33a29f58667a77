"""The way through an ASGI application to the socket, whatever it is wrapped in and hidden by."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from channels.auth import AuthMiddlewareStack as ChannelsAuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from notifications.checks.routes import Route, accepts, routes_to_consumer
from notifications.realtime.auth import AuthMiddlewareStack
from notifications.realtime.consumer import NotificationConsumer
from notifications.routing import websocket_urlpatterns

pytestmark = [pytest.mark.one_database, pytest.mark.django_db]

Application = Callable[..., Any]

consumer = NotificationConsumer.as_asgi()
routes = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
with_sockets = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": routes})


async def accepting(scope: Any, receive: Any, send: Any) -> None:
    """Stand for a consumer of the site's."""
    await send({"type": "websocket.accept"})


other: Any = accepting


class Attribute:
    """A middleware as in most tutorials."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Slots:
    """One as Sentry's, whose `__call__` is a slot as well."""

    __slots__ = ("__call__", "app")

    def __init__(self, app: Application) -> None:
        self.app = app
        self.__call__ = self.run

    async def run(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class PrivateSlot(Attribute):
    __slots__ = ("__inner",)

    def __init__(self, app: Application) -> None:
        self.__inner = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.__inner(scope, receive, send)


class Dispatcher:
    """One that keeps applications by their protocols, and is no callable itself."""

    def __init__(self, app: Application) -> None:
        self.apps = {"http": other, "websocket": app}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await self.apps[scope["type"]](scope, receive, send)


def in_closure(app: Application) -> Application:
    @wraps(app, assigned=(), updated=())
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return application


async def passing(app: Application, scope: Any, receive: Any, send: Any) -> None:
    await app(scope, receive, send)


async def with_keyword(scope: Any, receive: Any, send: Any, *, app: Application) -> None:
    await app(scope, receive, send)


class Hidden:
    """One that cannot be looked into: what it wraps is in a property, made from nothing."""

    def __init__(self, app: Application) -> None:
        number = len(KEPT)
        KEPT.append(app)
        self.number = number

    @property
    def app(self) -> Application:
        return KEPT[self.number]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


KEPT: list[Application] = []

OPEN_WRAPPERS: dict[str, Callable[[Application], Application]] = {
    "an attribute": Attribute,
    "slots": Slots,
    "a private slot": PrivateSlot,
    "a method of a dispatcher": lambda app: Dispatcher(app).handle,
    "a closure": in_closure,
    "a partial": lambda app: partial(passing, app),
    "a partial by keyword": lambda app: partial(with_keyword, app=app),
    "all of them": lambda app: Slots(
        partial(passing, in_closure(Dispatcher(PrivateSlot(app)).handle))
    ),
    "an origin check": AllowedHostsOriginValidator,
}


@pytest.mark.parametrize("name", OPEN_WRAPPERS)
def test_a_wrapper_is_looked_into(name: str) -> None:
    application = OPEN_WRAPPERS[name](with_sockets)
    without = OPEN_WRAPPERS[name](ProtocolTypeRouter({"http": routes}))

    assert routes_to_consumer(application) == {Route.OPEN}
    assert routes_to_consumer(without) == set()


@pytest.mark.parametrize("stack", [AuthMiddlewareStack, ChannelsAuthMiddlewareStack])
def test_one_that_hides_what_it_wraps_is_asked(stack: Any) -> None:
    hidden = Hidden(ProtocolTypeRouter({"websocket": stack(URLRouter(websocket_urlpatterns))}))

    assert routes_to_consumer(hidden) == set()
    assert accepts(hidden)


@pytest.mark.parametrize(
    "application",
    [
        get_asgi_application(),
        ProtocolTypeRouter({"http": other}),
        ProtocolTypeRouter({"websocket": URLRouter([path("ws/chat/", other)])}),
        URLRouter([path("ws/", URLRouter([path("chat/", other)]))]),
    ],
)
def test_an_application_without_the_route_is_found_out(application: Any) -> None:
    assert Route.OPEN not in routes_to_consumer(application)
    for wrapped in (application, Hidden(application), Slots(Hidden(application))):
        assert accepts(wrapped) is False


async def failing(scope: Any, receive: Any, send: Any) -> None:
    raise ConnectionError("No database here")


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.close", "code": 1000})


@pytest.mark.parametrize("application", [failing, refusing])
def test_what_cannot_be_known_is_not_held_against_a_site(application: Any) -> None:
    assert accepts(application) is None
    assert routes_to_consumer(application) == set()


def test_a_router_without_the_route_is_seen() -> None:
    router = AuthMiddlewareStack(URLRouter([path("ws/chat/", other)]))

    assert routes_to_consumer(Slots(ProtocolTypeRouter({"websocket": router}))) == {Route.NOWHERE}


hidden: Any = Hidden(other)
BEHIND = [
    URLRouter([path("<path:rest>", other), *websocket_urlpatterns]),
    URLRouter([re_path(r"^ws/", other), *websocket_urlpatterns]),
    URLRouter([path("<path:rest>", hidden), path("", URLRouter(websocket_urlpatterns))]),
    URLRouter([path("ws/", URLRouter([re_path("", other)])), *websocket_urlpatterns]),
    URLRouter(
        [
            path(
                "ws/",
                URLRouter([re_path("", other), path("notifications/", consumer)]),
            )
        ]
    ),
]


@pytest.mark.parametrize("router", BEHIND)
def test_a_route_behind_one_that_takes_its_path_is_told_apart(router: Any) -> None:
    application = Slots(ProtocolTypeRouter({"websocket": AuthMiddlewareStack(router)}))

    assert routes_to_consumer(application) == {Route.BEHIND_ANOTHER}


FREE = [
    URLRouter([*websocket_urlpatterns, path("<path:rest>", other)]),
    URLRouter([path("ws/chat/", other), re_path(r"^rooms/", other), *websocket_urlpatterns]),
    URLRouter([path("ws/", URLRouter([path("notifications/", consumer)]))]),
    # Something in front may cut a prefix off.
    URLRouter([path("<path:rest>/x", other), path("alerts/", consumer)]),
    URLRouter([*websocket_urlpatterns, *websocket_urlpatterns]),
]


@pytest.mark.parametrize("router", FREE)
def test_a_route_that_is_free_is_open(router: Any) -> None:
    assert Route.OPEN in routes_to_consumer(router)
