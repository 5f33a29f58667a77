"""Log-outs reach the sockets of their session, whichever of Django's engines keeps it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack as ChannelsStack
from django.conf import settings as django_settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, login, update_session_auth_hash
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest, HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from notifications import anotify
from notifications.realtime.consumer import NotificationConsumer
from tests.support.factories import make_user, session_for
from tests.support.handshakes import Handshake, shake_hands, sockets, sockets_of
from tests.support.waiting import await_for

BACKEND = "django.contrib.auth.backends.ModelBackend"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
LOG_OUT = "/accounts/logout/"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> str:
    return use(settings, request.param, tmp_path)


def use(settings: Settings, engine: str, directory: Path) -> str:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(directory)
    settings.NOTIFICATIONS_SWEEP_SECONDS = 300
    return engine


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def cookie_of(browser: Client) -> str:
    return str(browser.cookies[django_settings.SESSION_COOKIE_NAME].value)


def save(browser: Client, session: Any) -> None:
    session.save()
    browser.cookies[django_settings.SESSION_COOKIE_NAME] = session.session_key


def change_content(browser: Client, user: User) -> None:
    session = browser.session
    session["cart"] = ["a book"]
    save(browser, session)


def change_key(browser: Client, user: User) -> None:
    session = browser.session
    session.cycle_key()
    save(browser, session)


def log_in_again(browser: Client, user: User) -> None:
    browser.force_login(user)


def log_in_instead(browser: Client, user: User) -> None:
    """Log in on a page that does not ask whether somebody else is logged in."""
    request = HttpRequest()
    request.COOKIES[django_settings.SESSION_COOKIE_NAME] = cookie_of(browser)
    request.session = browser.session
    login(request, user, BACKEND)
    save(browser, request.session)


def change_password(browser: Client, user: User) -> None:
    request = HttpRequest()
    request.user, request.session = user, browser.session
    user.set_password("another")
    user.save()
    update_session_auth_hash(request, user)
    save(browser, request.session)


Change = Callable[[Client, User], None]
CHANGES = [change_content, change_key, log_in_again, change_password]


async def is_closed(socket: Handshake) -> int | None:
    return await await_for(lambda: socket.code, what="the end of a socket")


async def still_hears(socket: Handshake, user: User) -> bool:
    before = len(socket.frames)
    await anotify(user, "Still here")
    return await await_for(lambda: len(socket.frames) > before) and socket.code is None


@pytest.mark.parametrize("change", [None, *CHANGES], ids=lambda each: each and each.__name__)
async def test_a_log_out_closes_the_sockets_of_its_session(
    engine: str, alice: User, change: Change | None
) -> None:
    browser = await sync_to_async(browser_of)(alice)

    async with sockets_of(cookie_of(browser)) as [socket]:
        if change is not None:
            await sync_to_async(change)(browser, alice)
        await sync_to_async(browser.post)(LOG_OUT)

        assert await is_closed(socket) == 4401


@pytest.mark.parametrize("change", [None, change_content], ids=["", "change_content"])
async def test_and_no_other_session_of_the_user(
    engine: str, alice: User, change: Change | None
) -> None:
    browser, elsewhere = [await sync_to_async(browser_of)(alice) for _ in range(2)]

    async with sockets_of(cookie_of(browser), cookie_of(elsewhere)) as [socket, other]:
        if change is not None:
            await sync_to_async(change)(browser, alice)
            await sync_to_async(change)(elsewhere, alice)
        await sync_to_async(browser.post)(LOG_OUT)

        assert await is_closed(socket) == 4401
        assert await still_hears(other, alice)


def start_over(browser: Client, user: User) -> None:
    session = browser.session
    session.clear()
    session["theme"] = "dark"
    session.save()


def forget_user(browser: Client, user: User) -> None:
    session = browser.session
    del session[SESSION_KEY]
    session.save()


def put_another_in_place(browser: Client, user: User) -> None:
    bob = make_user("bob")
    session = browser.session
    session[SESSION_KEY] = str(bob.pk)
    session[HASH_SESSION_KEY] = bob.get_session_auth_hash()
    session.save()


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"], indirect=True)
@pytest.mark.parametrize(
    "application",
    [sockets, ChannelsStack(NotificationConsumer.as_asgi())],
    ids=["ours", "Channels'"],
)
@pytest.mark.parametrize("change", [start_over, forget_user, put_another_in_place])
async def test_a_session_that_names_its_user_no_more_has_no_sockets(
    engine: str, settings: Settings, alice: User, change: Change, application: Any
) -> None:
    settings.NOTIFICATIONS_SWEEP_SECONDS = 0.2
    browser = await sync_to_async(browser_of)(alice)

    async with sockets_of(cookie_of(browser), application=application) as [socket]:
        await sync_to_async(change)(browser, alice)

        assert await is_closed(socket) == 4401


@pytest.mark.parametrize("engine", ["db", "cached_db", "signed_cookies"], indirect=True)
async def test_another_user_who_logs_in_ends_the_session_before(engine: str, alice: User) -> None:
    bob = await sync_to_async(make_user)("bob")
    browser = await sync_to_async(browser_of)(alice)

    async with sockets_of(cookie_of(browser)) as [socket]:
        await sync_to_async(log_in_instead)(browser, bob)

        assert await is_closed(socket) == 4401


async def test_a_session_in_a_cookie_without_a_name_ends_all_of_its_user(
    settings: Settings, tmp_path: Path, alice: User
) -> None:
    use(settings, "signed_cookies", tmp_path)
    browser = Client()
    await sync_to_async(save)(browser, await sync_to_async(session_for)(alice))

    async with sockets_of(cookie_of(browser)) as [socket]:
        await sync_to_async(change_content)(browser, alice)
        await sync_to_async(browser.post)(LOG_OUT)

        assert await is_closed(socket) == 4401


def acting_for_alice(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Let whoever is logged in see the site as alice."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.user = User.objects.get(username="alice")
        return get_response(request)

    return middleware


async def test_who_acts_for_another_logs_out_of_the_own_session(
    engine: str, settings: Settings, alice: User
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.acting_for_alice"]
    bob = await sync_to_async(make_user)("bob")
    browser, hers = [await sync_to_async(browser_of)(user) for user in (bob, alice)]

    async with sockets_of(cookie_of(browser), cookie_of(hers)) as [socket, other]:
        await sync_to_async(browser.post)(LOG_OUT)

        assert await is_closed(socket) == 4401
        assert await still_hears(other, alice)


BLOCKED = "Blocked"


class Picky(ModelBackend):
    """A backend that refuses some active users, by the method that Django names for this."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Refuse blocked users."""
        return super().user_can_authenticate(user) and user.last_name != BLOCKED


