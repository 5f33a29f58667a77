"""A router that reads from a replica, as in Django's documentation. This one never catches up.

Each line that the site prints is one promise, which a replica that lags for a moment would break.
"""

from pathlib import Path

import pytest

from tests.support.projects import run_site

pytestmark = pytest.mark.one_database

ROUTER = """
class PrimaryReplicaRouter:
    reads_from = "default"

    def db_for_read(self, model, **hints):
        return self.reads_from

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, one, other, **hints):
        return True
"""
SITE = """
import shutil
import django
from django.conf import settings
from django.core.management import call_command

def database(name):
    options = {"transaction_mode": "IMMEDIATE"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}

settings.configure(
    SECRET_KEY="-",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "notifications",
    ],
    DATABASES={"default": database("primary.sqlite3"), "replica": database("replica.sqlite3")},
    DATABASE_ROUTERS=["routers.PrimaryReplicaRouter"],
    LANGUAGE_CODE="en",
    NOTIFICATIONS_USER_LANGUAGE="languages.language_of",
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.utils.translation import gettext_lazy
from notifications import (
    broadcast, change_broadcast, export_user, mark_all_read, mark_read, merge_users, mute, notify,
    notify_many, preferences_of, recall_broadcast, remove, restore, send_broadcast,
)
from notifications.models import Broadcast, Notification
from notifications.realtime.auth import judge, session_identities
from notifications.store import feed, user_state
from notifications.wire.protocol import Resume
from routers import PrimaryReplicaRouter

call_command("migrate", verbosity=0)
connections.close_all()
shutil.copy("primary.sqlite3", "replica.sqlite3")
PrimaryReplicaRouter.reads_from = "replica"

ann, bob = [User.objects.create(username=name) for name in ("ann", "bob")]
group = Group.objects.create(name="editors")
User.groups.through.objects.create(user=ann, group=group)

def state(user):
    return user_state.of(user.pk)

def titles(user):
    return [item["title"] for item in feed.read(user.pk, Resume(u=0, b=0)).items if "title" in item]

print("key", [notify(ann, text, key="k").title for text in "ab"], titles(ann))
print("keep", notify(ann, "c", key="k", if_exists="keep"))
print("thread", [notify(ann, "t", thread="t").count for _ in range(2)])
print("language", notify(bob, gettext_lazy("Yes")).title)
first = Notification.objects.get(dedupe_key="k")
print("read", mark_read(ann, [first]), state(ann).unread, mark_all_read(ann), state(ann).unread)
remove(ann, [first])
restore(ann, [first])
first.refresh_from_db()
print("restored", first.removed_at)
mute(ann, thread="t")
print("muted", notify(ann, "t", thread="t"), len(preferences_of(ann).threads))
news = broadcast("News")
print("changed", change_broadcast(news, "Newer").title, titles(bob))
recall_broadcast(news)
print("recalled", titles(bob))
draft = Broadcast.objects.create(title="For editors", audience="groups")
draft.groups.add(group)
sent = send_broadcast(draft)
print("groups", sent.group_pks() == [group.pk], titles(ann)[-1], titles(bob)[-1])
print("many", notify_many([ann, bob], "Many"), merge_users(bob, ann))
print("exported", "Many" in "".join(export_user(ann)))
session = SessionStore()
session[SESSION_KEY] = str(ann.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = ann.get_session_auth_hash()
session.save()
[identity] = session_identities([session.session_key])
print("session", identity.user_pk == ann.pk, len(judge([identity]).revoked))
ann.set_password("another")
ann.save()
print("revoked", len(judge([identity]).revoked))
print("pruned", call_command("prune_notifications", verbosity=0))
"""
LANGUAGES = """
def language_of(user):
    return "de"
"""


def test_whatever_is_decided_is_decided_on_the_primary(tmp_path: Path) -> None:
    (tmp_path / "routers.py").write_text(ROUTER)
    (tmp_path / "languages.py").write_text(LANGUAGES)

    lines = run_site(tmp_path, SITE)

    assert lines == [
        "key ['a', 'b'] ['b']",
        "keep None",
        "thread [1, 2]",
        "language Ja",
        "read 1 1 0 0",
        "restored None",
        "muted None 1",
        "changed Newer ['Ja', 'Newer']",
        "recalled ['Ja']",
        "groups True For editors Ja",
        "many 2 2",
        "exported True",
        "session True 0",
        "revoked 1",
        "pruned None",
    ]
