"""Makes users, inboxes and broadcasts in bulk, in SQL that both databases take."""

from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from accounts.models import User
from notifications.models import Broadcast, BroadcastLog, Inbox

STAFF = 100
MEMBERS_SHARE = 10

USERS = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
INSERT INTO accounts_user (username, password, first_name, last_name, email,
                           is_superuser, is_staff, is_active, date_joined)
SELECT 'user-' || n, '!', '', '', '', FALSE, n > %s, TRUE, %s FROM numbers
"""
MEMBERS = """
INSERT INTO accounts_user_groups (user_id, group_id)
SELECT id, %s FROM accounts_user WHERE id %% %s = 0
"""


def make_users(count: int, joined: datetime) -> Group:
    """Make users with inboxes: the last hundred are the staff, and each tenth is in a group."""
    group = Group.objects.create(name="Members")
    columns = [each.column for each in Inbox._meta.concrete_fields]
    values = ["id" if each == "user_id" else "'e'" if each == "epoch" else "0" for each in columns]
    with connection.cursor() as cursor:
        cursor.execute(USERS, [count, count - STAFF, joined])
        cursor.execute(MEMBERS, [group.pk, MEMBERS_SHARE])
        cursor.execute(
            f"INSERT INTO notifications_inbox ({', '.join(columns)}) "  # noqa: S608
            f"SELECT {', '.join(values)} FROM accounts_user"
        )
        cursor.execute("ANALYZE")
    assert User.objects.count() == Inbox.objects.count() == count  # noqa: S101
    return group


def make_past_broadcasts(count: int, group: Group) -> None:
    """Store broadcasts that went out long ago: one in ten to the staff, one in ten to the group."""
    log = BroadcastLog.objects.lock() if connection.in_atomic_block else _log()
    first, now = log.last_seq + 1, timezone.now()
    rows = Broadcast.objects.bulk_create(
        Broadcast(
            title=f"Broadcast {seq}",
            body="What happened and what to do about it. " * 5,
            audience={0: "staff", 1: "groups"}.get(seq % 10, "everyone"),
            seq=seq,
            published_seq=seq,
            sent_at=(moment := now - timedelta(minutes=first + count - seq)),
            published_at=moment,
        )
        for seq in range(first, first + count)
    )
    through = Broadcast.groups.through._default_manager
    through.bulk_create(
        Broadcast.groups.through(broadcast_id=row.pk, group_id=group.pk)
        for row in rows
        if row.audience == "groups"
    )
    log.advance(by=count)


def _log() -> BroadcastLog:
    return BroadcastLog.objects.get_or_create()[0]
