"""“Send a notification…” on users and on groups in Django's admin."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts.models import User
from notifications.admin import SendsNotifications
from notifications.admin.actions import AnyModelAdmin
from notifications.models import Notification
from notifications.store import inbox
from tests.support.admins import make_sender, text, told
from tests.support.factories import make_user
from tests.support.inboxes import make_users
from tests.support.servers import ROOT

ADD = "/admin/notifications/broadcast/add/"
USERS = "/admin/accounts/user/"
GROUPS = "/admin/auth/group/"

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture
def sender() -> User:
    return make_sender()


@pytest.fixture
def desk(client: Client, sender: User) -> Client:
    """Return the sender's browser."""
    client.force_login(sender)
    return client


@pytest.fixture
def editors() -> Group:
    return Group.objects.create(name="Editors")


def choose(desk: Client, users: list[User], address: str = USERS, **more: Any) -> Any:
    """Choose the action for some users and return the page that asks what to say."""
    chosen = {"action": "send_notification", "_selected_action": [user.pk for user in users]}
    return desk.post(address, {**chosen, "index": "0", **more})


def hidden(response: HttpResponse) -> dict[str, Any]:
    """Return the hidden fields of a page's form, without the token against forgery."""
    found = re.findall(
        r'<input type="hidden" name="(\w+)" value="([^"]*)"', response.content.decode()
    )
    values: dict[str, Any] = {}
    for name, value in found:
        values.setdefault(name, []).append(value)
    return {name: value for name, value in values.items() if name != "csrfmiddlewaretoken"}


def say(desk: Client, asked: Any, address: str = USERS, **changes: Any) -> Any:
    """Fill in the page that asks what to say, and send it."""
    message = {"title": "Hello", "body": "", "level": "info", "url": "", **changes}
    return desk.post(address, {**hidden(asked), **message})


def recipients() -> list[str]:
    rows = Notification.objects.select_related("recipient").order_by("recipient__username")
    return [row.recipient.username for row in rows]


def test_chosen_users_are_told(desk: Client, sender: User) -> None:
    ann, ben, _ = (make_user(name) for name in ("ann", "ben", "cat"))

    asked = choose(desk, [ann, ben])
    response = say(desk, asked, level="success")

    assert "2 users selected" in text(asked)
    assert recipients() == ["ann", "ben"]
    assert "“Hello” was sent to 2 users." in told(response)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr) == (sender, "2 users")
    assert entry.get_change_message() == "Sent the notification “Hello”."


def test_all_across_the_pages_are_told_and_a_filter_holds(desk: Client) -> None:
    users = make_users(120)
    address = f"{USERS}?is_staff__exact=0"

    asked = choose(desk, users[:1], address, select_across="1")
    assert Notification.objects.count() == 0
    response = say(desk, asked, address)

    assert "120 users selected" in text(asked)
    assert Notification.objects.count() == 120
    assert "120 users" in told(response)
    assert response["Location"] == address


def test_the_same_form_twice_tells_nobody_twice(desk: Client) -> None:
    asked = choose(desk, [make_user("ann")])

    say(desk, asked)
    response = say(desk, asked)

    assert recipients() == ["ann"]
    assert "already been notified" in told(response)
    assert LogEntry.objects.count() == 1


def test_two_forms_tell_twice(desk: Client) -> None:
    ann = make_user("ann")

    say(desk, choose(desk, [ann]))
    say(desk, choose(desk, [ann]))

    assert recipients() == ["ann", "ann"]


def test_a_message_that_is_wrong_is_asked_for_again(desk: Client) -> None:
    asked = choose(desk, [make_user("ann")])

    again = say(desk, asked, title="", url="javascript:1")

    assert set(again.context["form"].errors) == {"title", "url"}
    assert recipients() == []
    assert hidden(again) == hidden(asked)


def test_who_lacks_the_permission_cannot_post_the_action(client: Client) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_user"))
    client.force_login(clerk)

    choose(client, [clerk], token="t", title="Hello", level="info", body="", url="")

    assert recipients() == []


def test_a_forged_action_tells_nobody(sender: User) -> None:
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(sender)

    response = choose(forger, [sender], token="t", title="Hello", level="info", body="", url="")

    assert response.status_code == 403
    assert recipients() == []


@pytest.mark.django_db(transaction=True)
def test_a_failure_in_the_middle_is_said_and_mended_by_sending_again(
    desk: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2
    users = [make_user(name) for name in ("ann", "ben", "cat")]
    asked = choose(desk, users)

    with monkeypatch.context() as broken:
        broken.setattr(inbox, "add", failing_after(1, inbox.add))
        again = say(desk, asked)
    assert "it reached 2 users, but not the rest" in text(again)
    assert recipients() == ["ann", "ben"]

    response = say(desk, again)
    assert "“Hello” was sent to 1 user." in told(response)
    assert recipients() == ["ann", "ben", "cat"]


def failing_after(calls: int, act: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function, which the database refuses after some calls."""
    left = [calls]

    def act_or_fail(*args: Any, **options: Any) -> Any:
        if not left[0]:
            raise DatabaseError("the disk is full")
        left[0] -= 1
        return act(*args, **options)

    return act_or_fail


def test_the_action_by_itself_asks_for_the_permission(rf: RequestFactory) -> None:
    request = rf.post(USERS)
    request.user = make_user("clerk", is_staff=True)
    users: Any = admin.site.get_model_admin(User)

    with pytest.raises(PermissionDenied):
        users.send_notification(request, User.objects.all())


def test_chosen_groups_are_the_audience_of_a_new_broadcast(desk: Client, editors: Group) -> None:
    Group.objects.create(name="Others")

    response = choose(desk, [editors], GROUPS)  # type: ignore[list-item]
    form = desk.get(response["Location"]).context["adminform"].form

    assert response["Location"].startswith(ADD)
    assert form["audience"].value() == "groups"
    assert [str(pk) for pk in form["groups"].value()] == [str(editors.pk)]


WHO_SENDS = """
import django
from notifier import settings

apps = [app for app in settings.INSTALLED_APPS if app not in ("accounts", "demo")]
settings.INSTALLED_APPS = apps
settings.AUTH_USER_MODEL = "auth.User"
django.setup()

from django.contrib import admin

print(*[type(admin.site.get_model_admin(model)).__module__ for model in admin.site._registry])
"""


def test_the_admins_of_a_project_are_left_as_they_are() -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "notifier.settings"}

    found = subprocess.run(
        [sys.executable, "-c", WHO_SENDS],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.split().count("django.contrib.auth.admin") == 2


# Later versions of Django


class OldAdmin(AnyModelAdmin):
    """An admin of a project, written before Django 6.1."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return dict(super().get_actions(request))


@pytest.mark.parametrize("inner", [AnyModelAdmin, OldAdmin])
def test_the_action_is_for_lists_and_not_for_forms(
    inner: type[AnyModelAdmin], desk: Client, rf: RequestFactory
) -> None:
    request = rf.get("/")
    request.user = sender = User.objects.get(username="sender")
    found = type("Found", (SendsNotifications, inner), {})(User, admin.site)
    form = SimpleNamespace(name="CHANGE_FORM")

    assert "send_notification" in found.get_actions(request)
    assert sender.has_perm("notifications.send_broadcast")
    if inner is OldAdmin:
        assert found.get_actions(request, form) == {}


@pytest.mark.filterwarnings("error")
def test_no_page_of_the_admin_warns_of_what_will_go(desk: Client) -> None:
    for address in (USERS, GROUPS, "/admin/notifications/broadcast/"):
        assert desk.get(address).status_code == 200
