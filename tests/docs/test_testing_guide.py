"""The tests that docs/testing.md shows, run as they stand there."""

import pytest

from tests.docs.markdown import blocks
from tests.support.servers import ROOT
from tests.testing.test_testing import own_key  # noqa: F401  a fixture

pytestmark = pytest.mark.one_database

pytest_plugins = ["notifications.pytest_plugin"]

GUIDE = ROOT / "docs/testing.md"

for block in blocks(GUIDE, "python"):
    exec(compile(block.text, str(GUIDE), "exec"), globals())
