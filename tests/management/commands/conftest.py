"""Users whom commands name."""

from typing import Any

import pytest
from django.contrib.auth.models import Group

from accounts.models import User
from tests.support.factories import make_user


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def site(alice: User, bob: User) -> dict[str, Any]:
    """Return what an audience can be: alice is staff and in two groups, bob in one of them."""
    editors, authors = (Group.objects.create(name=name) for name in ("Editors", "Authors"))
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    make_user("gone", is_active=False)
    alice.groups.set([editors, authors])
    bob.groups.set([authors])
    return {"editors": editors, "authors": authors}
