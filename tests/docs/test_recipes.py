"""The recipes of docs/recipes/ do what they say."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery  # type: ignore[import-untyped]
from django.apps import apps
from django.contrib import messages
from django.contrib.messages.storage import default_storage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from accounts.models import User
from notifications import notify
from notifications.models import Notification
from notifications.testing import capture_notifications
from tests.docs.guides import Guide
from tests.support.factories import session_for
from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database

pytest_plugins = ["tests.docs.guide_fixture"]

RECIPES = ROOT / "docs/recipes"
QUEUES = ["celery", "django-tasks"]


def run(task: Any, *arguments: Any) -> None:
    """Run a task to its end, as its queue would."""
    if hasattr(task, "enqueue"):
        assert task.enqueue(*arguments).status == "SUCCESSFUL"
    else:
        task.apply(arguments, throw=True)


@pytest.fixture
def alice(guide: Guide) -> User:
    user: User = guide.names["user"]
    return user


@pytest.fixture
def eager() -> Iterator[None]:
    """Have a Celery application that runs what is sent at once."""
    app = Celery("shop")
    app.conf.task_always_eager = True
    yield
    app.close()


@pytest.fixture(params=QUEUES)
def tasks(request: pytest.FixtureRequest, guide: Guide, eager: None) -> Any:
    """Return the tasks of a recipe; its views are beside them."""
    guide.follow(RECIPES / f"{request.param}.md")
    return guide.module("shop/tasks.py")


def test_a_task_changes_and_tells_in_one_transaction(tasks: Any, guide: Guide) -> None:
    order = guide.names["order"]

    run(tasks.ship, order.pk)
    with transaction.atomic():
        run(tasks.ship, order.pk)
        transaction.set_rollback(True)

    order.refresh_from_db()
    assert order.status == "shipped"
    assert [each.kind for each in Notification.objects.all()] == ["order.shipped"]


def test_a_task_that_runs_twice_tells_once(tasks: Any, guide: Guide) -> None:
    for _ in range(2):
        run(tasks.send_invoice, guide.names["order"].pk)

    assert Notification.objects.get().title == "Your invoice is ready"


def test_a_task_starts_after_the_commit(tasks: Any, guide: Guide) -> None:
    guide.module("shop/views.py").buy(guide.names["request"])

    titles = list(Notification.objects.order_by("pk").values_list("title", flat=True))
    assert [title.partition(" for")[0] for title in titles] == [
        "Thank you",
        "Your invoice is ready",
    ]


def test_the_progress_of_a_task_is_one_notification(tasks: Any, guide: Guide) -> None:
    run(tasks.import_orders, guide.names["user"].pk, ["placed", "paid"])

    assert Notification.objects.get().data == {"progress": 100}
    assert apps.get_model("shop.Order").objects.count() == 3


def test_many_are_told_once_by_a_task(tasks: Any, guide: Guide) -> None:
    campaign = ("autumn", "Autumn is here", guide.names["user"].pk)

    run(tasks.announce, *campaign)
    assert Notification.objects.get(dedupe_key="campaign-autumn").title == "2 customers told"
    run(tasks.announce, *campaign)

    assert Notification.objects.filter(title="Autumn is here").count() == 2


@pytest.fixture
def phone(guide: Guide, alice: User) -> Callable[..., Any]:
    """Return a function that asks the API of the REST framework recipe with a token."""
    guide.follow(RECIPES / "rest-framework.md")
    token = apps.get_model("authtoken.Token").objects.create(user=alice).key
    client = Client(headers={"authorization": f"Token {token}"}, enforce_csrf_checks=True)

    def ask(path: str, **posted: Any) -> Any:
        url = f"/api/notifications/{path}"
        if not posted:
            return client.get(url).json()
        return client.post(url, posted, content_type="application/json").json()

    return ask


def test_a_phone_reads_with_a_token(phone: Callable[..., Any], alice: User) -> None:
    notify(alice, "Hello")
    [item] = phone("items/")["items"]
    start = phone("feed/")

    assert phone("read/", ids=[item["id"]])["unread"] == 0
    after = phone(f"feed/?epoch={start['epoch']}&u={start['cursor']['u']}")
    assert [each["id"] for each in after["items"]] == [item["id"]]
    assert Client().get("/api/notifications/items/").status_code == 401


def test_a_viewset_goes_through_the_verbs(
    phone: Callable[..., Any],
    alice: User,
    guide: Guide,
) -> None:
    view_set = guide.module("shop/inbox.py").InboxViewSet
    row: Any = notify(alice, "Hello")
    notify(guide.names["customers"][1], "Not for alice")

    assert [each["title"] for each in called(view_set, alice, {"get": "list"}).data] == ["Hello"]
    assert called(view_set, alice, {"post": "read"}, pk=row.pk).data == {"unread": 0}
    assert called(view_set, alice, {"delete": "destroy"}, pk=row.pk).status_code == 204
    assert Notification.objects.of(alice.pk).get().seq == 3


def called(view_set: Any, user: User, actions: dict[str, str], **where: Any) -> Any:
    [method] = actions
    request = RequestFactory().generic(method.upper(), "/")
    request._force_auth_user = user  # type: ignore[attr-defined]
    return view_set.as_view(actions)(request, **where)


def test_a_comment_tells_the_customer(
    phone: Callable[..., Any],
    alice: User,
    guide: Guide,
) -> None:
    view = guide.module("shop/comments.py").CommentView.as_view()
    said = {"order": guide.names["order"].pk, "text": "Where is it?"}
    request = RequestFactory().post("/", said, content_type="application/json")
    request._force_auth_user = guide.names["customers"][1]  # type: ignore[attr-defined]

    assert view(request).status_code == 201
    assert Notification.objects.of(alice.pk).get().body == "Where is it?"


def test_a_partial_and_a_redirect_notify_alike(guide: Guide, alice: User) -> None:
    guide.follow(RECIPES / "htmx.md")
    pay, order = guide.module("shop/views.py").pay, guide.names["order"]

    request = RequestFactory().post("/", headers={"hx-request": "true"})
    request.user = alice
    partial = pay(request, order.pk)
    whole = pay(guide.names["request"], order.pk)

    assert f'<li id="order-{order.pk}">Order {order}: paid</li>' in partial.content.decode()
    assert whole.status_code == 302
    assert Notification.objects.of(alice.pk).count() == 2


def test_the_widget_stands_outside_of_what_is_swapped(guide: Guide) -> None:
    guide.follow(RECIPES / "htmx.md")

    page = render_to_string("shop/page.html", request=guide.names["request"])

    kept, _, swapped = page.partition('<main id="content">')
    assert "<notification-bell" in kept
    assert "<notification-toasts" in kept
    assert "notification" not in swapped


def test_messages_of_a_partial_are_toasts(guide: Guide, alice: User) -> None:
    guide.follow(RECIPES / "htmx.md")
    request = RequestFactory().post("/", headers={"hx-request": "true"})
    request.user, request.session = alice, session_for(alice)
    request._messages = default_storage(request)  # type: ignore[attr-defined]

    with capture_notifications() as sent:
        guide.module("shop/middleware.py").messages_as_toasts(save)(request)

    assert [(each.title, each.level, each.is_transient) for each in sent] == [
        ("Saved", "success", True)
    ]


def save(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Saved")
    return HttpResponse()
