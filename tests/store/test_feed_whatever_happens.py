"""Whatever happens to an inbox: what a reader held plus what the feed tells it is what there is."""

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pytest_django import Settings

from accounts.models import User
from notifications import (
    broadcast,
    change_broadcast,
    mark_all_read,
    mark_read,
    mark_unread,
    notify,
    notify_many,
    publish_due,
    recall_broadcast,
    remove,
    restore,
)
from notifications.actions import retention
from notifications.message.recipients import users_of
from notifications.models import Broadcast, BroadcastLog, Inbox, Notification
from notifications.store import feed, user_state
from notifications.web.inbox.listing import Listing
from notifications.wire.epochs import Epoch
from notifications.wire.groups import hubs_group, user_group
from notifications.wire.protocol import Cursor, Resume

REMEMBERED_MAX = 6
AT_ONCE = timedelta(0)
NEVER = timedelta(days=1)
BUDGET = budget(
    max_examples=6,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

Items = dict[str, dict[str, Any]]

whose = st.sampled_from([0, 1])
numbers = st.lists(st.integers(0, 11), min_size=1, max_size=4)
titles = st.sampled_from(["one", "two", "three"])
options = st.one_of(
    st.just({}),
    st.builds(lambda key: {"key": key}, st.sampled_from(["import-7", "import-8"])),
    st.builds(
        lambda value: {"key": value, "if_exists": "keep"}, st.sampled_from(["welcome", "import-7"])
    ),
    st.builds(lambda thread: {"thread": thread}, st.sampled_from(["host-1", "host-2"])),
)
ages = st.sampled_from([AT_ONCE, NEVER])


@dataclass
class Reader:
    """A client as the protocol has it: its store and its place in the log."""

    user: User
    epoch: str
    cursor: Cursor
    items: Items = field(default_factory=dict)

    def position(self) -> tuple[Any, Resume]:
        return self.user.pk, Resume(self.epoch, self.cursor.u, self.cursor.b)

    @property
    def unread(self) -> int:
        return sum(not item["read"] for item in self.items.values())

    def take(self, items: Iterable[dict[str, Any]], cursor: Cursor) -> None:
        for item in items:
            place = self.cursor.b if item["stream"] == "b" else self.cursor.u
            assert item["seq"] > place
            self.items.pop(item["id"], None)
            if not item["removed"]:
                self.items[item["id"]] = without_place(item)
        self.cursor = cursor

    def take_page(self, page: feed.FeedPage) -> None:
        if page.reset:
            stood = user_state.of(self.user.pk)
            pruned = Cursor(stood.inbox.pruned_seq, stood.live.pruned_seq)
            assert self.cursor.is_behind(pruned)
            self.items = present_items(self.user)
        self.epoch = str(page.epoch)
        self.take(page.items, page.cursor)
        assert page.more or page.unread == self.unread


def without_place(item: dict[str, Any]) -> dict[str, Any]:
    """Return what an item says, whichever stream it came on."""
    return {name: value for name, value in item.items() if name not in ("stream", "seq")}


def present_items(user: User) -> Items:
    """Return what a client loads over HTTP when it starts anew."""
    return items_of(user_state.of(user.pk))


def items_of(stood: user_state.UserState) -> Items:
    rows = Listing(stood).newest(1000)
    return {row.item_id: without_place(stood.item(row)) for row in rows}


def reader_at_present(user: User) -> Reader:
    stood = user_state.of(user.pk)
    return Reader(user, str(stood.epoch), stood.head, items_of(stood))


def catch_up(readers: list[Reader]) -> None:
    """Read the feed to its end, for all of them together."""
    while readers:
        pages = feed.read_many([reader.position() for reader in readers])
        for reader, page in zip(readers, pages, strict=True):
            reader.take_page(page)
        readers = [reader for reader, page in zip(readers, pages, strict=True) if page.more]


class Inboxes(RuleBasedStateMachine):
    """Two users, everything that can be done to their inboxes, and readers who stand anywhere.

    The first user is of the staff, the second is in a group.
    """

    def __init__(self) -> None:
        super().__init__()
        layer: Any = get_channel_layer()
        self.layer = layer
        self.users = [
            User.objects.create(username=f"{uuid4()}", is_staff=number == 0) for number in range(2)
        ]
        self.group = Group.objects.create(name=f"{uuid4()}")
        self.group.user_set.add(self.users[1])
        self.live = [reader_at_present(user) for user in self.users]
        self.remembered = [deepcopy(reader) for reader in self.live]

    def teardown(self) -> None:
        for user in self.users:
            user.delete()
        self.group.delete()
        Broadcast.objects.all().delete()
        BroadcastLog.objects.all().delete()

    # What callers do

    @rule(who=whose, title=titles, given=options)
    def notify(self, who: int, title: str, given: dict[str, str]) -> None:
        notify(self.users[who], title, **given)  # type: ignore[arg-type]

    @rule(title=titles, given=options)
    def notify_both(self, title: str, given: dict[str, str]) -> None:
        notify_many(self.users, title, **given)  # type: ignore[arg-type]

    @rule(who=whose, title=titles, given=options, commits=st.booleans())
    def notify_in_a_transaction(
        self, who: int, title: str, given: dict[str, str], commits: bool
    ) -> None:
        with transaction.atomic():
            notify(self.users[who], title, **given)  # type: ignore[arg-type]
            mark_all_read(self.users[who])
            notify(self.users[who], title)
            transaction.set_rollback(not commits)

    @rule(who=whose, title=titles)
    def notify_for_a_moment(self, who: int, title: str) -> None:
        notify(self.users[who], title, expires=timedelta(microseconds=1))

    @rule()
    def remove_expired(self) -> None:
        retention.remove_expired()

    @rule(read=ages, unread=ages, removed=ages)
    def prune(self, read: timedelta, unread: timedelta, removed: timedelta) -> None:
        retention.prune(read=read, unread=unread, removed=removed)

    @rule(title=titles, audience=st.sampled_from(["everyone", "staff", "group"]))
    def broadcast(self, title: str, audience: str) -> None:
        broadcast(title, self.group if audience == "group" else audience)

    @rule(title=titles, commits=st.booleans())
    def broadcast_in_a_transaction(self, title: str, commits: bool) -> None:
        with transaction.atomic():
            broadcast(title)
            feed.read(*self.live[0].position())
            transaction.set_rollback(not commits)

    @rule(title=titles)
    def broadcast_for_a_moment(self, title: str) -> None:
        row = broadcast(title)
        Broadcast.objects.filter(pk=row.pk).update(expires=timezone.now())
        publish_due()

    @rule(title=titles, number=st.integers(0, 5))
    def change_a_broadcast(self, title: str, number: int) -> None:
        for row in self.live_broadcasts()[number : number + 1]:
            change_broadcast(row, title)

    @rule(number=st.integers(0, 5))
    def recall_a_broadcast(self, number: int) -> None:
        for row in self.live_broadcasts()[number : number + 1]:
            recall_broadcast(row)

    def live_broadcasts(self) -> list[Broadcast]:
        return list(Broadcast.objects.live().order_by("-published_seq"))

    # What users do, with notifications of theirs and of the other

    @rule(who=whose, chosen=numbers)
    def read(self, who: int, chosen: list[int]) -> None:
        mark_read(self.users[who], self.some(chosen))

    @rule(who=whose, chosen=numbers)
    def unread(self, who: int, chosen: list[int]) -> None:
        mark_unread(self.users[who], self.some(chosen))

    @rule(who=whose)
    def read_all(self, who: int) -> None:
        mark_all_read(self.users[who])

    @rule(who=whose, chosen=numbers)
    def remove(self, who: int, chosen: list[int]) -> None:
        remove(self.users[who], self.some(chosen))

    @rule(who=whose, chosen=numbers)
    def restore(self, who: int, chosen: list[int]) -> None:
        restore(self.users[who], self.some(chosen))

    def some(self, chosen: list[int]) -> list[Notification | Broadcast]:
        mine = Notification.objects.filter(recipient__in=self.users).order_by("-pk")[:9]
        rows = [*self.live_broadcasts()[:3], *mine]
        return [rows[number] for number in chosen if number < len(rows)]

    # What clients do

    @rule(who=whose)
    def leave(self, who: int) -> None:
        del self.remembered[: len(self.remembered) - REMEMBERED_MAX + 1]
        self.remembered.append(deepcopy(self.live[who]))

    @rule(number=st.integers(0, REMEMBERED_MAX - 1))
    def read_one_page_and_leave(self, number: int) -> None:
        reader = self.remembered[number % len(self.remembered)]
        reader.take_page(feed.read(*reader.position()))

    # What always holds

    @invariant()
    def hints_name_every_number_once_and_bring_the_present(self) -> None:
        readers = {user_group(reader.user.pk): reader for reader in self.live}
        for group, hint in self.layer.take():
            if group == hubs_group():
                for reader in self.live:
                    take_broadcast(reader, hint, self.group)
            elif group in readers:
                take_hint(readers[group], hint)
        for reader in self.live:
            stood = user_state.of(reader.user.pk)
            assert Epoch.parse(reader.epoch).inbox == stood.inbox.epoch
            assert reader.cursor == stood.head
            assert (reader.items, reader.unread) == (items_of(stood), stood.unread)

    @invariant()
    def old_state_and_feed_are_fresh_state(self) -> None:
        returned = deepcopy(self.remembered)
        catch_up(returned)
        fresh = {user.pk: reader_at_present(user) for user in self.users}
        for reader in returned:
            assert reader.cursor == fresh[reader.user.pk].cursor
            assert reader.items == fresh[reader.user.pk].items

    @invariant()
    def counters_equal_the_rows(self) -> None:
        for user in self.users:
            inbox, rows = Inbox.objects.of(user.pk), Notification.objects.of(user.pk)
            seqs = list(rows.values_list("seq", flat=True))
            assert inbox.unread == rows.personal().unread().count()
            assert len(set(seqs)) == len(seqs)
            assert max([inbox.pruned_seq, inbox.seen_seq, *seqs]) <= inbox.last_seq


def take_hint(reader: Reader, hint: Any) -> None:
    """Apply a hint as a hub and a client do: the items in it, or the feed where it has none."""
    if not hint["items"] or hint.get("head", reader.cursor.b) != reader.cursor.b:
        catch_up([reader])
        return
    if hint["seq"] <= reader.cursor.u:
        return  # the feed was faster
    assert hint["after"] == reader.cursor.u
    broadcasts = sum(not item["read"] for id_, item in reader.items.items() if id_[0] == "b")
    items = json.loads(hint["items"])
    reader.take(items, reader.cursor.at(u=hint["seq"]))
    assert hint["unread"] + hint.get("unread_broadcasts", broadcasts) == reader.unread


def take_broadcast(reader: Reader, hint: Any, group: Group) -> None:
    """Apply a hint about the log of broadcasts as a hub and a client do."""
    if hint["seq"] <= reader.cursor.b:
        return
    assert hint["seq"] == reader.cursor.b + 1
    members = users_of(hint["audience"], hint["groups"])
    if not hint["item"]:
        catch_up([reader])
        return
    items = [json.loads(hint["item"])] if reader.user in members else []
    reader.take(items, reader.cursor.at(b=hint["seq"]))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a few notifications many."""
    monkeypatch.setattr(feed, "FEED_PAGE_ITEMS", 3)
    monkeypatch.setattr(feed, "READERS_PER_QUERY", 2)
    monkeypatch.setattr(retention, "PRUNED_ROWS", 2)


def test_old_state_and_feed_are_fresh_state_whatever_happens(
    transactional_db: None, settings: Settings, small_pages: None
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.recording.RecordingLayer"}}

    run_state_machine_as_test(Inboxes, settings=BUDGET)
