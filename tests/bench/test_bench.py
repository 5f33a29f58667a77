"""The benchmark: what it counts, compares and draws. What it finds is in docs/performance.md."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import machine, wire
from bench.__main__ import FIGURES
from bench.charts import draw_all
from bench.document import filled, number
from bench.fleet import Fleet, StuckError
from bench.load import Plan
from bench.peers.asgi import Bare
from bench.quick import compare, ratios_of
from bench.report import cell, parts_of
from bench.results import FRAME, Results
from tests.support.servers import ROOT, BrokerProcess

pytestmark = pytest.mark.one_database

FRAMES = FRAME[1_000]


@pytest.fixture
def results() -> Results:
    found = Results(date="1 January 2026", machine="a machine", rounds=3)
    found.names = {
        "ours-uvicorn": "ours",
        "tutorial-uvicorn": "the tutorial",
        "nchan": "nchan",
    }
    for value in (10.0, 30.0, 11.0):
        found.add(FRAMES, "ours-uvicorn", value, client_share=0.95)
        found.add(FRAMES, "tutorial-uvicorn", value * 20, client_share=0.1)
    found.missing = {"nchan": "no packages"}
    return found


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    started = Fleet()
    yield started
    started.end()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Bare]:
    peer = Bare()
    broker = BrokerProcess(tmp_path)  # it needs none
    peer.start(tmp_path, broker)
    yield peer
    peer.stop()


def test_a_figure_is_the_median_of_its_rounds_with_their_spread(results: Results) -> None:
    assert cell(results, FRAMES, "tutorial-uvicorn", number) == "220 (200–600)"


def test_a_figure_that_the_client_limits_says_so(results: Results) -> None:
    assert cell(results, FRAMES, "ours-uvicorn", number) == "11.0 (10.0–30.0) ¹"


def test_results_come_back_as_they_were_saved(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")

    assert Results.load(tmp_path / "results.json") == results


def test_a_payload_has_200_bytes_and_its_mark_and_moment_once() -> None:
    text = wire.payload(123).encode()

    assert len(text) == wire.PAYLOAD_BYTES
    assert text.count(wire.MARK) == 1
    assert int(text.partition(wire.MARK)[2][: wire.STAMP_DIGITS]) == 123


def test_the_page_shows_the_figures_that_are_kept() -> None:
    page = (ROOT / "docs/performance.md").read_text()

    assert filled(page, parts_of(Results.load(FIGURES))) == page


def test_the_page_has_a_chart_for_all_that_is_kept(tmp_path: Path) -> None:
    draw_all(Results.load(FIGURES), tmp_path)

    page = (ROOT / "docs/performance.md").read_text()
    for chart in tmp_path.iterdir():
        assert f"(images/{chart.name})" in page
        assert ET.fromstring(chart.read_text()).tag.endswith("svg")
        assert "prefers-color-scheme: dark" in chart.read_text()
    assert len(list(tmp_path.iterdir())) == page.count("(images/")


def test_figures_of_some_systems_alone_are_a_page_with_charts(
    results: Results, tmp_path: Path
) -> None:
    draw_all(results, tmp_path)

    assert {path.stem for path in tmp_path.iterdir()} == {"performance-frame", "performance-growth"}
    assert "| nchan | no packages |" in parts_of(results)["versions"]


def test_ratios_say_by_how_many_times_ours_costs_less(results: Results) -> None:
    assert ratios_of(results) == {f"{FRAMES}, uvicorn": 20.0}


@pytest.mark.parametrize(("now", "is_lost"), [(7.6, False), (7.4, True), (12.0, False)])
def test_a_loss_of_more_than_a_quarter_fails(now: float, is_lost: bool) -> None:
    assert compare({"a": now}, {"a": 10.0})[1] is is_lost


def test_a_ratio_that_is_missing_is_a_loss() -> None:
    assert compare({}, {"a": 10.0})[1]


def test_processor_time_of_another_process_only_grows(bare: Bare) -> None:
    pids = [bare.server.pid]

    before = machine.cpu_seconds(pids)

    assert 0 < before <= machine.cpu_seconds(pids)
    assert machine.memory_kilobytes(pids) > 1000


def test_sockets_open_and_close_again(bare: Bare, fleet: Fleet) -> None:
    fleet.plan(bare.plan(20))

    answer = fleet.connect(20)
    fleet.close()

    assert answer["live"] == 20
    assert fleet.live == 0


def test_sockets_that_nobody_accepts_are_not_counted(bare: Bare, fleet: Fleet) -> None:
    script = [(b"GET / HTTP/1.1\r\n\r\n", b"what never comes")]
    fleet.plan(Plan(ports=[bare.server.port], script=script))

    with pytest.raises(StuckError):
        fleet.connect(1, seconds=0.2)
