"""The previous values that triggers are given: those last loaded or saved, without a query."""

# ruff: noqa: DJ008

import pickle
from collections.abc import Iterator
from copy import copy, deepcopy
from typing import Any, ClassVar

import django
import pytest
from django.core.files.base import ContentFile
from django.db import models, transaction
from django.test.utils import isolate_apps
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from accounts.models import User
from demo.models import Order
from notifications import trigger
from tests.support.factories import make_user
from tests.support.rules import calls_of, tables_of

pytest_plugins = ["tests.support.rules_fixture"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_rules"), pytest.mark.one_database]

with isolate_apps("tests"):

    class Document(models.Model):
        file = models.FileField()
        data = models.JSONField(default=dict)
        blob = models.BinaryField(default=b"")
        pages = models.IntegerField(default=1)
        price = models.DecimalField(max_digits=6, decimal_places=2, default=0)
        objects: ClassVar[Any]

        class Meta:
            app_label = "tests"


@pytest.fixture(scope="module", autouse=True)
def tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), tables_of(Document):
        yield


@pytest.fixture(autouse=True)
def no_files(settings: Settings) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}


@pytest.fixture
def order() -> Order:
    return Order.objects.create(user=make_user("alice"))


def test_a_rollback_leaves_the_values_as_it_leaves_the_instance(order: Order) -> None:
    calls = calls_of(changed="status")
    order = Order.objects.get()
    with transaction.atomic():
        save(order, status="paid")
        transaction.set_rollback(True)
    save(order, status="shipped")
    order.refresh_from_db()
    save(order, status="delivered")

    assert [each["status"] for each in calls] == ["placed", "paid", "shipped"]


