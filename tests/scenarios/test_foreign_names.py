"""A project whose models have the names that this app might have wanted on its users and groups."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database

SECONDS = 120
MODELS = """
from django.contrib.auth.models import AbstractUser, Group
from django.contrib.contenttypes.models import ContentType
from django.db import models

class Member(AbstractUser):
    notification = models.BooleanField(default=True)
    inbox = models.CharField(max_length=10)
    mute = models.BooleanField(default=False)
    broadcast = models.BooleanField(default=False)
    notification_mutes = models.JSONField(default=list)

def to_user(name):
    return models.ForeignKey(Member, models.CASCADE, related_name=name)

class Notification(models.Model):
    user = to_user("notifications")
    sender = to_user("sent_notifications")
    group = models.ForeignKey(Group, models.CASCADE, related_name="notifications")
    about = models.ForeignKey(ContentType, models.CASCADE, related_name="notifications")

class Inbox(models.Model):
    user = models.OneToOneField(Member, models.CASCADE, related_name="notification_inbox")
    other = models.OneToOneField(Member, models.CASCADE, related_name="inboxes")

class Mute(models.Model):
    user = to_user("mutes")
    topic = models.ForeignKey(Group, models.CASCADE, related_name="mutes", null=True)

class Broadcast(models.Model):
    groups = models.ManyToManyField(Group, related_name="broadcasts")
    members = models.ManyToManyField(Member, related_name="broadcasts")
    marks = models.ManyToManyField(Member, related_name="marks")
"""
LIBRARY = """
from django import template

register = template.Library()
"""
COMMAND = """
from django.core.management.base import BaseCommand

class Command(BaseCommand):
    def handle(self, *args, **options):
        print("a command of the site")
"""
SITE = """
import os
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    SECRET_KEY="-",
    SILENCED_SYSTEM_CHECKS=["notifications.W004", "templates.W003"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "people", "notifications", "bells",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [os.environ["PYTHONPATH"] + "/templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }],
    STATIC_URL="static/",
    AUTH_USER_MODEL="people.Member",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()
from django.contrib.auth.models import Group
from django.template.loader import get_template
from notifications import broadcast, mark_read, mute, notify
from notifications.models import Inbox, Mute, Notification
from notifications.store.broadcast_counts import counts
from people.models import Member

call_command("check", fail_level="WARNING", verbosity=0)
print("started")
call_command("makemigrations", "people", verbosity=0)
call_command("migrate", verbosity=0)
call_command("makemigrations", "--check", "--dry-run", verbosity=0)
ann = Member.objects.create(username="ann", inbox="paper")
notify(ann, "Hello")
mute(ann, thread="order-7")
group = Group.objects.create(name="all")
ann.groups.add(group)
row = broadcast("News", group)
mark_read(ann, [row])
print(counts([row])[row.pk])
call_command("notify")
call_command("notifications_notify", "ann", "Hello")
call_command("notifications_broadcast", "Hello")
call_command("notifications_publish_due")
print("<main" in get_template("notifications/standalone.html").render())
print(ann.inbox, ann.notifications.count(), ann.broadcasts.count(), group.broadcasts.count())
ann.delete()
print([model.objects.count() for model in (Inbox, Mute, Notification)])
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what the site prints, line by line."""
    directory: Path = tmp_path_factory.mktemp("site")
    (directory / "people").mkdir()
    (directory / "people/__init__.py").touch()
    (directory / "people/models.py").write_text(MODELS)
    for folder in ("people/management/commands", "bells/templatetags"):
        (directory / folder).mkdir(parents=True)
    (directory / "people/management/commands/notify.py").write_text(COMMAND)
    (directory / "bells/templatetags/notifications.py").write_text(LIBRARY)
    ended = subprocess.run(
        [sys.executable, "-c", SITE],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_a_site_with_such_names_starts(printed: list[str]) -> None:
    assert "started" in printed


def test_what_the_app_counts_and_deletes_is_its_own(printed: list[str]) -> None:
    assert "Counts(seen=1, read=1)" in printed
    assert printed[-2:] == ["paper 0 0 0", "[0, 0, 0]"]


def test_commands_and_tags_of_the_same_name_leave_ours_a_longer_one(printed: list[str]) -> None:
    at = printed.index("a command of the site")

    assert printed[at + 1 : at + 5] == [
        "Notified 1 user.",
        "Broadcast 2 is live: reaches 1 user.",
        "Published 0, ended 0.",
        "True",
    ]
