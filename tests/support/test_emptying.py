"""A test that commits leaves an empty database behind, in which permissions are still there."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType

from accounts.models import User
from notifications import broadcast, notify
from notifications.models import Broadcast, BroadcastLog, Inbox, Notification
from tests.support.emptying import empty
from tests.support.factories import make_user


@pytest.mark.django_db(transaction=True)
def test_rows_of_all_models_go_and_content_types_and_permissions_stay() -> None:
    kept = (ContentType.objects.count(), Permission.objects.count())
    user = make_user()
    user.user_permissions.set(Permission.objects.all()[:1])
    notify(user, "one")
    broadcast("two", "everyone")

    empty("default")

    rows = (User, Inbox, Notification, Broadcast, BroadcastLog, User.user_permissions.through)
    assert [model for model in rows if model._default_manager.exists()] == []
    assert (ContentType.objects.count(), Permission.objects.count()) == kept
    assert 0 not in kept
