"""Many open sockets are out of the garbage collector's sight, and come back when they have gone."""

import gc
from collections.abc import Iterator

import pytest

from notifications.realtime.garbage_collection import GarbageCollection


@pytest.fixture(autouse=True)
def usual_threshold() -> Iterator[tuple[int, int, int]]:
    """Return what the collector is set to, and leave it so."""
    threshold = gc.get_threshold()
    yield threshold
    gc.unfreeze()
    gc.set_threshold(*threshold)


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


def test_they_come_back_when_half_of_them_have_gone(usual_threshold: tuple[int, int, int]) -> None:
    collector = GarbageCollection()
    collector.look(2000)

    collector.look(1000)
    assert gc.get_freeze_count() > 0
    collector.look(999)

    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, usual_threshold)
