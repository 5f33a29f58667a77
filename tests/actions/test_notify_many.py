"""One payload for many users: in every shape that users come in, each of them once."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, UserManager
from django.db import OperationalError, connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.models import Count, F, QuerySet
from django.utils.translation import gettext_lazy
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import PartiallyNotifiedError, broadcast, mark_read, notify_many, remove
from notifications.message.recipients import batches
from notifications.models import Notification
from notifications.signals import notification_created
from tests.support.factories import make_user
from tests.support.inboxes import make_users, state_of, texts_of


@pytest.fixture
def users(db: None) -> list[User]:
    return make_users(5)


def as_list(users: list[User]) -> Any:
    return users


def as_generator(users: list[User]) -> Any:
    return (user for user in users)


def as_set_and_backwards(users: list[User]) -> Any:
    return dict.fromkeys(reversed(users))


def as_queryset(users: list[User]) -> Any:
    return User.objects.all()


def as_ordered_queryset(users: list[User]) -> Any:
    return User.objects.order_by("-username")


def as_joined_queryset(users: list[User]) -> Any:
    for name in ("one", "two"):
        Group.objects.create(name=name).user_set.set(users)
    return User.objects.filter(groups__name__in=["one", "two"])  # each user twice


def as_sliced_queryset(users: list[User]) -> Any:
    make_user("late")
    return User.objects.order_by("pk")[: len(users)]


def as_union(users: list[User]) -> Any:
    half = users[2].pk
    return User.objects.filter(pk__lte=half).union(User.objects.filter(pk__gte=half))


def as_values(users: list[User]) -> Any:
    return User.objects.only("pk").defer("email")


@pytest.mark.parametrize("batch_size", [2, 1000])
@pytest.mark.parametrize(
    "given",
    [
        as_list,
        as_generator,
        as_set_and_backwards,
        as_queryset,
        as_ordered_queryset,
        as_joined_queryset,
        as_sliced_queryset,
        as_union,
        as_values,
    ],
)
def test_users_come_in_every_shape_and_each_is_told_once(
    users: list[User],
    given: Callable[[list[User]], Any],
    batch_size: int,
    settings: Settings,
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = batch_size

    assert notify_many(given(users), "Hello") == 5

    assert [state_of(user) for user in users] == [(1, 1)] * 5
    assert Notification.objects.count() == 5


@pytest.mark.parametrize("batch_size", [2, 1000])
def test_who_is_named_twice_is_told_once(
    users: list[User], batch_size: int, settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = batch_size

    assert notify_many([*users, *reversed(users), users[0]], "Hello") == 5
    assert [state_of(user) for user in users] == [(1, 1)] * 5


@pytest.mark.parametrize(
    "nobody", [[], (), iter([]), User.objects.none()], ids=lambda value: type(value).__name__
)
def test_nobody_is_told_without_a_complaint(db: None, nobody: Any) -> None:
    assert notify_many(nobody, "Hello") == 0


@pytest.mark.parametrize(
    "wrong", [AnonymousUser(), 7, "alice", None], ids=lambda value: type(value).__name__
)
def test_one_wrong_user_among_many_keeps_all_from_being_told(
    users: list[User], wrong: Any, settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2

    with pytest.raises(TypeError, match="saved User"):
        notify_many([*users, wrong], "Hello")

    assert not Notification.objects.exists()


def test_the_model_of_a_migration_is_told_apart(users: list[User]) -> None:
    state = MigrationLoader(connection).project_state()
    user, group = (state.apps.get_model(name) for name in ("accounts.User", "auth.Group"))

    with pytest.raises(TypeError, match=r"QuerySet of .*__fake__.User.*, not of .*models.User"):
        notify_many(user._default_manager.all(), "Hello")
    with pytest.raises(TypeError, match=r"saved User, not .*__fake__\.User"):
        notify_many(list(user._default_manager.all()), "Hello")
    with pytest.raises(TypeError, match=r"audience has .*__fake__\.Group"):
        broadcast("Hello", [group._default_manager.create(name="Editors")])


def test_what_holds_no_users_is_told(users: list[User]) -> None:
    groups: Any = Group.objects.all()
    one: Any = users[0]

    with pytest.raises(TypeError, match=r"QuerySet of .*models.Group.*, not of .*models.User"):
        notify_many(groups, "Hello")
    with pytest.raises(TypeError, match="a QuerySet or an iterable of users"):
        notify_many("alice", "Hello")
    with pytest.raises(TypeError, match="a QuerySet or an iterable of users"):
        notify_many(one, "Hello")


USERS: QuerySet[Any] = User.objects.all()
SHADOWS: dict[str, QuerySet[Any, Any]] = {
    "values": USERS.values(pk=F("groups")),
    "annotated values": USERS.annotate(pk=F("groups")).values_list("pk", flat=True),
    "extra": USERS.extra(select={"pk": "7"}).values("pk", "username"),
}


@pytest.mark.parametrize("shadow", SHADOWS)
def test_an_expression_called_pk_is_nobodys_key(users: list[User], shadow: str) -> None:
    Group.objects.create(pk=users[0].pk, name="one").user_set.set(users[3:])

    assert notify_many(SHADOWS[shadow].filter(groups__name="one"), "Hello") == 2

    assert [state_of(user)[0] for user in users] == [0, 0, 0, 1, 1]


@pytest.mark.one_database
def test_a_union_that_has_something_else_for_a_key_is_told_before_anything_is_written(
    users: list[User],
) -> None:
    shifted = User.objects.extra(select={"shout": "upper(username)"})

    with pytest.raises(TypeError, match="not a primary key of User"):
        notify_many(shifted.union(User.objects.annotate(Count("groups"))), "Hello")

    assert not Notification.objects.exists()


def test_a_key_rewrites_for_those_who_have_it_and_adds_for_the_rest(users: list[User]) -> None:
    notify_many(users[:3], "10 %", key="import-7")
    mark_read(users[0], [Notification.objects.get(recipient=users[0])])
    remove(users[1], [Notification.objects.get(recipient=users[1])])

    assert notify_many(users, "20 %", key="import-7") == 5

    assert [texts_of(user) for user in users] == [["20 %"]] * 5
    assert [state_of(user) for user in users] == [(3, 1), (3, 1), (2, 1), (1, 1), (1, 1)]


def test_a_key_to_keep_tells_only_users_who_have_it_not(users: list[User]) -> None:
    notify_many(users[:3], "Welcome", key="welcome", if_exists="keep")

    assert notify_many(User.objects.all(), "Welcome again", key="welcome", if_exists="keep") == 2

    assert [texts_of(user) for user in users] == [["Welcome"]] * 3 + [["Welcome again"]] * 2
    assert [state_of(user) for user in users] == [(1, 1)] * 5


def test_a_transient_one_for_many_counts_them_and_stores_nothing(users: list[User]) -> None:
    assert notify_many(users, "Copied", transient=True) == 5
    assert not Notification.objects.exists()


def test_users_that_cannot_be_read_to_the_end_keep_all_from_being_told(
    users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 1

    def breaking() -> Iterator[User]:
        yield from users
        raise OSError("the file of users ends here")

    with pytest.raises(OSError, match="ends here"):
        notify_many(breaking(), "Hello")

    assert not Notification.objects.exists()


def test_a_queryset_that_cannot_be_read_keeps_all_from_being_told(
    transactional_db: None, users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2

    def fail(execute: Any, sql: str, *args: Any) -> Any:
        if "accounts_user" in sql and sql.startswith("SELECT"):
            raise OperationalError("the connection is gone")
        return execute(sql, *args)

    with (
        connection.execute_wrapper(fail),
        pytest.raises(OperationalError, match="the connection is gone"),
    ):
        notify_many(User.objects.all(), "Hello")

    assert not Notification.objects.exists()


def test_what_fails_between_two_batches_is_told_with_what_is_written(
    transactional_db: None, users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2

    def fail_at_four(told: int) -> None:
        if told == 4:
            raise OSError("the terminal is gone")

    with pytest.raises(PartiallyNotifiedError, match=r"notified 4 users .* between two") as caught:
        notify_many(User.objects.all(), "Hello", progress=fail_at_four)

    assert (caught.value.notified, list(caught.value.failed)) == (4, [])
    assert isinstance(caught.value.__cause__, OSError)
    assert Notification.objects.count() == 4


# Users that change while they are told


def test_a_reversed_order_tells_everybody_once_and_ends(
    users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2

    assert notify_many(User.objects.order_by("-date_joined").reverse(), "Hello") == 5
    assert [state_of(user) for user in users] == [(1, 1)] * 5


@pytest.mark.parametrize(
    "untold",
    [
        lambda rows: rows,
        lambda rows: rows[:4],
        lambda rows: rows.order_by("?"),
        lambda rows: rows.union(User.objects.none()),
        lambda rows: rows.values("pk"),
    ],
    ids=["all", "slice", "random", "union", "values"],
)
def test_who_leaves_the_queryset_by_being_told_brings_nobody_else_in(
    users: list[User], settings: Settings, untold: Callable[[Any], Any]
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 1
    without_any = User.objects.exclude(pk__in=Notification.objects.values("recipient"))
    expected = len(untold(without_any))

    assert notify_many(untold(without_any), "Hello") == expected
    assert Notification.objects.values("recipient").distinct().count() == expected


def test_users_who_come_while_it_runs_are_not_told_and_it_ends(
    users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 1

    def somebody_comes(told: int) -> None:
        make_user(f"late-{told}")

    assert notify_many(User.objects.all(), "Hello", progress=somebody_comes) == 5
    assert [state_of(user) for user in users] == [(1, 1)] * 5
    assert Notification.objects.count() == 5


def test_users_who_go_while_it_runs_are_left_out(users: list[User], settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2

    def the_last_goes(told: int) -> None:
        User.objects.filter(pk=users[-1].pk).delete()

    assert notify_many(User.objects.all(), "Hello", progress=the_last_goes) == 4


def test_a_queryset_that_was_read_already_tells_whom_it_has_shown(users: list[User]) -> None:
    winners = User.objects.order_by("?")[:2]
    shown = set(winners)

    assert notify_many(winners, "You won") == 2
    assert {row.recipient for row in Notification.objects.all()} == shown


# Users from elsewhere


@pytest.fixture
def archive(db: None) -> Iterator[str]:
    """Return the alias of a second database with users of its own."""
    config = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    default = connections.databases["default"]
    both = connections.configure_settings({"default": default, "archive": config})
    connections.databases["archive"] = both["archive"]
    connections["archive"].connect()  # as no test may that has not asked for this database
    with connections["archive"].schema_editor() as schema:
        schema.create_model(User)
    yield "archive"
    connections["archive"].close()
    del connections["archive"], connections.databases["archive"]


def test_users_of_another_database_are_read_there(users: list[User], archive: str) -> None:
    chosen = users[1:3]
    User.objects.using(archive).bulk_create(chosen)

    assert notify_many(User.objects.using(archive).order_by("-pk"), "Hello") == 2
    assert {row.recipient_id for row in Notification.objects.all()} == {u.pk for u in chosen}


def test_users_whom_the_models_own_manager_hides_are_told_in_their_language(
    users: list[User], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnlyStaff(UserManager[User]):
        def get_queryset(self) -> QuerySet[User]:
            return super().get_queryset().filter(is_staff=True)

    settings.NOTIFICATIONS_USER_LANGUAGE = lambda user: "de"
    staff = OnlyStaff()
    staff.model = User
    monkeypatch.setattr(User._meta, "default_manager", staff)

    assert notify_many(User.objects.all(), gettext_lazy("Inbox")) == 5
    assert {row.title for row in Notification.objects.all()} == {"Posteingang"}


# What it costs


def test_the_keys_of_many_users_take_no_more_memory_than_those_of_few(db: None) -> None:
    def everybody(number: int) -> Iterator[User]:
        user = make_user(f"one of {number}")
        for pk in range(number):
            user.pk = pk % (number - 100)
            yield user

    def peak(number: int) -> int:
        tracemalloc.start()
        try:
            assert sum(map(len, batches(everybody(number), 100))) == number - 100
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = peak(500)
    assert peak(8000) < few + 100_000


def test_a_raw_query_keeps_none_of_its_users(users: list[User]) -> None:
    rows: Any = User.objects.raw("SELECT id, username FROM accounts_user")

    assert [pk for batch in batches(rows, 2) for pk in batch] == [user.pk for user in users]

    assert rows._result_cache is None


@pytest.mark.parametrize("count", [2, 300])
def test_a_batch_takes_at_most_six_queries_however_many_are_in_it(
    db: None, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    users = make_users(count)
    notify_many(users, "first contact")

    with django_assert_num_queries(3):
        notify_many(users, "from a list")
    with django_assert_num_queries(4):  # one to read the users
        notify_many(User.objects.all(), "from a QuerySet")
    notify_many(users[::2], "10 %", key="import-7")
    with django_assert_num_queries(6):
        notify_many(users, "20 %", key="import-7")


def test_first_contact_takes_two_queries_more(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    users = make_users(50)

    with django_assert_num_queries(5):
        notify_many(users, "first contact")


def test_each_row_holds_all_that_was_said(
    db: None, django_capture_on_commit_callbacks: Any
) -> None:
    users = make_users(3)
    payload = {"title": "Saved", "body": "b", "url": "/x/", "level": "error", "data": {"a": [1]}}
    created: list[Notification] = []

    def keep(notification: Notification, **kwargs: Any) -> None:
        created.append(notification)

    notification_created.connect(keep)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            notify_many(
                users, payload, expires=60, key="order-7", if_exists="keep", thread="orders"
            )
    finally:
        notification_created.disconnect(keep)

    stored = {row.pk: row for row in Notification.objects.all()}
    names = [field.attname for field in Notification._meta.concrete_fields]
    assert [row.recipient for row in created] == users
    for row in created:
        there = stored[row.pk]
        assert {name: getattr(row, name) for name in names} == {
            name: getattr(there, name) for name in names
        }
        assert (there.data, there.dedupe_key, there.group_key) == (
            *({"a": [1]}, "order-7"),
            "orders",
        )
