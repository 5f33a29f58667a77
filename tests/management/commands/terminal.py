"""What the tests of commands share: typing them, and what is printed."""

import os
import subprocess
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from notifications.models import Broadcast, Notification
from tests.support.servers import ROOT, database_url
from tests.support.zygote import run_forked

DOCUMENT = ROOT / "docs/commands.md"
NAMES = ("notify", "broadcast", "publish_due")
COMMAND_SECONDS = 120


class Terminal(StringIO):
    """Where somebody watches."""

    def isatty(self) -> bool:
        """Tell that they do."""
        return True


def typed(*words: str, stderr: StringIO | None = None, verbosity: int = 1) -> str:
    """Run a command as if it were typed, and return what it printed."""
    stdout = StringIO()
    call_command(*words, stdout=stdout, stderr=stderr or StringIO(), verbosity=verbosity)
    return stdout.getvalue()


def refused(*words: str) -> str:
    """Run a command that must refuse what was typed and do nothing; return what it said."""
    with pytest.raises(CommandError) as caught:
        typed(*words)
    assert not Notification.objects.exists()
    assert not Broadcast.objects.exists()
    return str(caught.value)


def finished(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Type a command in a shell, with the database of this test; return how it ended."""
    return run_forked(
        ["manage.py", *words],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "notifier.settings",
            "DATABASE_URL": database_url(),
            **env,
        },
        timeout=COMMAND_SECONDS,
        prepared_with=["accounts.models", "notifications"],
    )
