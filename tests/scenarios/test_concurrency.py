"""Many writers at once, and writers that end in the middle: processes, threads, forks, kills."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections, transaction
from pytest_django import Settings

from accounts.models import User
from notifications import PartiallyNotifiedError, notify, notify_many
from notifications.models import Inbox, Notification
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.inboxes import make_users
from tests.support.listening import listening_for
from tests.support.scripts import SCRIPT_SECONDS, StartScript, run_together
from tests.support.servers import BrokerProcess
from tests.support.wire import open_socket

CROWD = 1000
BATCH = 100


@pytest.fixture
def small_batches(settings: Settings) -> None:
    """Have a call for the crowd make ten batches."""
    settings.NOTIFICATIONS_BATCH_SIZE = BATCH


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


def numbers_of(user: User) -> list[int]:
    return list(Notification.objects.of(user.pk).order_by("seq").values_list("seq", flat=True))


# Several writers to one user

FIFTY_CALLS = """
alice = User.objects.get(username="alice")
connections.close_all()

def call(number):
    try:
        notify(alice, f"{os.getpid()} {number}", **OPTIONS)
    finally:
        connections.close_all()

with ThreadPoolExecutor(10) as threads:
    list(threads.map(call, range(10)))
"""


async def test_fifty_concurrent_calls_from_five_processes_leave_no_hole(
    start_script: StartScript, alice: User
) -> None:
    code = f"OPTIONS = {{}}\n{FIFTY_CALLS}"
    scripts = [await sync_to_async(start_script)(code) for _ in range(5)]

    async with listening_for(alice.pk) as listener:
        await sync_to_async(run_together)(scripts)
        hints = await listener.receive_until_now()

    inbox = await Inbox.objects.aget()
    assert await sync_to_async(numbers_of)(alice) == list(range(1, 51))
    assert (inbox.last_seq, inbox.unread) == (50, 50)
    assert sorted(hint["seq"] for hint in hints) == list(range(1, 51))
    assert {hint["epoch"] for hint in hints} == {inbox.epoch}
    assert all(hint["unread"] == hint["seq"] for hint in hints)


def test_fifty_concurrent_calls_with_one_key_make_one_notification(
    start_script: StartScript, alice: User
) -> None:
    code = f"OPTIONS = {{'key': 'import-7'}}\n{FIFTY_CALLS}"

    run_together([start_script(code) for _ in range(5)])

    assert numbers_of(alice) == [50]
    assert (Inbox.objects.get().last_seq, Inbox.objects.get().unread) == (50, 1)


def test_fifty_concurrent_calls_with_one_key_to_keep_tell_once(
    start_script: StartScript, alice: User
) -> None:
    code = f"OPTIONS = {{'key': 'welcome', 'if_exists': 'keep'}}\n{FIFTY_CALLS}"

    run_together([start_script(code) for _ in range(5)])

    assert numbers_of(alice) == [1]
    assert (Inbox.objects.get().last_seq, Inbox.objects.get().unread) == (1, 1)


OPPOSITE_ORDERS = """
users = list(User.objects.order_by(ORDER))
for number in range(5):
    assert notify_many(users, f"{ORDER} {number}") == len(users)
assert not counters["store.conflict"]  # a deadlock would be tried again, a second later
"""


def test_two_callers_with_the_same_users_in_opposite_order_do_not_deadlock(
    start_script: StartScript, transactional_db: None
) -> None:
    users = make_users(200)

    run_together(
        [
            start_script(f"ORDER = {order!r}\n{OPPOSITE_ORDERS}", NOTIFICATIONS_BATCH_SIZE="30")
            for order in ("pk", "-pk")
        ]
    )

    assert [numbers_of(user) for user in users] == [list(range(1, 11))] * 200


async def test_two_hundred_hints_from_twenty_threads_all_arrive(alice: User) -> None:
    together = Barrier(20)

    def send_ten(thread: int) -> None:
        together.wait(SCRIPT_SECONDS)
        for number in range(10):
            notify(alice, f"{thread} {number}", transient=True)
        connections.close_all()

    def send_all() -> None:
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(send_ten, range(20)))

    async with listening_for(alice.pk) as listener:
        await sync_to_async(send_all)()
        hints = await listener.receive_until_now()

    titles = [json.loads(hint["frame"])["item"]["title"] for hint in hints]
    assert sorted(titles) == sorted(f"{t} {n}" for t in range(20) for n in range(10))


# Forked processes, as servers and workers make them

FORKS = """
alice = User.objects.get(username="alice")
notify(alice, "parent first", transient=True)
connections.close_all()
if connection.vendor == "postgresql":
    connection.close_pool()  # Django's pool does not know of forks

def work(child):
    for number in range(10):
        notify(alice, f"{child} {number}", transient=True)
    notify(alice, f"stored by {child}")

children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            work(child)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(pid)

