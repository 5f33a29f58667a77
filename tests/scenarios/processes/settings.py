"""The settings of the tests, with this app and its addresses."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.scenarios.processes"]
ROOT_URLCONF = "tests.scenarios.processes.urls"
