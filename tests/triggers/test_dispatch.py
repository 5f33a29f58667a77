"""Triggers and how models belong together: relations, inheritance, other databases, each other."""

# ruff: noqa: DJ008

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import Group
from django.core.serializers.base import DeserializedObject
from django.db import connections, models, transaction
from django.test.utils import isolate_apps
from pytest_django import DjangoDbBlocker, Settings

from accounts.models import User
from demo.models import Order
from notifications import trigger
from notifications.models import Notification
from tests.support.factories import make_user
from tests.support.rules import calls_of, tables_of
from tests.support.servers import ROOT
from tests.support.zygote import run_forked

pytest_plugins = ["tests.support.rules_fixture"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_rules")]

OTHER = "other"
in_both_databases = pytest.mark.django_db(databases=["default", OTHER])

with isolate_apps("tests"):

    class Named(models.Model):
        name = models.CharField(max_length=20)
        objects: ClassVar[Any]

        class Meta:
            app_label = "tests"
            abstract = True

    class Person(Named):
        friends = models.ManyToManyField("self")
        follows: Any = models.ManyToManyField("self", symmetrical=False, related_name="followers")
        followers: Any
        clubs: Any

        class Meta:
            app_label = "tests"

    class Pupil(Person):
        class Meta:
            app_label = "tests"
            proxy = True

    class Teacher(Person):
        subject = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

    class Club(Named):
        members: Any = models.ManyToManyField(Person, through="Membership", related_name="clubs")

        class Meta:
            app_label = "tests"

    class Membership(models.Model):
        person = models.ForeignKey(Person, models.CASCADE)
        club = models.ForeignKey(Club, models.CASCADE)
        role = models.CharField(max_length=20)
        objects: ClassVar[Any]

        class Meta:
            app_label = "tests"


@pytest.fixture(scope="module", autouse=True)
def tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), tables_of(Person, Teacher, Club, Membership):
        yield


@pytest.fixture(scope="module", autouse=True)
def other_database(tables: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}
    connections.settings[OTHER] = {**connections.settings["default"], **memory}
    with django_db_blocker.unblock(), tables_of(User, Group, Order, using=OTHER):
        yield
    connections[OTHER].close()
    del connections[OTHER], connections.settings[OTHER]


@pytest.fixture
def order() -> Order:
    return Order.objects.create(user=make_user("alice"))


# Many-to-many


def test_a_symmetrical_relation_changes_for_both() -> None:
    added, removed = (calls_of(Person, on=on, field="friends") for on in ("added", "removed"))
    ann, ben, cleo = people("ann", "ben", "cleo")
    ann.friends.add(ben)
    assert added == [(ann, [ben]), (ben, [ann])]

    ann.friends.set([cleo])
    assert removed == [(ann, [ben]), (ben, [ann])]
    assert added[2:] == [(ann, [cleo]), (cleo, [ann])]

    cleo.friends.clear()
    assert removed[2:] == [(cleo, [ann]), (ann, [cleo])]


@pytest.mark.parametrize("model", [Person, Pupil])
def test_what_a_fixture_brought_tells_of_its_friends_once_it_is_saved(model: type[Person]) -> None:
    added, removed = (calls_of(Person, on=on, field="friends") for on in ("added", "removed"))
    ben, cleo = people("ben", "cleo")
    ann = model(pk=1000, name="ann")
    DeserializedObject(ann, {"friends": [ben]}).save()
    DeserializedObject(ann, {"friends": [cleo]}).save()
    assert (added, removed, list(ann.friends.all())) == ([], [], [cleo])

    ann.save()
    ann.friends.set([ben])
    assert (len(added), len(removed)) == (2, 2)


def test_a_relation_to_its_own_model_changes_for_the_one_who_has_it() -> None:
    added, removed = (calls_of(Person, on=on, field="follows") for on in ("added", "removed"))
    ann, ben, cleo = people("ann", "ben", "cleo")
    ann.follows.add(ben)
    ben.followers.set([cleo])
    cleo.follows.clear()
    assert added == [(ann, [ben]), (cleo, [ben])]
    assert removed == [(ann, [ben]), (cleo, [ben])]

    ben.followers.add(ann, cleo)
    ben.followers.clear()
    assert removed[2:] == [(ann, [ben]), (cleo, [ben])]


