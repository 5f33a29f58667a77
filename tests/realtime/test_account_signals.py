"""What happens to an account or session by whatever class of it is told to the user's hubs."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import models
from django.test.utils import isolate_apps

from accounts.models import User
from notifications.wire.hints import RECHECK
from tests.support.factories import make_user, session_for
from tests.support.listening import listening_for
from tests.support.rules import calls_of, tables_of

pytest_plugins = ["tests.support.rules_fixture"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

# All of them are made when the app has long been ready.
with isolate_apps("tests"):

    class Customer(User):
        class Meta:
            app_label = "tests"
            proxy = True

    class Regular(Customer):
        class Meta:
            app_label = "tests"
            proxy = True

    class Employee(User):
        number = models.CharField(max_length=20, primary_key=True)
        user = models.OneToOneField(User, models.CASCADE, parent_link=True)
        objects: ClassVar[Any]

        class Meta:
            app_label = "tests"

    class LogIn(Session):
        class Meta:
            app_label = "tests"
            proxy = True


@pytest.fixture
def employees(transactional_db: None) -> Iterator[None]:
    with tables_of(Employee):
        yield


def deactivate(user: Any) -> None:
    user.is_active = False
    user.save()


def deactivate_alone(user: Any) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


def change_password(user: Any) -> None:
    user.set_password("another")
    user.save()


def delete(user: Any) -> None:
    user.delete()


def delete_by_query(user: Any) -> None:
    type(user)._default_manager.filter(pk=user.pk).delete()


CHANGES = [deactivate, deactivate_alone, change_password, delete, delete_by_query]


def made(model: type[User]) -> Any:
    alice = make_user("alice")
    if model is Employee:
        Employee(number="E7", user_id=alice.pk).save_base(raw=True)
    return model._default_manager.get(username="alice")


@pytest.mark.usefixtures("employees")
@pytest.mark.parametrize("model", [User, Customer, Regular, Employee])
@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
async def test_a_changed_account_is_looked_up_again_whatever_class_it_has(
    model: type[User], change: Callable[[Any], None]
) -> None:
    user = await sync_to_async(made)(model)
    pk = user.pk if model is not Employee else user.user_id

    async with listening_for(pk) as listener:
        await sync_to_async(change)(user)

        told = await listener.receive_until_now()

    assert {(each["type"], each["user"]) for each in told} == {(RECHECK, str(pk))}


async def test_what_was_loaded_in_part_counts_too() -> None:
    alice = await sync_to_async(made)(Customer)
    deferred = await Customer.objects.only("is_active").aget(pk=alice.pk)

    async with listening_for(alice.pk) as listener:
        await sync_to_async(deactivate)(deferred)

        assert [each["type"] for each in await listener.receive_until_now()] == [RECHECK]


async def test_a_log_in_by_whatever_class_tells_nothing() -> None:
    alice = await sync_to_async(made)(Regular)

    async with listening_for(alice.pk) as listener:
        await alice.asave(update_fields=["last_login"])

        assert await listener.receive_until_now() == []


@pytest.mark.parametrize("model", [Session, LogIn])
async def test_a_deleted_session_is_told_whatever_class_it_has(model: type[Session]) -> None:
    alice = await sync_to_async(make_user)("alice")
    await sync_to_async(session_for)(alice)

    async with listening_for(alice.pk) as listener:
        await model.objects.all().adelete()

        assert [each["type"] for each in await listener.receive_until_now()] == [RECHECK]


@pytest.mark.usefixtures("own_rules")
def test_a_rule_holds_for_classes_that_are_made_after_it() -> None:
    changed, deleted = calls_of(User, changed="first_name"), calls_of(User, on="deleted")
    with isolate_apps("tests"):

        class Newcomer(User):
            class Meta:
                app_label = "tests"
                proxy = True

    make_user("alice")
    newcomer = Newcomer.objects.get()

    newcomer.first_name = "Alice"
    newcomer.save()
    newcomer.delete()

    assert changed == [{"first_name": ""}]
    assert deleted == [newcomer]
