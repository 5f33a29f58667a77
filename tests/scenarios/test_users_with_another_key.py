"""Users of a class that inherits from the user model and has a primary key of its own."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.test.utils import isolate_apps
from pytest_django import Settings

from accounts.models import User
from notifications import broadcast, notify, notify_many
from notifications.admin import SendsNotifications
from notifications.models import Notification
from tests.support.factories import make_user
from tests.support.rules import tables_of

pytestmark = pytest.mark.django_db(transaction=True)

with isolate_apps("tests"):

    class Employee(User):
        number = models.IntegerField(primary_key=True)
        user = models.OneToOneField(User, models.CASCADE, parent_link=True, related_name="+")
        objects: ClassVar[Any]

        class Meta:
            app_label = "tests"

    class Student(User):
        """A class as most are: its key is a link to the user, which Django has added."""

        objects: ClassVar[Any]

        class Meta:
            app_label = "tests"


@pytest.fixture(autouse=True)
def tables(transactional_db: None) -> Iterator[None]:
    with tables_of(Employee, Student):
        yield


@pytest.fixture
def strangers() -> list[User]:
    return [make_user(name) for name in ("ada", "bea", "cleo")]


@pytest.fixture
def employees(strangers: list[User]) -> list[Any]:
    """Store users whose numbers are the keys of other users."""
    names = ["dora", "elsa"]
    return [
        Employee.objects.create(number=stranger.pk, username=name)
        for stranger, name in zip(strangers, names, strict=False)
    ]


Rows = models.QuerySet[Any, Any]
QUERIES: dict[str, Callable[[Rows], Rows]] = {
    "all()": lambda rows: rows.all(),
    "values(pk)": lambda rows: rows.values("pk"),
    "values_list(pk)": lambda rows: rows.values_list("pk"),
    "values_list(pk, flat)": lambda rows: rows.values_list("pk", flat=True),
    "values_list(named)": lambda rows: rows.values_list("username", "pk", named=True),
    "values_list(pk, id)": lambda rows: rows.values_list("pk", "id"),
    "values_list(id, flat)": lambda rows: rows.values_list("id", flat=True),
    "values_list(pk, flat)[:2]": lambda rows: rows.order_by("pk").values_list("pk", flat=True)[:2],
    "union": lambda rows: rows.filter(pk=0).union(rows.all()),
}


def recipients() -> list[Any]:
    return list(Notification.objects.order_by("recipient").values_list("recipient", flat=True))


@pytest.mark.parametrize("query", QUERIES)
def test_a_queryset_of_them_names_no_other_users(employees: list[Any], query: str) -> None:
    assert notify_many(QUERIES[query](Employee.objects), "Hello") == 2

    assert recipients() == [each.user_id for each in employees]


@pytest.mark.parametrize("query", QUERIES)
def test_a_key_that_is_a_link_to_the_user_is_the_users(strangers: list[User], query: str) -> None:
    students = [Student.objects.create(username=name) for name in ("fay", "gil")]

    assert notify_many(QUERIES[query](Student.objects), "Hello") == 2

    assert recipients() == [each.id for each in students]


def test_values_that_cannot_tell_users_apart_are_refused(employees: list[Any]) -> None:
    numbers = Employee.objects.values_list("pk", flat=True)

    with pytest.raises(TypeError, match="values without 'id'"):
        notify_many(numbers.union(numbers), "Hello")


def as_employee(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Show the site as the employee dora, as a middleware of a project may do."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.user = Employee.objects.get(username="dora")
        return get_response(request)

    return middleware


def test_a_page_of_one_shows_nobody_elses(
    settings: Settings, strangers: list[User], employees: list[Any]
) -> None:
    notify(strangers[0], "For Ada")
    notify(employees[0], "For Dora")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.as_employee"]

    items = Client().get("/notifications/items/").json()["items"]
    page = Client().get("/notifications/")

    assert [item["title"] for item in items] == ["For Dora"]
    assert "For Dora" in page.content.decode()
    assert "For Ada" not in page.content.decode()


def test_the_widget_is_for_the_user(employees: list[Any]) -> None:
    request = RequestFactory().get("/")
    request.user = employees[0]

    page = Template("{% load notifications %}{% notifications_widget %}").render(
        Context({"request": request})
    )

    assert f'data-user="{employees[0].user_id}"' in page


def test_a_broadcast_names_its_sender(employees: list[Any]) -> None:
    assert broadcast("News", sender=employees[0]).sender_id == employees[0].user_id


def test_deleting_one_in_the_admin_counts_what_is_theirs(
    strangers: list[User], employees: list[Any]
) -> None:
    class EmployeeAdmin(SendsNotifications, UserAdmin):  # type: ignore[type-arg]
        pass

    notify_many(strangers, "Hello")
    for text in ("one", "two"):
        notify(employees[0], text)
    request = RequestFactory().get("/")
    request.user = make_user("root", is_superuser=True, is_staff=True)
    admin = EmployeeAdmin(Employee, AdminSite())

    _, counts, *_ = admin.get_deleted_objects([employees[0]], request)

    assert counts["notifications"] == 2
