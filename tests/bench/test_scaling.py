"""The capacity model: what docs/scaling.md shows is what the figures give."""

from dataclasses import replace

import pytest

from bench.document import filled
from bench.scaling import guide, model
from bench.scaling.demand import SITES, Demand
from bench.scaling.storm import JITTER_SECONDS, Storm, seconds_until_live

pytestmark = pytest.mark.one_database

STORM = Storm(
    sockets=10_000, processes=1, server_seconds=0.002, database_seconds=0.0003, database_cores=4
)


def test_the_guide_shows_what_the_model_says() -> None:
    text = guide.GUIDE.read_text()

    table = model.sites_table(SITES, guide.kept())

    assert filled(text, {"model": table}) == text


def test_a_storm_lasts_as_long_as_the_one_process_needs() -> None:
    assert seconds_until_live(STORM) == pytest.approx(20, abs=0.1)


def test_with_processes_enough_a_storm_lasts_as_long_as_the_jitter() -> None:
    assert seconds_until_live(replace(STORM, processes=10)) == pytest.approx(
        JITTER_SECONDS, abs=0.1
    )


def test_a_slow_database_bounds_a_storm() -> None:
    slow = replace(STORM, processes=10, database_seconds=0.004, database_cores=1)

    assert seconds_until_live(slow) == pytest.approx(40, abs=0.1)


def test_the_peak_is_that_of_all_users_and_not_only_of_those_who_are_there() -> None:
    site = Demand(sockets=1_000, users=86_400, peak=3)

    assert site.notifications == pytest.approx(20 * 3)


def test_another_process_is_needed_for_one_socket_more() -> None:
    assert Demand(sockets=10_000).processes == 1
    assert Demand(sockets=10_001).processes == 2
