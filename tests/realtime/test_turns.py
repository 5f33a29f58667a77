"""A user with many commands keeps nobody else waiting for more than one of them."""

import asyncio
from typing import Any

import pytest

from notifications.realtime.turns import Turns
from tests.support.waiting import await_for

pytestmark = [pytest.mark.one_database, pytest.mark.django_db]


async def line_up(*users: str) -> list[str]:
    """Let commands of users come in this order; return in which they were carried out."""
    turns, done, go = Turns(), list[str](), asyncio.Event()
    waiting: list[Any] = []

    async def change(user: str) -> None:
        async with turns.of(user):
            await go.wait()
            done.append(user)

    for user in users:
        waiting.append(asyncio.ensure_future(change(user)))
        await asyncio.sleep(0)
    go.set()
    await await_for(lambda: len(done) == len(users))
    await asyncio.gather(*waiting)
    return done


async def test_another_user_is_next() -> None:
    assert await line_up("mallory", "mallory", "mallory", "alice") == [
        *("mallory", "alice", "mallory", "mallory")
    ]


async def test_several_users_take_turns() -> None:
    done = await line_up("mallory", "mallory", "bob", "bob", "alice")

    assert done[:3] == ["mallory", "bob", "alice"]


async def test_a_command_that_fails_ends_its_turn() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="wrong"):
        async with turns.of("alice"):
            raise ValueError("wrong")

    async with asyncio.timeout(10), turns.of("alice"):
        pass
