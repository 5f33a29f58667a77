"""Those who ask the database at the same time share the answer's queries."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from notifications import notify_many
from notifications.realtime import batching
from notifications.realtime.auth import session_identities
from notifications.realtime.batching import BatchReader, first_pages
from notifications.store import feed
from notifications.store.feed import FeedPage
from notifications.wire.protocol import Resume
from tests.support.factories import make_user, session_cookie_for, session_for
from tests.support.waiting import await_for

# The threads may have a connection of an earlier test, which they look at before they work.
pytestmark = pytest.mark.django_db


class Reader:
    """Doubles numbers; keeps what was asked at once, and can be made to hang."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(list(numbers))
        if 0 in numbers:
            assert self.may_go.wait(10)
        if -1 in numbers:
            raise LookupError("no such number")
        return [2 * number for number in numbers]


async def test_who_asks_in_one_turn_is_answered_by_one_reading() -> None:
    reader = Reader()
    shared = BatchReader(reader)

    answers = await asyncio.gather(*(shared.read(number) for number in (1, 2, 3, 2)))

    assert answers == [2, 4, 6, 4]
    assert reader.asked == [[1, 2, 3]]


async def test_who_asks_during_a_reading_waits_for_the_next() -> None:
    reader = Reader()
    shared = BatchReader(reader)
    reader.may_go.clear()
    first = asyncio.ensure_future(shared.read(0))
    await await_for(lambda: reader.asked)
    later = [asyncio.ensure_future(shared.read(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    reader.may_go.set()

    assert await asyncio.gather(first, *later) == [0, 2, 4]
    assert reader.asked == [[0], [1, 2]]


async def test_who_asks_soon_after_a_reading_shares_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "GATHER_SECONDS", 0.5)  # longer than any pause of this machine
    reader = Reader()
    shared = BatchReader(reader)
    await shared.read(1)

    soon = [asyncio.ensure_future(shared.read(2))]
    for _ in range(5):
        await asyncio.sleep(0)
    soon.append(asyncio.ensure_future(shared.read(3)))

    assert await asyncio.gather(*soon) == [4, 6]
    assert reader.asked == [[1], [2, 3]]


async def test_a_reading_that_hangs_holds_nobody_else_up() -> None:
    reader = Reader()
    shared = BatchReader(reader)
    reader.may_go.clear()
    hanging = asyncio.ensure_future(shared.read(0))
    await await_for(lambda: reader.asked)

    async with asyncio.timeout(5):
        assert await shared.read(1) == 2

    assert not hanging.done()
    reader.may_go.set()
    assert await hanging == 0


async def test_what_a_reading_raises_reaches_each_who_waits_for_it_and_no_other() -> None:
    shared = BatchReader(Reader())

    answers = await asyncio.gather(shared.read(-1), shared.read(1), return_exceptions=True)

    assert [type(each) for each in answers] == [LookupError, LookupError]
    assert await shared.read(1) == 2


async def test_who_gives_up_takes_no_answer_from_others() -> None:
    reader = Reader()
    shared = BatchReader(reader)
    reader.may_go.clear()
    tasks = [asyncio.ensure_future(shared.read(number)) for number in (0, 0)]
    await await_for(lambda: reader.asked)
    tasks[0].cancel()
    reader.may_go.set()

    assert await tasks[1] == 0


# Sessions


def test_any_number_of_sessions_takes_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    users = [make_user(f"user-{number}") for number in range(5)]
    keys = [session_cookie_for(user) for user in users]

    with django_assert_num_queries(1):
        found = session_identities([*keys, "nobody's"])

    assert [each and each.user_pk for each in found] == [*(user.pk for user in users), None]


def test_any_number_of_arrivals_takes_two_queries_more_than_reading_the_feed(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    users = [make_user(f"user-{number}") for number in range(5)]
    notify_many(users, "Hello")
    keys = [session_cookie_for(user) for user in users]
    identities = [who for who in session_identities(keys) if who]
    resume = Resume(u=0, b=0)
    with CaptureQueriesContext(connection) as reading:
        feed.read_many([(user.pk, resume) for user in users])
    users[1].delete()
    User.objects.filter(pk=users[2].pk).update(is_active=False)
    Session.objects.filter(pk=keys[3]).delete()

    with django_assert_num_queries(len(reading) + 2):
        found = first_pages([(who, resume) for who in identities])

    assert [found[at] for at in (1, 2, 3)] == [4401, 4403, 4401]
    assert [len(page.items) for page in (found[0], found[4]) if isinstance(page, FeedPage)] == [
        1,
        1,
    ]


@pytest.mark.parametrize("key", ["", "\x00", "ü" * 40, "x" * 5000, "' OR 1=1"])
def test_a_cookie_that_is_no_key_spoils_nothing_for_others(key: str) -> None:
    user = make_user()

    found = session_identities([key, session_cookie_for(user)])

    assert [each and each.user_pk for each in found] == [None, user.pk]


@pytest.mark.parametrize("broken", ["no user", "another key", "another backend", "no data"])
def test_a_session_that_logs_nobody_in_spoils_nothing_for_others(broken: str) -> None:
    user = make_user()
    session = session_for(user)
    if broken == "no user":
        del session[SESSION_KEY]
    elif broken == "another key":
        session[SESSION_KEY] = "of-another-model"
    elif broken == "another backend":
        session[BACKEND_SESSION_KEY] = "gone.Backend"
    session.save()
    if broken == "no data":
        Session.objects.filter(pk=session.session_key).update(session_data="no data")
    assert session.session_key is not None

    found = session_identities([session.session_key, session_cookie_for(user)])

    assert [each and each.user_pk for each in found] == [None, user.pk]
