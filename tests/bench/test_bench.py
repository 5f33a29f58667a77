"""The benchmark: what it counts, compares and draws. What it finds is in docs/performance.md."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import machine, wire
from bench import metrics as m
from bench.fleet import Fleet, Stuck
from bench.peers.bare import Bare
from bench.quick import compare, ratios_of
from bench.report import charts
from bench.report.charts import Row
from bench.report.goals import goal_lines
from bench.report.page import write_report
from bench.results import Results
from tests.support.servers import BrokerProcess

pytestmark = pytest.mark.one_database


@pytest.fixture
def results() -> Results:
    found = Results(date="1 January 2026", machine="a machine", rounds=3)
    found.names = {
        "ours-uvicorn": "ours",
        "tutorial-uvicorn": "the tutorial",
        "nchan": "nchan",
    }
    for value in (10.0, 30.0, 11.0):
        found.add(m.FRAME, "ours-uvicorn", value, client_share=0.95)
        found.add(m.FRAME, "tutorial-uvicorn", value * 20, client_share=0.1)
        found.add(m.FRAME_MANY, "ours-uvicorn", value)
        for metric in m.LATENCIES:
            found.add(metric, "ours-uvicorn", value)
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
    assert results.median(m.FRAME, "ours-uvicorn") == 11
    assert results.spread(m.FRAME, "ours-uvicorn") == (10, 30)


def test_a_figure_that_the_client_limits_says_so(results: Results) -> None:
    assert results.is_limited_by_client(m.FRAME, "ours-uvicorn")
    assert not results.is_limited_by_client(m.FRAME, "tutorial-uvicorn")


def test_results_come_back_as_they_were_saved(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")

    assert Results.load(tmp_path / "results.json") == results


def test_a_payload_has_200_bytes_and_its_mark_and_moment_once() -> None:
    text = wire.payload(123).encode()

    assert len(text) == wire.PAYLOAD_BYTES
    assert text.count(wire.MARK) == 1
    assert int(text.partition(wire.MARK)[2][: wire.STAMP_DIGITS]) == 123


def test_the_page_has_every_figure_every_missing_system_and_its_charts(
    results: Results, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()

    write_report(results, tmp_path)

    page = (tmp_path / "performance.md").read_text()
    assert "| **ours** | 11.0 (10.0–30.0) ¹ |" in page
    assert "not installed: no packages" in page
    drawn = {path.stem for path in (tmp_path / "images").iterdir()}
    assert {name for name in drawn if f"images/{name}.svg" not in page} == set()
    assert {"performance-frame", "performance-latency", "performance-growth"} <= drawn


def test_the_page_names_the_goals_that_were_missed_first(results: Results) -> None:
    results.add(m.MEMORY_MANY, "ours-uvicorn", 56)

    lines = goal_lines(results)

    assert lines[2].endswith("| 56.0 KB | 28.0 KB | **missed**, 2.0 times the limit |")
    assert lines[3].endswith("| 11.0 µs | 15.0 µs | reached |")
    assert any(line.endswith("not measured: nchan |") for line in lines[4:])


@pytest.mark.parametrize(
    "drawn",
    [
        charts.bars("Bars <&>", "µs", [Row(label="a & b", values=[3], said="3", spread=(1, 9))]),
        charts.ranges("Ranges", "ms", [Row(label="a", values=[0.2, 3, 40], said="", is_ours=True)]),
        charts.lines("Lines", "µs", {"a": {100: 3.0, 9000: 70.0}, "b": {100: 3.0}}, ["a"]),
    ],
    ids=["bars", "ranges", "lines"],
)
def test_a_chart_is_well_formed_and_follows_the_theme(drawn: str) -> None:
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert "prefers-color-scheme: dark" in drawn


def test_ratios_say_by_how_many_times_ours_costs_less(results: Results) -> None:
    assert ratios_of(results) == {f"{m.FRAME}, uvicorn": 20.0}


@pytest.mark.parametrize(("now", "is_lost"), [(7.6, False), (7.4, True), (12.0, False)])
def test_a_loss_of_more_than_a_quarter_fails(now: float, is_lost: bool) -> None:
    assert compare({"a": now}, {"a": 10.0})[1] is is_lost


def test_a_ratio_that_is_missing_is_a_loss() -> None:
    assert compare({}, {"a": 10.0})[1]


def test_processor_time_of_another_process_only_grows(bare: Bare) -> None:
    before = machine.cpu_seconds(bare.pids)

    assert 0 < before <= machine.cpu_seconds(bare.pids)
    assert machine.memory_kilobytes(bare.pids) > 1000


def test_sockets_open_and_close_again(bare: Bare, fleet: Fleet) -> None:
    fleet.plan(ports=bare.ports, script=bare.script(bare.ports[0]))

    answer = fleet.connect(20)
    fleet.close()

    assert answer["live"] == 20
    assert fleet.live == 0


def test_sockets_that_nobody_accepts_are_not_counted(bare: Bare, fleet: Fleet) -> None:
    fleet.plan(ports=bare.ports, script=[("GET / HTTP/1.1\r\n\r\n", "what never comes")])

    with pytest.raises(Stuck):
        fleet.connect(1, seconds=0.2)
