"""Who can be told: saved users, by the keys that the database has."""

import pytest

from accounts.models import User
from notifications import mark_all_read, notify, notify_many
from tests.support.inboxes import state_of, texts_of

pytestmark = pytest.mark.django_db


def test_a_user_that_has_a_key_and_is_not_saved_is_told_with_advice() -> None:
    # As every new user is whose key is a UUID.
    with pytest.raises(ValueError, match="not saved yet; save it before"):
        notify(User(pk=77, username="carol"), "Hello")


def test_a_user_created_with_the_key_as_text_is_found_by_the_key() -> None:
    carol = User.objects.create(pk="77", username="carol")
    same = User.objects.get(username="carol")

    notify(carol, "one")
    assert notify_many([carol, same], "two") == 1
    mark_all_read(carol)

    assert texts_of(same) == ["one", "two"]
    assert state_of(same) == (4, 0)
