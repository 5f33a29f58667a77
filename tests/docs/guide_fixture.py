"""The fixture `guide`, for tests that follow guides; they name this file in `pytest_plugins`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import _state as celery_state  # type: ignore[import-untyped]
from django.apps import apps
from django.test import RequestFactory
from pytest_django import Settings

from accounts.models import User
from notifications.message import kinds
from notifications.triggers import declare, dispatch
from tests.docs.guides import Guide
from tests.support.factories import make_user


@pytest.fixture
def guide(
    transactional_db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Guide]:
    """Return a guide to be followed, whose readers have two users, an order and a request.

    What it registers is forgotten afterwards: kinds, triggers, tasks, models and receivers.
    """
    monkeypatch.setattr(celery_state, "_on_app_finalizers", set())
    for module in (dispatch, declare):
        monkeypatch.setattr(module, "rules", {})
    monkeypatch.setattr(kinds, "_kinds", {})
    monkeypatch.setitem(apps.all_models, "shop", dict(apps.all_models["shop"]))
    monkeypatch.setattr(User, "language", "en", raising=False)  # of kinds.md
    alice = make_user("alice")
    request = RequestFactory().post("/")
    request.user = alice
    guide = Guide(
        settings,
        monkeypatch,
        tmp_path / "templates",
        user=alice,
        customers=[alice, make_user("bob")],
        order=apps.get_model("shop.Order").objects.create(user=alice),
        request=request,
    )
    yield guide
    guide.close()
    apps.clear_cache()
