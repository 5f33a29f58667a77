"""The fixture `own_rules`, for tests of triggers; they name this file in `pytest_plugins`."""

from typing import Any

import pytest

from notifications.triggers import declare, dispatch


@pytest.fixture
def own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only the rules fire that the test declares, and forget them after it."""
    rules: dict[Any, Any] = {}
    monkeypatch.setattr(dispatch, "rules", rules)
    monkeypatch.setattr(declare, "rules", rules)
