"""Every Python block of docs/ runs, in the shop that tests/docs/guide-apps/ has."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from notifications import notify
from notifications.models import Broadcast, Inbox, Notification
from tests.docs.guides import TEMPLATES, Guide
from tests.docs.markdown import blocks
from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database

pytest_plugins = ["tests.docs.guide_fixture"]

KINDS = ROOT / "docs/kinds.md"
# Their blocks need a project or a test run of their own; these files run each of them.
ELSEWHERE = {
    ROOT / "README.md": "test_docs.py",
    ROOT / "docs/quickstart.md": "test_quickstart.py",
    ROOT / "docs/testing.md": "test_testing_guide.py",
}
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
GUIDES = [path for path in DOCUMENTS if path not in ELSEWHERE]
LANGUAGES = {"python", "sh", "console", "css", "js", "nginx", "sql", "json", *TEMPLATES}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def have_the_kinds_of_the_shop(guide: Guide) -> None:
    """Register what kinds.md does, for the guides that stand upon it."""
    for block in blocks(KINDS, "python"):
        if block.file == "shop/notification_kinds.py":
            guide.do(block, KINDS)


@pytest.mark.parametrize("document", GUIDES, ids=named)
def test_the_code_of_a_guide_runs(document: Path, guide: Guide) -> None:
    if document != KINDS:
        have_the_kinds_of_the_shop(guide)

    guide.follow(document)


@pytest.mark.django_db
def test_the_shop_of_the_guides_misses_no_migration() -> None:
    call_command("makemigrations", "shop", check_changes=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_no_block_hides_in_another_language(document: Path) -> None:
    fences = re.findall(r"^\s*(?:```|~~~)", document.read_text(), re.MULTILINE)
    found = list(blocks(document))

    assert len(fences) == 2 * len(found)
    assert {block.language for block in found} <= LANGUAGES


@pytest.mark.parametrize("document", ELSEWHERE, ids=named)
def test_what_runs_elsewhere_is_read_there(document: Path) -> None:
    tests = [ROOT / "tests/docs" / ELSEWHERE[document], ROOT / "tests/support/projects.py"]
    source = "".join(path.read_text() for path in tests if path.exists())

    assert f'"{document.relative_to(ROOT)}"' in source


def test_the_functions_of_the_guide_on_broadcasts_run(guide: Guide) -> None:
    Group.objects.create(name="Editors").user_set.add(guide.names["user"])
    guide.follow(ROOT / "docs/broadcasts.md")
    guide.names["announce_maintenance"](guide.names["user"])
    guide.names["greet_editors"]()

    assert [each.recalled_at is None for each in Broadcast.objects.order_by("pk")] == [False, True]


def test_the_receiver_of_the_guide_on_signals_hears(
    guide: Guide, capsys: pytest.CaptureFixture[str]
) -> None:
    guide.follow(ROOT / "docs/signals.md")
    notify(guide.names["user"], {"title": "Disk full", "level": "error"})

    assert "Disk full" in capsys.readouterr().out


def test_what_the_old_package_stored_is_moved_once(guide: Guide) -> None:
    guide.follow(ROOT / "docs/coming-from.md")
    Notification.objects.all().delete()
    command = guide.module("shop/management/commands/move_notifications.py")
    alice, bob = guide.names["customers"]
    long_ago = timezone.now() - timedelta(days=40)
    with connection.schema_editor() as editor:
        editor.create_model(command.OldNotification)
    try:
        for unread, deleted in ((True, False), (False, False), (True, True)):
            command.OldNotification.objects.create(
                recipient=bob,
                actor=alice,
                verb="commented on",
                target=guide.names["order"],
                description="Where is it?",
                level="warning",
                timestamp=long_ago,
                unread=unread,
                deleted=deleted,
            )
        for _ in range(2):
            command.Command().handle()
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(command.OldNotification)

    moved = Notification.objects.of(bob.pk)
    assert set(moved.values_list("title", "body", "level", "created", "read_at")) == {
        (f"alice commented on {guide.names['order']}", "Where is it?", "warning", long_ago, read_at)
        for read_at in (None, long_ago)
    }
    inbox = Inbox.objects.of(bob.pk)
    assert (inbox.unread, inbox.seen_seq) == (1, inbox.last_seq)
