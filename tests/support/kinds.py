"""A registry of kinds for one test, in place of what the apps have registered."""

import pytest

from notifications.message import kinds
from notifications.message.kinds import Kind


@pytest.fixture
def own_kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Kind]:
    """Begin with no kind registered."""
    registry: dict[str, Kind] = {}
    monkeypatch.setattr(kinds, "_kinds", registry)
    return registry
