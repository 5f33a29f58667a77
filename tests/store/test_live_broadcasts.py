"""What is live, as a process keeps it: whose it is, and how many there are."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from notifications.message.audience import Audience
from notifications.models import Broadcast, BroadcastLog
from notifications.store.live_broadcasts import LiveBroadcasts, Viewer

pytestmark = pytest.mark.one_database

START = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = 40
GROUPS = (1, 2, 3)


def live_by(chance: Random) -> LiveBroadcasts:
    live = [
        Broadcast(
            pk=1000 + seq,
            seq=seq,
            published_seq=seq,
            published_at=START + timedelta(hours=seq),
            audience=chance.choice(Audience.values),
        )
        for seq in sorted(chance.sample(range(1, 100), LIVE))
    ]
    groups = {each.pk: frozenset(chance.sample(GROUPS, 2)) for each in live}
    return LiveBroadcasts(BroadcastLog(last_seq=100), live, groups)


def viewer_by(chance: Random) -> Viewer:
    joined = START + timedelta(hours=chance.randrange(100))
    return Viewer(
        joined=chance.choice([None, joined]),
        is_staff=chance.choice([True, False]),
        groups=frozenset(chance.sample(GROUPS, chance.randrange(3))),
    )


@pytest.mark.parametrize("seed", range(20))
def test_it_counts_what_it_shows(seed: int) -> None:
    chance = Random(seed)
    live = live_by(chance)

    for _ in range(50):
        viewer, after = viewer_by(chance), chance.randrange(101)
        assert live.count(viewer, after=after) == len(list(live.of(viewer, after=after)))


def test_nothing_live_counts_nothing() -> None:
    assert (
        LiveBroadcasts(BroadcastLog(last_seq=7)).count(Viewer(is_staff=True, groups=frozenset({1})))
        == 0
    )
