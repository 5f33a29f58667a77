"""The modules by themselves: the store, the mirrored protocol, what no source may have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from notifications.message.kinds import Level
from notifications.wire import protocol

from .bare import PlayedServer
from .tabs import Tab, Visitor

SOURCES = Path(__file__).resolve().parents[2] / "static" / "js" / "notifications"

STORE = """async (steps) => {
  const { Store } = await import("/static/js/notifications/state/store.js");
  const store = new Store({ epoch: "e1", cursor: { u: 10, b: 5 }, unread: 3 });
  const told = [];
  store.addEventListener("change", ({ detail }) => told.push(detail));
  for (const [verb, argument] of steps) {
    store[verb](argument);
  }
  const last = told.at(-1) ?? { changes: [] };
  return {
    position: store.position, unread: store.unread, told: told.length,
    reset: Boolean(last.reset), isLive: Boolean(last.isLive),
    changed: last.changes.map(({ item, previous }) => [item.id, previous?.title ?? null]),
    list: store.list().map(({ id, title }) => [id, title]),
  };
}"""


@pytest.fixture(scope="module")
def tab(browser: Browser, site: str) -> Iterator[Tab]:
    """Return one page for all of them: what they ask keeps nothing."""
    visitor = Visitor(browser, site)
    tab = visitor.blank()
    PlayedServer(tab.page)
    tab.visit("/")
    yield tab
    visitor.context.close()
    assert tab.errors == []


def item(seq: int, name: str = "n1", title: str = "", **fields: Any) -> dict[str, Any]:
    stream = fields.pop("stream", "u")
    created = f"2026-01-01T00:{seq // 60:02}:{seq % 60:02}Z"
    item = {"stream": stream, "seq": seq, "id": name, "title": title or f"T{seq}"}
    return {**item, "created": created, **fields}


def frame(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    tops = {"u": 10, "b": 5}
    for each in items:
        tops[each["stream"]] = max(tops[each["stream"]], each["seq"])
    return {"items": list(items), "cursor": tops, **fields}


def after(tab: Tab, *steps: tuple[str, Any]) -> dict[str, Any]:
    """Return what a store at 10/5 with three unread says after these steps."""
    outcome: dict[str, Any] = tab.page.evaluate(STORE, [list(step) for step in steps])
    return outcome


def exported(tab: Tab, name: str) -> Any:
    module = "/static/js/notifications/transport/protocol.js"
    return tab.page.evaluate(f"async (name) => (await import('{module}'))[name]", name)


def test_the_protocol_is_the_mirror_of_the_servers(tab: Tab) -> None:
    assert exported(tab, "VERSION") == protocol.VERSION
    assert exported(tab, "LEVELS") == Level.values
    assert exported(tab, "CLOSE_CODES") == {code.name: code.value for code in protocol.CloseCode}
    assert set(exported(tab, "SERVER_FRAMES")) == _frame_types()


def _frame_types() -> set[str]:
    source = Path(protocol.__file__).read_text()
    return set(re.findall(r'"type\\?": ?\\?"(\w+)"', source))


def test_a_store_applies_changes_and_moves_its_cursor(tab: Tab) -> None:
    state = after(tab, ("apply", frame(item(11), item(12, "n2"), unread=5)))

    assert state["position"] == {"epoch": "e1", "u": 12, "b": 5}
    assert state["unread"] == 5
    assert state["changed"] == [["n1", None], ["n2", None]]
    assert state["isLive"]


def test_a_store_takes_the_same_number_only_once(tab: Tab) -> None:
    state = after(
        tab,
        ("apply", frame(item(11, title="First"), unread=4)),
        ("apply", frame(item(11, title="Again"), unread=4)),
    )

    assert state["changed"] == []
    assert state["list"] == [["n1", "First"]]


def test_an_older_number_overwrites_nothing(tab: Tab) -> None:
    state = after(
        tab,
        ("apply", frame(item(13, title="Newer"), unread=7)),
        ("apply", frame(item(12, title="Older"), unread=4)),
    )

    assert state["list"] == [["n1", "Newer"]]
    assert state["position"]["u"] == 13
    assert state["unread"] == 7


def test_each_stream_has_its_own_numbers(tab: Tab) -> None:
    state = after(tab, ("apply", frame(item(6, "b1", stream="b"), item(11), unread=5)))

    assert state["position"] == {"epoch": "e1", "u": 11, "b": 6}
    assert len(state["changed"]) == 2


def test_a_rewrite_tells_what_was_there_before(tab: Tab) -> None:
    state = after(
        tab,
        ("apply", frame(item(11, title="10 %"), unread=4)),
        ("apply", frame(item(12, title="20 %"), unread=4)),
    )

    assert state["changed"] == [["n1", "10 %"]]


def test_a_frame_without_a_count_is_counted_here(tab: Tab) -> None:
    state = after(
        tab,
        ("apply", frame(item(11), item(12, "n2"), item(13, "n3"))),
        ("apply", frame(item(14, "n1", read=True), item(15, "n2", removed=True))),
    )

    assert state["unread"] == 3 + 3 - 2


def test_a_removed_item_is_not_brought_back_by_a_late_list(tab: Tab) -> None:
    state = after(
        tab,
        ("apply", frame(item(12, removed=True), unread=3)),
        ("load", [item(11)]),
    )

    assert state["list"] == []


def test_a_loaded_list_is_no_news_and_leaves_news_to_the_socket(tab: Tab) -> None:
    state = after(tab, ("load", [item(11, "n2"), item(9, "n1")]))
    assert state["list"] == [["n1", "T9"]]
    assert not state["isLive"]

    state = after(
        tab,
        ("load", [item(11, "n2"), item(9, "n1")]),
        ("apply", frame(item(11, "n2"), unread=4)),
    )
    assert state["changed"] == [["n2", None]]


def test_a_late_http_count_does_not_overwrite_a_newer_one(tab: Tab) -> None:
    newer = ("apply", frame(item(12), unread=9))

    late = after(tab, newer, ("count", {"unread": 1, "cursor": {"u": 11, "b": 5}}))
    assert late["unread"] == 9

    timely = after(tab, newer, ("count", {"unread": 1, "cursor": {"u": 12, "b": 5}}))
    assert timely["unread"] == 1


def test_a_reset_throws_everything_away(tab: Tab) -> None:
    welcome = {"epoch": "e2", "cursor": {"u": 2, "b": 0}, "unread": 1, "reset": True}

    state = after(tab, ("apply", frame(item(11), unread=4)), ("welcome", welcome))

    assert state["reset"]
    assert state["list"] == []
    assert state["unread"] == 1
    assert state["position"] == {"epoch": "e2", "u": 2, "b": 0}


def test_a_welcome_without_a_reset_keeps_the_place(tab: Tab) -> None:
    welcome = {"epoch": "e1", "cursor": {"u": 99, "b": 9}, "unread": 8, "reset": False}

    state = after(tab, ("apply", frame(item(11), unread=4)), ("welcome", welcome))

    assert state["position"] == {"epoch": "e1", "u": 11, "b": 5}
    assert state["unread"] == 8


def test_the_epoch_of_a_frame_is_taken_unless_the_frame_is_old_or_of_another_log(tab: Tab) -> None:
    start = {"epoch": "e1.10-a.5-b", "cursor": {"u": 10, "b": 5}, "unread": 3, "reset": True}
    newer = frame(item(11), unread=4, epoch="e1.11-c.5-b")
    older = frame(unread=4, epoch="e1.9-d.5-b", cursor={"u": 9, "b": 5})
    another = {"epoch": "e2.99-f.5-b", "cursor": {"u": 99, "b": 5}}

    steps = [("welcome", start), ("apply", newer), ("apply", older), ("follow", another)]

    assert after(tab, *steps)["position"] == {"epoch": "e1.11-c.5-b", "u": 11, "b": 5}


def test_what_the_browser_has_seen_counts_with_the_epoch_that_it_had_then(tab: Tab) -> None:
    script = """async ([seen, page]) => {
      const { notBeforeSeen } = await import("/static/js/notifications/state/seen.js");
      localStorage.setItem("notifications-seen 7", JSON.stringify(seen));
      return notBeforeSeen("7", page);
    }"""
    seen = {"epoch": "e1.7-a.0-0", "u": 7, "b": 0}

    later = tab.page.evaluate(script, [seen, {"epoch": "e1.8-b.0-0", "u": 2, "b": 0}])
    assert later == {"epoch": "e1.7-a.0-0", "cursor": {"u": 7, "b": 0}}
    for epoch, u in (("e1.8-b.0-0", 8), ("e2.8-b.0-0", 2)):
        page = tab.page.evaluate(script, [seen, {"epoch": epoch, "u": u, "b": 0}])
        assert page == {"epoch": epoch, "cursor": {"u": u, "b": 0}}


def test_a_store_holds_at_most_200_items_and_lets_the_oldest_go(tab: Tab) -> None:
    many = [item(10 + number, f"n{number}") for number in range(1, 251)]

    state = after(tab, ("apply", frame(*many, unread=250)))

    assert len(state["list"]) == 200
    assert state["list"][0] == ["n250", "T260"]
    assert state["list"][-1] == ["n51", "T61"]


def test_a_list_has_the_newest_text_first_whatever_changed_last(tab: Tab) -> None:
    created = "2026-01-01T00:00:01Z"

    state = after(
        tab,
        ("apply", frame(item(11, "n9", created=created), item(12, "n10", created=created))),
        ("apply", frame(item(13, "n2"), item(14, "n9", created=created, read=True))),
    )

    assert [name for name, _ in state["list"]] == ["n2", "n10", "n9"]


LAYERS = ["platform", "transport", "state", "connection", "elements", "index"]


def layer(path: str) -> int:
    """Return how high a module stands: 0 may import nothing."""
    return LAYERS.index(path.split("/")[0].removesuffix(".js"))


def test_modules_import_from_their_own_folder_or_from_below() -> None:
    for path in SOURCES.rglob("*.js"):
        name = path.relative_to(SOURCES).as_posix()
        for imported in re.findall(r'from "(.+?)"', path.read_text()):
            target = (path.parent / imported).resolve().relative_to(SOURCES).as_posix()
            assert layer(target) <= layer(name), f"{name} imports {target}"


def test_no_two_modules_import_each_other() -> None:
    imports = {
        path: {
            (path.parent / name).resolve() for name in re.findall(r'from "(.+?)"', path.read_text())
        }
        for path in SOURCES.rglob("*.js")
    }
    TopologicalSorter(imports).prepare()  # raises CycleError


@pytest.mark.parametrize("word", ["document.hidden", "visibilityState", "Storage", "performance."])
def test_one_module_asks_for_what_a_browser_may_refuse(word: str) -> None:
    asking = [path for path in SOURCES.parent.rglob("*.js") if word in path.read_text()]

    assert asking in ([], [SOURCES / "platform.js"])


@pytest.mark.parametrize("word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"])
def test_no_source_builds_markup_from_strings(word: str) -> None:
    assert [path.name for path in SOURCES.rglob("*.js") if word in path.read_text()] == []


def test_no_source_sets_an_inline_style_or_a_global() -> None:
    pattern = re.compile(
        r"""(?<!dataset)\.style\b|["']style["']|\b(?:window|globalThis)\.\w+\s*=[^=]"""
    )

    assert [path.name for path in SOURCES.rglob("*.js") if pattern.search(path.read_text())] == []
