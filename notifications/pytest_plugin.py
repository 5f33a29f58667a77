"""Fixtures for the tests of projects that use the app; pytest finds them by an entry point.

pytest loads this module wherever the package is installed, so fixtures import Django when used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import CapturedNotifications


@pytest.fixture
def captured_notifications() -> Iterator[CapturedNotifications]:
    """Capture the test's notifications, as `notifications.testing.capture_notifications()` does."""
    from .testing import capture_notifications

    with capture_notifications() as captured:
        yield captured
