"""The capacity model: what docs/scaling.md shows is what the figures give."""

import json

import pytest

from bench.document import filled
from bench.scaling.__main__ import FIGURES, GUIDE, parts_of
from bench.scaling.demand import Demand
from bench.scaling.model import JITTER_SECONDS, seconds_until_live

pytestmark = pytest.mark.one_database

CONNECT = {"servers": 2_000, "postgresql": 300}
COSTS = {"layouts": [{"proxied": False, "connect": CONNECT}]}
ONE_PROCESS, TEN_PROCESSES = (
    Demand(sockets=10_000, sockets_per_process=10_000 / processes, postgresql_cores=4)
    for processes in (1, 10)
)


def test_the_guide_shows_the_figures_that_are_kept_and_what_the_model_makes_of_them() -> None:
    text = GUIDE.read_text()

    assert filled(text, parts_of(json.loads(FIGURES.read_text()))) == text


def test_a_storm_lasts_as_long_as_the_one_process_needs() -> None:
    assert seconds_until_live(ONE_PROCESS, COSTS) == pytest.approx(20)


def test_with_processes_enough_a_storm_lasts_as_long_as_the_jitter() -> None:
    assert seconds_until_live(TEN_PROCESSES, COSTS) == JITTER_SECONDS


def test_a_slow_database_bounds_a_storm() -> None:
    slow = {"layouts": [{"proxied": False, "connect": {**CONNECT, "postgresql": 16_000}}]}

    assert seconds_until_live(TEN_PROCESSES, slow) == pytest.approx(40)


def test_half_of_the_sockets_come_back_in_half_of_the_time() -> None:
    assert seconds_until_live(ONE_PROCESS, COSTS, batches=2) == pytest.approx(10)


def test_the_peak_is_that_of_all_users_and_not_only_of_those_who_are_there() -> None:
    site = Demand(sockets=1_000, users=86_400, peak=3)

    assert site.notifications == pytest.approx(20 * 3)


def test_another_process_is_needed_for_one_socket_more() -> None:
    assert Demand(sockets=10_000).processes == 1
    assert Demand(sockets=10_001).processes == 2
