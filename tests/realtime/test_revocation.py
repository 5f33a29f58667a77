"""Who may no longer listen is cut off: at once by a hint or timer, without a broker by a sweep."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from notifications import anotify
from notifications.realtime.consumer import NotificationConsumer
from notifications.testing import NotificationClient
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for, session_for
from tests.support.outages import hints_through
from tests.support.servers import KINDS, BrokerProcess, Kind, ServerProcess
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.wire import Frame, Wire, open_socket

pytestmark = pytest.mark.one_database

NO_SWEEP = "300"
EXPIRES_SECONDS = 3


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Alice with two sessions, and Bob, who has nothing to do with it."""

    site: ServerProcess
    alice: User
    bob: User
    cookie: str
    elsewhere: str
    bobs: str


Revocation = Callable[[Cast], object]


def log_out(cast: Cast) -> None:
    token = "t" * 32
    cookies = {"sessionid": cast.cookie, "csrftoken": token}
    with httpx.Client(base_url=cast.site.url, cookies=cookies, timeout=PATIENCE_SECONDS) as browser:
        answer = browser.post("/accounts/logout/", data={"csrfmiddlewaretoken": token})
    assert answer.status_code == 302, answer.text


def change_password(cast: Cast) -> None:
    cast.alice.set_password("another")
    cast.alice.save()


def change_password_in_a_third_session(cast: Cast) -> str:
    """Change it as Django's form does, which renews that session; return its new key."""
    request = HttpRequest()
    request.user, request.session = cast.alice, session_for(cast.alice)
    change_password(cast)
    update_session_auth_hash(request, cast.alice)
    request.session.save()
    return str(request.session.session_key)


def deactivate(cast: Cast) -> None:
    cast.alice.is_active = False
    cast.alice.save(update_fields=["is_active"])


def delete_account(cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.pk).delete()


def delete_session(cast: Cast) -> None:
    Session.objects.filter(pk=cast.cookie).delete()


def delete_all_sessions_of_alice(cast: Cast) -> None:
    Session.objects.filter(pk__in=[cast.cookie, cast.elsewhere]).delete()


# What happens, the close code, and whether Alice's other session ends with it.
REVOCATIONS: dict[str, tuple[Revocation, int, bool]] = {
    "log-out": (log_out, 4401, False),
    "password change": (change_password, 4401, True),
    "password change in another session": (change_password_in_a_third_session, 4401, True),
    "deactivation": (deactivate, 4403, True),
    "deletion": (delete_account, 4401, True),
    "session deletion": (delete_session, 4401, False),
    "deletion of all sessions": (delete_all_sessions_of_alice, 4401, True),
}


@pytest.fixture
def site(transactional_db: None, shared_server: Callable[[Kind], ServerProcess]) -> ServerProcess:
    """Return a running daphne without a sweep."""
    return shared_server("daphne")


@pytest.fixture
def broker(private_broker: BrokerProcess, settings: Settings) -> Iterator[BrokerProcess]:
    with hints_through(private_broker, settings) as mine:
        yield mine


def make_cast(site: ServerProcess, suffix: str = "") -> Cast:
    alice, bob = make_user(f"alice{suffix}"), make_user(f"bob{suffix}")
    return Cast(
        site=site,
        alice=alice,
        bob=bob,
        cookie=session_cookie_for(alice),
        elsewhere=session_cookie_for(alice),
        bobs=session_cookie_for(bob),
    )


async def welcomed(stack: AsyncExitStack, cast: Cast, cookie: str) -> Wire:
    wire = await stack.enter_async_context(open_socket(cast.site.socket_url, cookie))
    await wire.receive_type("welcome")
    return wire


async def hears(wire: Wire, user: User) -> Frame:
    await anotify(user, "Still here")
    [item] = await wire.receive_items(1)
    return item


async def assert_revoked(cast: Cast, revoke: Revocation, code: int, ends_both: bool) -> None:
    async with AsyncExitStack() as stack:
        first, second, other, bobs = [
            await welcomed(stack, cast, cookie)
            for cookie in (cast.cookie, cast.cookie, cast.elsewhere, cast.bobs)
        ]

        await sync_to_async(revoke)(cast)

        assert await first.close_code() == code
        assert await second.close_code() == code
        if ends_both:
            assert await other.close_code() == code
        else:
            assert await hears(other, cast.alice)
        assert await hears(bobs, cast.bob)


@pytest.mark.parametrize(("revoke", "code", "ends_both"), REVOCATIONS.values(), ids=REVOCATIONS)
async def test_whoever_may_no_longer_listen_is_closed_at_once_and_nobody_else(
    site: ServerProcess, revoke: Revocation, code: int, ends_both: bool
) -> None:
    cast = await sync_to_async(make_cast)(site)

    await assert_revoked(cast, revoke, code, ends_both)


async def test_without_a_broker_they_are_closed_within_a_sweep(
    start_server: StartServer, broker: BrokerProcess
) -> None:
    site = await sync_to_async(start_server)(
        env={"NOTIFICATIONS_SWEEP_SECONDS": "1", "REDIS_URL": broker.url}
    )
    casts = {name: await sync_to_async(make_cast)(site, f"-{name}") for name in REVOCATIONS}
    broker.kill()

    async with asyncio.TaskGroup() as together:
        for name, cast in casts.items():
            together.create_task(assert_revoked(cast, *REVOCATIONS[name]), name=name)