def test_members_with_a_model_of_their_own_are_told_from_both_sides() -> None:
    added, removed = (calls_of(Club, on=on, field="members") for on in ("added", "removed"))
    [ann] = people("ann")
    chess = Club.objects.create(name="chess")
    chess.members.add(ann, through_defaults={"role": "treasurer"})
    ann.clubs.remove(chess)
    ann.clubs.set([chess])
    chess.members.clear()

    assert added == [(chess, [ann])] * 2
    assert removed == [(chess, [ann])] * 2


def test_a_membership_saved_by_itself_has_triggers_of_its_own() -> None:
    added = calls_of(Club, on="added", field="members")
    created, deleted = (calls_of(Membership, on=on) for on in ("created", "deleted"))
    [ann] = people("ann")
    membership = Membership.objects.create(person=ann, club=Club.objects.create(name="chess"))
    membership.delete()

    assert (added, len(created), len(deleted)) == ([], 1, 1)


def test_a_member_who_is_deleted_is_not_removed() -> None:
    removed = calls_of(Person, on="removed", field="friends")
    ann, ben = people("ann", "ben")
    ann.friends.add(ben)
    ben.delete()

    assert removed == []


# Inheritance


def test_a_trigger_of_a_model_fires_for_its_proxies_and_children() -> None:
    created, changed = calls_of(Person, on="created"), calls_of(Person, changed="name")
    added = calls_of(Person, on="added", field="follows")
    pupil, teacher = Pupil.objects.create(name="p"), Teacher.objects.create(name="t")
    for each in (Pupil.objects.get(name="p"), Teacher.objects.get()):
        each.name += "!"
        each.save()
        each.follows.add(pupil)

    assert created == [pupil, teacher]
    assert changed == [{"name": "p"}, {"name": "t"}]
    assert added == [(pupil, [pupil]), (teacher, [pupil])]


def test_a_trigger_of_a_proxy_or_child_does_not_fire_for_the_parent() -> None:
    calls = calls_of(Pupil, on="created"), calls_of(Teacher, on="created")
    people("ann")

    assert calls == ([], [])


def test_a_deleted_child_is_told_once() -> None:
    deleted = calls_of(Person, on="deleted")
    pupil, teacher = Pupil.objects.create(name="p"), Teacher.objects.create(name="t")
    names = []
    trigger(Person, on="deleted")(lambda person: names.append(person.name))
    for each in (pupil, teacher):
        each.delete()

    assert (len(deleted), names) == (2, ["p", "t"])


def test_an_abstract_model_is_refused() -> None:
    with pytest.raises(ValueError, match="Named is abstract; name a model that has rows"):
        trigger(Named, on="created")(lambda named: None)


# Triggers that save


def test_a_trigger_is_not_asked_about_what_it_does_to_the_same_instance(order: Order) -> None:
    asked: list[str] = []

    @trigger(Order, on="updated")
    def pack(order: Order) -> None:
        asked.append(order.status)
        order.status = "packed"
        order.save()

    others = calls_of(on="updated")
    order.save()

    assert asked == ["placed"]
    assert others == [order, order]


def test_two_triggers_do_not_ask_each_other_forever() -> None:
    ann, ben = people("ann", "ben")
    asked: list[Any] = []

    @trigger(Person, on="updated")
    def save_the_other(person: Person) -> None:
        asked.append(person)
        (ben if person == ann else ann).save()

    ann.save()

    assert asked == [ann, ben]


