"""What was loaded and many open sockets are out of the garbage collector's sight."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from notifications.realtime.garbage_collection import GarbageCollection, freeze_loaded
from notifications.realtime.runtime import current_hub, end
from tests.support.waiting import await_for


@pytest.fixture(autouse=True)
def usual_threshold() -> Iterator[tuple[int, int, int]]:
    """Return what the collector is set to, and leave it so."""
    threshold = gc.get_threshold()
    gc.unfreeze()
    yield threshold
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.django_db(transaction=True)
async def test_what_was_loaded_is_set_aside_when_serving_starts() -> None:
    freeze_loaded.cache_clear()
    current_hub()
    await await_for(lambda: gc.get_freeze_count() > 0)
    await end()

    assert not is_in_sight(GarbageCollection)


def test_what_was_loaded_is_set_aside_once() -> None:
    freeze_loaded.cache_clear()
    freeze_loaded()
    later: list[object] = []

    freeze_loaded()

    assert is_in_sight(later)


def test_a_few_sockets_change_nothing(usual_threshold: tuple[int, int, int]) -> None:
    GarbageCollection().look(999)

    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, usual_threshold)


def is_in_sight(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


def test_many_are_set_aside_and_again_when_they_are_more() -> None:
    collector = GarbageCollection()
    first: list[object] = []
    collector.look(1000)
    assert not is_in_sight(first)
    second: list[object] = []

    collector.look(1900)
    assert is_in_sight(second)
    collector.look(2000)

    assert not is_in_sight(second)


class Node:
    itself: "Node"


def test_they_come_back_when_half_of_them_have_gone(usual_threshold: tuple[int, int, int]) -> None:
    collector = GarbageCollection()
    node = Node()
    node.itself = node  # so that only the collector frees it
    gone = weakref.ref(node)
    collector.look(2000)
    del node

    collector.look(1000)
    gc.collect()
    assert gone() is not None
    collector.look(999)

    assert gone() is None
    assert gc.get_threshold() == usual_threshold


def test_what_was_loaded_is_set_aside_again_when_most_have_gone() -> None:
    collector = GarbageCollection()
    collector.look(1000)
    collector.look(499)
    later: list[object] = []

    assert not is_in_sight(GarbageCollection)
    assert is_in_sight(later)
