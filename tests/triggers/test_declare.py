"""Triggers tell whom a rule names, when its model changes, and never break the save."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from demo.models import Order
from notifications import trigger, triggers_disabled
from notifications.models import Notification
from notifications.triggers import dispatch
from tests.docs.markdown import blocks
from tests.support.factories import make_user
from tests.support.rules import calls_of
from tests.support.servers import ROOT

pytest_plugins = ["tests.support.rules_fixture"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_rules"), pytest.mark.one_database]


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def order(alice: User) -> Order:
    return Order.objects.get(pk=Order.objects.create(user=alice).pk)


def told() -> QuerySet[Notification]:
    return Notification.objects.order_by("title", "recipient")


def test_each_event_fires_once_for_its_own_thing(alice: User) -> None:
    created, updated, deleted = (calls_of(on=on) for on in ("created", "updated", "deleted"))
    order = Order.objects.create(user=alice)
    assert [len(each) for each in (created, updated, deleted)] == [1, 0, 0]
    order.save()
    assert [len(each) for each in (created, updated, deleted)] == [1, 1, 0]
    order.delete()

    assert [len(each) for each in (created, updated, deleted)] == [1, 1, 1]


def test_a_change_has_the_old_value_and_fires_once(order: Order) -> None:
    calls = calls_of(changed=("status", "user"))
    order = Order.objects.get()
    order.save()
    order.status = Order.Status.PAID
    order.save()
    order.save()

    assert calls == [{"status": "placed"}]


def test_update_fields_and_deferred_fields_are_respected(order: Order) -> None:
    calls = calls_of(changed="status")
    order = Order.objects.get()
    order.status = "paid"
    order.save(update_fields=["changed"])
    assert calls == []
    order.save(update_fields=["status"])
    assert calls == [{"status": "placed"}]

    trigger(Order, changed="placed")(lambda order: calls.append(order))
    deferred = Order.objects.defer("placed").get()
    with CaptureQueriesContext(connection) as queries:
        deferred.save()
    assert [each["sql"].split()[0] for each in queries if "demo_order" in each["sql"]] == ["UPDATE"]
    assert len(calls) == 1


def test_a_refresh_is_remembered(order: Order) -> None:
    calls = calls_of(changed="status")
    order = Order.objects.get()
    Order.objects.update(status="packed")
    order.refresh_from_db()
    order.status = "shipped"
    order.save()

    assert calls == [{"status": "packed"}]


def test_when_decides(order: Order) -> None:
    calls = calls_of(on="updated", when=lambda order: order.status == "paid")
    order.save()
    order.status = "paid"
    order.save()

    assert calls == [order]


def test_one_pair_many_pairs_and_querysets_are_told(order: Order, alice: User) -> None:
    bob = make_user("bob")
    trigger(Order, on="updated")(lambda order: (order.user, "One"))
    trigger(Order, on="updated")(lambda order: [(bob, "Two"), (User.objects.all(), "All")])
    order.save()

    assert list(told().values_list("recipient", "title")) == [
        (alice.pk, "All"), (bob.pk, "All"), (alice.pk, "One"), (bob.pk, "Two"),
    ]  # fmt: skip


def test_members_are_told_from_both_sides(alice: User) -> None:
    calls: list[Any] = []
    for on in ("added", "removed"):
        trigger(User, on=on, field="groups")(
            lambda user, groups, on=on: calls.append((on, user, groups))
        )
    group, other = (Group.objects.create(name=name) for name in "ab")
    alice.groups.add(group)
    group.user_set.add(alice)
    group.user_set.remove(alice)
    alice.groups.remove(other)
    group.user_set.add(alice)
    alice.groups.clear()

    assert calls == [("added", alice, [group]), ("removed", alice, [group])] * 2


def test_fixtures_and_disabled_blocks_do_not_fire(order: Order, tmp_path: Path) -> None:
    calls = calls_of(on="updated")
    call_command("dumpdata", "demo.order", output=str(tmp_path / "orders.json"))
    call_command("loaddata", str(tmp_path / "orders.json"), verbosity=0)
    assert calls == []

    with triggers_disabled():
        order.save()
    assert calls == []

    order.save()
    assert calls == [order]


def test_a_fixture_neither_adds_nor_removes_members(alice: User, tmp_path: Path) -> None:
    old, new = (Group.objects.create(name=name) for name in ("old", "new"))
    alice.groups.set([old])
    call_command("dumpdata", "accounts.user", output=str(tmp_path / "users.json"))
    alice.groups.set([new])
    calls = [calls_of(User, on=on, field="groups") for on in ("added", "removed")]

    call_command("loaddata", str(tmp_path / "users.json"), verbosity=0)
    assert (calls, list(alice.groups.all())) == ([[], []], [old])

    alice.groups.set([new])
    assert calls == [[(alice, [new])], [(alice, [old])]]


def test_a_rollback_tells_nobody(order: Order) -> None:
    trigger(Order, on="updated")(lambda order: (order.user, "Saved"))
    with transaction.atomic():
        order.save()
        transaction.set_rollback(True)

    assert not told().exists()


def test_an_error_is_logged_and_leaves_the_transaction_whole(
    order: Order, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATIONS_STRICT_TRIGGERS = False
    trigger(Order, on="updated")(breaks)
    order.status = "paid"
    with caplog.at_level(logging.ERROR, "notifications"), transaction.atomic():
        order.save()
        assert Order.objects.get().status == "paid"

    assert f"{__name__}.breaks failed for demo.Order {order.pk}" in caplog.text


def test_a_strict_error_reaches_the_caller(order: Order) -> None:
    trigger(Order, on="updated")(breaks)

    with pytest.raises(IntegrityError):
        order.save()


def breaks(order: Order) -> None:
    User.objects.create(username=order.user.username)


def test_users_who_are_deleted_are_not_told(order: Order, alice: User) -> None:
    trigger(Order, on="deleted")(lambda order: (order.user, "Gone"))
    alice.delete()

    assert not told().exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on": "saved"}, "created, updated, deleted"),
        ({}, "created, updated, deleted"),
        ({"changed": "state"}, "legal fields are: id, user, status"),
        ({"on": "added", "field": "status"}, "no such field 'status'"),
        ({"on": "added"}, "field="),
        ({"on": "created", "changed": "status"}, "changed="),
        ({"on": "added", "field": "x"}, "must take the instance and a list"),
    ],
)
def test_wrong_use_says_what_is_right(options: Any, said: str) -> None:
    function: Any = (lambda a: None) if options.get("field") == "x" else (lambda a, b=0: None)

    with pytest.raises((ValueError, TypeError), match=said):
        trigger(Order, **options)(function)


def test_a_model_is_named_by_a_string(order: Order) -> None:
    calls: list[Order] = []
    trigger("demo.Order", on="updated")(calls.append)
    order.save()

    assert calls == [order]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("demo.Nothing", "forget is a trigger of 'demo.Nothing': App 'demo' doesn't have"),
        ("nowhere.Order", "No installed app with label 'nowhere'"),
        ("Order", "'Order' does not name a model; write 'app_label.Model'"),
        (Thread, "is not a model; give the class or 'app_label.Model'"),
    ],
)
def test_a_model_that_there_is_none_of_is_told(model: Any, said: str) -> None:
    def forget(order: Order) -> None: ...

    with pytest.raises((LookupError, ValueError, TypeError), match=said):
        trigger(model, on="updated")(forget)


def test_the_guide_does_what_it_says(alice: User) -> None:
    names: dict[str, Any] = {"__name__": "guide"}
    for block in blocks(ROOT / "docs/triggers.md", "python"):
        exec(compile(block.text, "triggers.md", "exec"), names)
    order = Order.objects.create(user=alice, status="packed")
    Notification.objects.all().delete()
    names["import_orders"]([{"user": alice}])
    order.status = "shipped"
    order.save()
    Order.objects.update(status="packed")
    names["ship_all"]()

    assert set(told().values_list("title", "body")) == {
        (f"Order {order} shipped", "It was packed."),
        ("Your order was shipped", ""),
    }


@pytest.mark.parametrize("answer", ["Saved", ("Saved",), [None], (1, "Saved", "key"), {}])
def test_a_wrong_answer_says_what_is_right(order: Order, answer: Any) -> None:
    trigger(Order, on="updated")(lambda order: answer)

    with pytest.raises(TypeError, match=re.escape(f"returned {answer!r}; it must return None, (")):
        order.save()


def test_an_answer_may_hold_options(order: Order) -> None:
    options = {"thread": f"order-{order.pk}"}
    trigger(Order, on="updated")(lambda order: (order.user, "Changed", options))
    trigger(Order, on="updated")(lambda order: [([order.user], "Changed too", options)])

    order.save()
    order.save()

    [row] = told()
    assert (row.title, row.group_key, row.count) == ("Changed too", f"order-{order.pk}", 4)


def test_an_option_that_there_is_none_of_is_told(order: Order) -> None:
    trigger(Order, on="updated")(lambda order: (order.user, "Changed", {"colour": "red"}))

    with pytest.raises(TypeError, match="no option 'colour'"):
        order.save()


def test_a_disabled_block_is_of_its_own_thread(order: Order) -> None:
    calls = calls_of(on="updated")

    def save_in_a_thread() -> None:
        dispatch.saved(order, created=False, raw=False, using="default", update_fields=None)

    with triggers_disabled():
        order.save()
        thread = Thread(target=save_in_a_thread)
        thread.start()
        thread.join()

    assert calls == [order]


def test_the_triggers_of_an_app_are_found(tmp_path: Path) -> None:
    app = tmp_path / "rules_of_a_shop"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "notification_triggers.py").write_text(
        "from notifications import trigger\n"
        'trigger("demo.Order", on="created")(lambda order: None)\n'
    )
    (tmp_path / "shop_settings.py").write_text(
        "from notifier.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'rules_of_a_shop']\n"
    )
    script = (
        "import django; django.setup(); from notifications.triggers.dispatch import rules; "
        "print([(model, rule.name) for model, its in rules.items() for rule in its])"
    )
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop_settings", "PYTHONPATH": paths}

    ran = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )

    assert "demo.models.Order" in ran.stdout
    assert "rules_of_a_shop.notification_triggers.<lambda>" in ran.stdout