def test_what_a_failed_trigger_did_is_undone_and_the_save_stays(
    order: Order, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATIONS_STRICT_TRIGGERS = False
    changed = calls_of(Person, changed="name")
    [ann] = people("ann")
    ann = Person.objects.get()

    @trigger(Order, on="updated")
    def fail(order: Order) -> Any:
        with transaction.atomic():
            ann.name = "Ann"
            ann.save()
            raise ZeroDivisionError

    order.status = "paid"
    with caplog.at_level(logging.ERROR, "notifications"), transaction.atomic():
        order.save()
        assert Person.objects.get().name == "ann"
    ann.refresh_from_db()
    ann.name = "Anna"
    ann.save()

    assert Order.objects.get().status == "paid"
    assert changed == [{"name": "ann"}] * 2
    assert "ZeroDivisionError" in caplog.text


# Two databases


@in_both_databases
def test_a_model_of_another_database_tells_at_once_whatever_becomes_of_its_transaction() -> None:
    alice = make_user("alice")
    alice.save(using=OTHER)
    calls = calls_of(changed="status")
    trigger(Order, on="updated")(lambda order: (order.user, "Saved"))
    order = Order.objects.using(OTHER).create(user=alice)
    with transaction.atomic(using=OTHER):
        order.status = "paid"
        order.save()
        transaction.set_rollback(True, using=OTHER)
    order.refresh_from_db()
    order.status = "packed"
    order.save()

    assert calls == [{"status": "placed"}] * 2
    assert [each.recipient for each in Notification.objects.all()] == [alice, alice]


@in_both_databases
def test_a_failed_trigger_is_undone_in_both_databases(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATIONS_STRICT_TRIGGERS = False
    alice = make_user("alice")
    alice.save(using=OTHER)

    @trigger(Order, on="created")
    def fail(order: Order) -> None:
        for alias in ("default", OTHER):
            User.objects.using(alias).create(username="bob")
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR, "notifications"), transaction.atomic(using=OTHER):
        Order.objects.using(OTHER).create(user=alice)

    for alias in ("default", OTHER):
        assert User.objects.using(alias).get() == alice
    assert Order.objects.using(OTHER).exists()


@in_both_databases
def test_members_of_another_database_are_found_there() -> None:
    calls = [calls_of(User, on=on, field="groups") for on in ("added", "removed")]
    alice = make_user("alice")
    alice.save(using=OTHER)
    group = Group.objects.using(OTHER).create(name="a")
    alice.groups.add(group)
    group.user_set.remove(alice)

    assert calls == [[(alice, [group])]] * 2


# Before Django has started


def test_a_trigger_may_be_declared_before_its_model(tmp_path: Path) -> None:
    started = start_with(
        tmp_path,
        "from notifications import trigger\n"
        'trigger("early.Late", on="created")(lambda late: None)\n'
        "class Late(models.Model): pass\n"
        'trigger(Late, changed="id")(lambda late: None)\n'
        "class Later(Late):\n    class Meta: proxy = True\n",
    )

    assert "{'Late': 2, 'Later': 2}" in started.stdout, started.stderr


@pytest.mark.parametrize(
    ("model", "changed", "said"),
    [
        (
            "early.Nothing",
            "id",
            "early.models.<lambda> is a trigger of 'early.Nothing': App 'early'",
        ),
        ("early.Late", "ida", "Late has no such field 'ida'; legal fields are: id."),
    ],
)
def test_a_trigger_that_cannot_be_ends_the_start(
    tmp_path: Path, model: str, changed: str, said: str
) -> None:
    started = start_with(
        tmp_path,
        "from notifications import trigger\n"
        f"trigger({model!r}, changed={changed!r})(lambda late: None)\n"
        "class Late(models.Model): pass\n",
    )

    assert said in started.stderr


def start_with(directory: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """Start Django with an app of these models; it prints how many rules each of them has."""
    (directory / "early").mkdir()
    (directory / "early/__init__.py").touch()
    (directory / "early/models.py").write_text(f"from django.db import models\n{code}")
    (directory / "early_settings.py").write_text(
        "from notifier.settings import *\nINSTALLED_APPS = ['early', *INSTALLED_APPS]\n"
        "DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
    )
    script = (
        "import django; django.setup(); from notifications.triggers.dispatch import rules; "
        "print({each.__name__: len(its) for each, its in rules.items() "
        "if each._meta.app_label == 'early'})"
    )
    paths = os.pathsep.join([str(directory), str(ROOT)])
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "early_settings", "PYTHONPATH": paths}
    return run_forked(["-c", script], env=env, timeout=60)


def people(*names: str) -> list[Person]:
    return [Person.objects.create(name=name) for name in names]