notify(alice, "parent meanwhile", transient=True)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
notify(alice, "parent last", transient=True)
"""


async def test_forked_children_send_on_connections_of_their_own_and_every_frame_arrives(
    start_script: StartScript,
    start_server: StartServer,
    private_broker: BrokerProcess,
    alice: User,
) -> None:
    server = await sync_to_async(start_server)(env={"REDIS_URL": private_broker.url})
    script = await sync_to_async(start_script)(FORKS, REDIS_URL=private_broker.url)
    cookie = await sync_to_async(session_cookie_for)(alice)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        with private_broker.client() as client:
            before = connections_made(client)
            await sync_to_async(run_together)([script])
            made = connections_made(client) - before
        titles: list[str] = []
        while len(titles) < 47:
            titles += titles_in(await wire.receive())

    expected = [f"{child} {number}" for child in range(4) for number in range(10)]
    expected += [f"stored by {child}" for child in range(4)]
    expected += ["parent first", "parent meanwhile", "parent last"]
    assert sorted(titles) == sorted(expected)
    assert made >= 5


def connections_made(client: Any) -> int:
    """Return how many connections the broker has ever taken."""
    return int(client.info("stats")["total_connections_received"])


def titles_in(frame: dict[str, Any]) -> list[str]:
    if frame["type"] == "toast":
        return [frame["item"]["title"]]
    return [item["title"] for item in frame.get("items", [])]


# Ends in the middle


def assert_whole_batches(told: int) -> None:
    """See that the first `told` users were told, that nobody else was, and that counters agree."""
    assert told % BATCH == 0
    first = User.objects.order_by("pk").values_list("pk", flat=True)[:told]
    assert set(Notification.objects.values_list("recipient", flat=True)) == set(first)
    assert Notification.objects.count() == told
    assert Inbox.objects.filter(last_seq=1, unread=1).count() == told
    assert Inbox.objects.count() == told


def assert_everybody_was_told_once() -> None:
    assert Notification.objects.count() == CROWD
    assert Inbox.objects.filter(last_seq=1, unread=1).count() == CROWD


@contextmanager
def failing_at_batch(number: int) -> Iterator[None]:
    """Let the database refuse to store the rows of one batch."""
    batches = 0

    def execute(execute: Any, sql: str, *args: Any) -> Any:
        nonlocal batches
        batches += sql.startswith('INSERT INTO "notifications_notification"')
        if batches == number:
            raise OperationalError("The disk is full.")
        return execute(sql, *args)

    with connection.execute_wrapper(execute):
        yield


@pytest.mark.usefixtures("small_batches")
def test_a_call_for_many_that_fails_leaves_whole_batches_and_says_which(
    transactional_db: None,
) -> None:
    users = make_users(CROWD)
    pks = [user.pk for user in users]

    with pytest.raises(PartiallyNotifiedError) as caught, failing_at_batch(5):
        notify_many(users, "Hello", key="campaign", if_exists="keep")

    assert caught.value.notified == 4 * BATCH
    assert list(caught.value.failed) == pks[4 * BATCH : 5 * BATCH]
    assert isinstance(caught.value.__cause__, OperationalError)
    assert str(caught.value).startswith(
        f"notify_many() notified {4 * BATCH} users in whole batches and stopped at the batch of "
        f"{BATCH} users"
    )
    assert_whole_batches(4 * BATCH)

    assert (
        notify_many(User.objects.all(), "Hello", key="campaign", if_exists="keep")
        == CROWD - 4 * BATCH
    )
    assert_everybody_was_told_once()


def test_who_was_deleted_after_the_caller_read_the_users_is_left_out(db: None) -> None:
    users = make_users(10)
    User.objects.filter(pk=users[4].pk).delete()

    assert notify_many(users, "Hello") == 9
    assert notify(users[4], "Hello") is None

    told = Notification.objects.values_list("recipient", flat=True)
    assert set(told) == {user.pk for user in users} - {users[4].pk}


def test_a_call_that_fails_in_its_first_batch_leaves_nothing_and_raises_the_cause(
    transactional_db: None, settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 5
    users = make_users(10)

    with pytest.raises(OperationalError, match="The disk is full"), failing_at_batch(1):
        notify_many(users, "Hello")

    assert not Notification.objects.exists()
    assert not Inbox.objects.exists()


def test_inside_a_callers_transaction_a_failure_leaves_nothing(
    transactional_db: None, settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 5
    users = make_users(10)

    with pytest.raises(OperationalError), failing_at_batch(2), transaction.atomic():
        notify_many(users, "Hello")

    assert not Notification.objects.exists()


IN_THE_MIDDLE = """
updates = 0

def stop_in_the_fourth_batch(execute, sql, params, many, context):
    global updates
    result = execute(sql, params, many, context)
    updates += sql.startswith('UPDATE "notifications_inbox"')
    if updates == 4 and sql.startswith('INSERT INTO "notifications_notification"'):
        say("in the middle")
        wait_for_word()
    return result

with connection.execute_wrapper(stop_in_the_fourth_batch):
    notify_many(User.objects.all(), "Hello", key="campaign", if_exists="keep")
"""


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_call_for_many_that_is_ended_leaves_whole_batches_and_can_be_made_again(
    number: signal.Signals, start_script: StartScript
) -> None:
    make_users(CROWD)
    script = start_script(IN_THE_MIDDLE, NOTIFICATIONS_BATCH_SIZE=f"{BATCH}")

    script.wait_until_it_says("ready")
    script.go()
    script.wait_until_it_says("in the middle")
    script.process.send_signal(number)
    code, errors = script.end()

    assert code == -number
    assert (f"{3 * BATCH} users in whole batches" in errors) is (number is signal.SIGINT)
    assert_whole_batches(3 * BATCH)
    assert (
        notify_many(User.objects.all(), "Hello", key="campaign", if_exists="keep")
        == CROWD - 3 * BATCH
    )
    assert_everybody_was_told_once()


KILLED_AFTER_ITS_COMMIT = """
alice = User.objects.get(username="alice")
with transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    notify(alice, "Committed")
"""


async def test_a_writer_killed_between_its_commit_and_its_hint_costs_only_time(
    start_script: StartScript, start_server: StartServer, alice: User
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "1"})
    script = await sync_to_async(start_script)(KILLED_AFTER_ITS_COMMIT)
    cookie = await sync_to_async(session_cookie_for)(alice)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await sync_to_async(script.wait_until_it_says)("ready")
        script.go()
        code, _ = await sync_to_async(script.end)()
        [item] = await wire.receive_items(1)

    assert code == -signal.SIGKILL
    assert item["title"] == "Committed"
