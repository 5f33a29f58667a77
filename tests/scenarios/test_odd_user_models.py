"""User models that call a field as `AbstractUser` does and mean another, or that do more."""

from pathlib import Path

import pytest

from tests.support.projects import run_site

pytestmark = pytest.mark.one_database

MODELS = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models

class Team(models.Model):
    pass

class Member(AbstractBaseUser):
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()
    BODY
"""
DATE = "date_joined = models.DateField(auto_now_add=True)"
NUMBER = "date_joined = models.PositiveIntegerField(default=0)"
TEAMS = "groups = models.ManyToManyField(Team)"
# A common way to notice changes. Django's documentation warns of it: with deferred fields it never
# ends.
SNAPSHOT = """
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.before = (self.email, self.name)
"""
SITE = """
import asyncio
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    SECRET_KEY="-",
    ALLOWED_HOSTS=["*"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "people",
        "notifications",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF="notifications.urls",
    ASGI_APPLICATION="people.asgi.application",
    AUTH_USER_MODEL="people.Member",
    DATABASES={"default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "site.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }},
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()
from django.contrib.auth.models import Group
from notifications import anotify, broadcast
from notifications.models import Broadcast, BroadcastLog
from notifications.store import feed
from notifications.store.broadcast_counts import counts
from notifications.testing import NotificationClient
from notifications.wire.protocol import Resume
from people.models import Member, Team

call_command("makemigrations", "people", verbosity=0)
call_command("migrate", verbosity=0)
ann = Member.objects.create(email="ann@example.com")
group = Group.objects.create(name="editors")
if hasattr(ann, "groups"):
    ann.groups.add(Team.objects.create(pk=group.pk))

def titles():
    return [item["title"] for item in feed.read(ann.pk, Resume(u=0, b=0)).items]

row = broadcast("News")
print(titles(), len(counts([row])))
try:
    broadcast("For the editors", group)
except ValueError as exc:
    print(exc)
# As a version before this one may have stored it.
Broadcast.objects.filter(pk=row.pk).update(audience="groups")
row.groups.add(group)
BroadcastLog.objects.get().advance(by=0)
print(titles())
call_command("notify", "ann@example.com", "Hello", verbosity=0)

async def in_a_tab():
    async with NotificationClient(ann) as tab:
        await anotify(ann, "Live")
        await tab.receive()
        await tab.see()
        await tab.read_all()
        return tab.unread, tab.close_code

print(asyncio.run(in_a_tab()))
"""
ASGI = """
from channels.routing import ProtocolTypeRouter, URLRouter
from notifications.realtime.auth import AuthMiddlewareStack
from notifications.routing import websocket_urlpatterns

sockets = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
application = ProtocolTypeRouter({"websocket": sockets})
"""


@pytest.mark.parametrize(
    "body", [DATE, NUMBER, TEAMS, SNAPSHOT], ids=["date", "number", "teams", "snapshot"]
)
def test_everything_works_with_such_users(tmp_path: Path, body: str) -> None:
    (tmp_path / "people").mkdir()
    (tmp_path / "people/__init__.py").touch()
    (tmp_path / "people/models.py").write_text(MODELS.replace("BODY", body.strip()))
    (tmp_path / "people/asgi.py").write_text(ASGI)

    lines = run_site(tmp_path, SITE)

    before, refusal, after, in_a_tab = lines
    assert before == "['News'] 1"
    assert refusal.startswith("Member has no field for the audience 'groups': ")
    assert after == "[]"
    assert in_a_tab == "(0, None)"