async def test_the_session_that_changed_the_password_goes_on(site: ServerProcess) -> None:
    cast = await sync_to_async(make_cast)(site)

    renewed = await sync_to_async(change_password_in_a_third_session)(cast)

    async with AsyncExitStack() as stack:
        wire = await welcomed(stack, cast, renewed)
        assert await hears(wire, cast.alice)
        late = await stack.enter_async_context(open_socket(site.socket_url, cast.cookie))
        assert await late.close_code() == 4401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("revoke", "code"),
    [
        pytest.param(lambda: Session.objects.all().delete(), 4401, id="session"),
        pytest.param(lambda: User.objects.all().delete(), 4401, id="account"),
        pytest.param(lambda: User.objects.update(is_active=False), 4403, id="deactivation"),
        pytest.param(lambda: User.objects.update(password="another"), 4401, id="password"),
    ],
)
async def test_one_who_is_revoked_while_connecting_is_refused(
    revoke: Callable[[], object], code: int
) -> None:
    async def late(scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(revoke)()  # nobody here listens for it yet
        await NotificationConsumer.as_asgi()(scope, receive, send)

    alice = await sync_to_async(make_user)("alice")
    client = NotificationClient(alice, application=AuthMiddlewareStack(late))

    with pytest.raises(AssertionError, match=f"closed the socket with {code}"):
        await client.__aenter__()


def make_expiring_session(user: User) -> str:
    session = session_for(user)
    session.set_expiry(EXPIRES_SECONDS)
    session.save()
    return str(session.session_key)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_that_expires_closes_its_sockets_without_a_hint_or_a_sweep(
    transactional_db: None, shared_server: Callable[[Kind], ServerProcess], kind: Kind
) -> None:
    site = await sync_to_async(shared_server)(kind)
    cast = await sync_to_async(make_cast)(site)
    expiring = await sync_to_async(make_expiring_session)(cast.alice)

    async with AsyncExitStack() as stack:
        first, second, other = [
            await welcomed(stack, cast, cookie) for cookie in (expiring, expiring, cast.elsewhere)
        ]

        assert await first.close_code(EXPIRES_SECONDS + PATIENCE_SECONDS) == 4401
        assert await second.close_code(PATIENCE_SECONDS) == 4401
        assert await hears(other, cast.alice)


async def test_a_session_that_was_prolonged_meanwhile_keeps_its_sockets(
    site: ServerProcess,
) -> None:
    cast = await sync_to_async(make_cast)(site)
    expiring = await sync_to_async(make_expiring_session)(cast.alice)
    lasting = await sync_to_async(make_expiring_session)(cast.alice)

    async with AsyncExitStack() as stack:
        wire = await welcomed(stack, cast, expiring)
        prolonged = await welcomed(stack, cast, lasting)
        ends = (await Session.objects.aget(pk=cast.elsewhere)).expire_date
        await Session.objects.filter(pk=lasting).aupdate(expire_date=ends)

        assert await wire.close_code(EXPIRES_SECONDS + PATIENCE_SECONDS) == 4401
        assert await hears(prolonged, cast.alice)


async def test_a_log_in_elsewhere_closes_nothing(site: ServerProcess) -> None:
    cast = await sync_to_async(make_cast)(site)

    async with AsyncExitStack() as stack:
        wire = await welcomed(stack, cast, cast.cookie)
        await sync_to_async(Client().force_login)(cast.alice)

        assert await hears(wire, cast.alice)


# A key that is rotated


def rotate(site: ServerProcess, old: str, new: str) -> None:
    site.env |= {"SECRET_KEY": new, "SECRET_KEY_FALLBACKS": old}
    site.restart()


async def page_of(site: ServerProcess, browser: httpx.AsyncClient) -> str:
    answer = await browser.get(f"{site.url}/")
    assert answer.status_code == 200, answer.headers
    return answer.text


async def test_after_a_key_rotation_a_socket_is_accepted_and_nobody_is_logged_out(
    start_server: StartServer, settings: Any
) -> None:
    settings.SECRET_KEY = "the old key"
    site = await sync_to_async(start_server)(
        env={"NOTIFICATIONS_SWEEP_SECONDS": "1", "SECRET_KEY": "the old key"}
    )
    cast = await sync_to_async(make_cast)(site)

    await sync_to_async(rotate)(site, "the old key", "the new key")

    async with (
        open_socket(site.socket_url, cast.cookie) as wire,
        httpx.AsyncClient(cookies={"sessionid": cast.cookie}, timeout=PATIENCE_SECONDS) as browser,
    ):
        await wire.receive_type("welcome")
        await wire.receive_type("heartbeat")  # it outlives the sweep's look at its session
        await wire.receive_type("heartbeat")
        assert await hears(wire, cast.alice)
        assert "alice" in await page_of(site, browser)
        # Django gives the session a new key with the new hash, which the browser now holds.
        renewed = browser.cookies.get("sessionid", domain="127.0.0.1")
    async with open_socket(site.socket_url, renewed) as wire:
        await wire.receive_type("welcome")
        assert await hears(wire, cast.alice)


async def test_a_key_that_is_rotated_without_a_fallback_ends_the_sessions(
    start_server: StartServer, settings: Any
) -> None:
    settings.SECRET_KEY = "the old key"
    site = await sync_to_async(start_server)(
        env={"NOTIFICATIONS_SWEEP_SECONDS": NO_SWEEP, "SECRET_KEY": "the new key"}
    )
    cast = await sync_to_async(make_cast)(site)

    async with open_socket(site.socket_url, cast.cookie) as wire:
        assert await wire.close_code() == 4401