class Lookup(ModelBackend):
    """A backend that returns no user for a blocked one."""

    def get_user(self, user_id: Any) -> User | None:
        """Return the user unless blocked."""
        user = super().get_user(user_id)
        return None if user is None or user.last_name == BLOCKED else user


def block(user: User) -> None:
    user.last_name = BLOCKED
    user.save()


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def use_backend(settings: Settings, backend: str) -> None:
    settings.AUTHENTICATION_BACKENDS = [backend]
    settings.NOTIFICATIONS_SWEEP_SECONDS = 0.2


@pytest.mark.parametrize("engine", ["db", "cache", "signed_cookies"], indirect=True)
@pytest.mark.parametrize(
    "application",
    [sockets, ChannelsStack(NotificationConsumer.as_asgi())],
    ids=["ours", "Channels'"],
)
@pytest.mark.parametrize("backend", ["Picky", "Lookup"])
async def test_a_user_whom_the_backend_no_longer_accepts_has_no_sockets(
    engine: str, settings: Settings, alice: User, backend: str, application: Any
) -> None:
    use_backend(settings, f"{__name__}.{backend}")
    bob = await sync_to_async(make_user)("bob")
    browsers = [await sync_to_async(browser_of)(user) for user in (alice, bob)]

    cookies = [cookie_of(each) for each in browsers]
    async with sockets_of(*cookies, application=application) as [socket, other]:
        await sync_to_async(block)(alice)

        assert await is_closed(socket) == 4403
        assert await still_hears(other, bob)


class Failing(Lookup):
    """A backend that fails for one user, as one that asks a directory may."""

    def get_user(self, user_id: Any) -> User | None:
        """Raise for bob."""
        user = super().get_user(user_id)
        if user is not None and user.username == "bob":
            raise ConnectionError("The directory does not answer.")
        return user


async def test_a_backend_that_fails_for_one_user_judges_the_others(
    settings: Settings, alice: User
) -> None:
    use_backend(settings, f"{__name__}.Failing")
    bob = await sync_to_async(make_user)("bob")
    cookies = [cookie_of(await sync_to_async(browser_of)(user)) for user in (alice, bob)]

    async with sockets_of(*cookies) as [socket, other]:
        await sync_to_async(block)(alice)

        assert await is_closed(socket) == 4403
        assert await still_hears(other, bob)


@pytest.mark.parametrize("backend", ["Picky", "Lookup"])
async def test_and_opens_none(settings: Settings, alice: User, backend: str) -> None:
    use_backend(settings, f"{__name__}.{backend}")
    browser = await sync_to_async(browser_of)(alice)
    await sync_to_async(block)(alice)

    assert (await shake_hands(cookie_of(browser))).code == 4403


async def test_an_inactive_user_whom_the_backend_accepts_keeps_the_sockets(
    settings: Settings, alice: User
) -> None:
    use_backend(settings, "django.contrib.auth.backends.AllowAllUsersModelBackend")
    browser = await sync_to_async(browser_of)(alice)
    await sync_to_async(deactivate)(alice)

    async with sockets_of(cookie_of(browser)) as [socket]:
        await sync_to_async(deactivate)(alice)

        assert await still_hears(socket, alice)