@pytest.mark.parametrize("copied", [copy, deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_an_instance_that_was_saved_can_be_copied_and_cached(order: Order, copied: Any) -> None:
    calls = calls_of(changed="status")
    order = Order.objects.get()
    save(order, status="paid")
    save(copied(order), status="packed")

    assert calls == [{"status": "placed"}, {"status": "paid"}]


# Fields


def test_a_mapping_that_was_changed_in_place_has_its_old_value() -> None:
    calls = calls_of(Document, changed="data")
    document = Document.objects.create(data={"x": [0]})
    document.data["x"].append(1)
    document.save()
    document = Document.objects.get()
    document.data["y"] = 1
    document.save()

    assert calls == [{"data": {"x": [0]}}, {"data": {"x": [0, 1]}}]


def test_a_file_changes_with_its_name() -> None:
    calls = calls_of(Document, changed="file")
    document = Document.objects.create(file=ContentFile("a", name="a.txt"))
    document.save()
    document = Document.objects.get()
    save(document, file=ContentFile("b", name="b.txt"))
    save(document, file=None)
    save(document, file="")

    assert calls == [{"file": "a.txt"}, {"file": "b.txt"}]


@pytest.mark.parametrize("name", ["user", "user_id"])
def test_a_foreign_key_has_the_key_as_its_old_value(order: Order, name: str) -> None:
    bob = make_user("bob")
    calls = calls_of(changed=name)
    order = Order.objects.get()
    save(order, user=User.objects.get(username="alice"))
    alice_pk = order.user_id
    save(order, user=bob)
    order.user_id = alice_pk
    order.save(update_fields=["user_id"])

    assert calls == [{name: alice_pk}, {name: bob.pk}]


def test_a_time_that_sets_itself_changes_with_each_save_that_writes_it(order: Order) -> None:
    calls = calls_of(changed="changed")
    order = Order.objects.get()
    before = order.changed
    order.save()
    order.save(update_fields=["status"])

    assert calls == [{"changed": before}]


@pytest.mark.parametrize(
    "equal", [{"pages": "7"}, {"pages": 7.0}, {"price": "1.5"}, {"price": 1.5}, {"blob": b"x"}]
)
def test_an_equal_value_of_another_type_is_no_change(equal: dict[str, Any]) -> None:
    calls = calls_of(Document, changed=tuple(equal))
    Document.objects.create(pages=7, price="1.50", blob=b"x")
    save(Document.objects.get(), **equal)

    assert calls == []


@pytest.mark.parametrize("blob", [memoryview(b"new"), bytearray(b"new")])
def test_a_value_that_cannot_be_copied_can_be_saved_and_compared(blob: Any) -> None:
    calls = calls_of(Document, changed="blob")
    document = Document.objects.create(blob=b"old")
    save(document, blob=blob)
    save(document, pages=2)
    save(document, blob=b"newest")

    assert [bytes(call["blob"]) for call in calls] == [b"old", b"new"]


def test_what_is_only_constructed_may_be_wrong() -> None:
    calls_of(Document, changed="pages")

    Document(pages="many", file=ContentFile("a"))


def test_a_field_that_was_left_out_fires_once_it_is_known(order: Order) -> None:
    calls = calls_of(changed="status")
    order = Order.objects.only("user").get()
    save(order, status="paid")
    assert calls == []

    save(order, status="packed")
    assert calls == [{"status": "paid"}]

    order = Order.objects.defer("status").get()
    assert order.status == "packed"  # asks the database
    save(order, status="shipped")
    assert calls == [{"status": "paid"}, {"status": "packed"}]


def test_an_expression_is_not_known(order: Order) -> None:
    calls = calls_of(changed="placed")
    order = Order.objects.get()
    placed = order.placed
    save(order, placed=models.functions.Now())
    order.refresh_from_db()
    known = order.placed
    save(order, placed=timezone.now())

    # From Django 6.0 on a save reads what an expression came to.
    told = [] if django.VERSION < (6,) else [{"placed": placed}]
    assert calls == [*told, {"placed": known}]


# Other ways to save


async def test_asynchronous_saves_fire_as_well(transactional_db: None) -> None:
    created, changed = calls_of(on="created"), calls_of(changed="status")
    alice = await User.objects.acreate(username="alice")
    order = await Order.objects.acreate(user=alice)
    order.status = "paid"
    await order.asave()
    await order.arefresh_from_db()
    order.status = "packed"
    await order.asave(update_fields=["status"])

    assert created == [order]
    assert changed == [{"status": "placed"}, {"status": "paid"}]


def test_update_or_create_fires_for_what_it_does() -> None:
    created, changed = calls_of(on="created"), calls_of(changed="status")
    alice = make_user("alice")
    for status in ("paid", "paid", "packed"):
        Order.objects.update_or_create(user=alice, defaults={"status": status})
    order, _ = Order.objects.get_or_create(user=alice)

    assert created == [order]
    assert changed == [{"status": "paid"}]


def test_a_save_by_key_alone_knows_no_previous_values(order: Order) -> None:
    calls = calls_of(changed="status")
    Order(pk=order.pk, user=order.user, placed=order.placed, status="paid").save()

    assert calls == []


def test_bulk_operations_do_not_fire(order: Order) -> None:
    calls = calls_of(on="created"), calls_of(on="updated"), calls_of(changed="status")
    order = Order.objects.get()
    order.status = "paid"
    Order.objects.bulk_update([order], ["status"])
    Order.objects.bulk_create([Order(user=order.user)])
    Order.objects.update(status="packed")

    assert calls == ([], [], [])


def test_two_names_of_one_field_are_two_rules(order: Order) -> None:
    by_name, by_column = calls_of(changed="user"), calls_of(changed=["user_id", "status"])
    bob = make_user("bob")
    order = Order.objects.get()
    before = order.user_id
    save(order, user=bob)

    assert (by_name, by_column) == ([{"user": before}], [{"user_id": before}])


def test_a_trigger_that_changes_a_field_leaves_its_own_old_value(order: Order) -> None:
    calls = calls_of(changed="status")

    @trigger(Order, on="updated", when=lambda order: order.status == "paid")
    def pack(order: Order) -> None:
        save(order, status="packed")

    order = Order.objects.get()
    save(order, status="paid")

    assert calls == [{"status": "placed"}, {"status": "paid"}]


def save(instance: models.Model, **values: Any) -> None:
    for name, value in values.items():
        setattr(instance, name, value)
    instance.save()
