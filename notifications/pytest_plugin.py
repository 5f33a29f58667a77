"""Fixtures for the tests of projects that use the app; pytest finds them by the entry point.

pytest loads this in every project where the package is installed, so Django is imported late.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import CapturedNotifications


@pytest.fixture
def captured_notifications() -> Iterator[CapturedNotifications]:
    """Capture what the test sends, as `notifications.testing.capture_notifications()` does."""
    from .testing import capture_notifications

    with capture_notifications() as captured:
        yield captured
