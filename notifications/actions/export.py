"""Exports everything that is stored about one user, as JSON that is written row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from typing import Any

from django.db.models import Model
from django.utils import timezone

from ..message.recipients import recipient_pk
from ..models import Broadcast, Mute, Notification
from ..store import user_state
from ..store.user_state import UserState

ROWS_AT_ONCE = 2000


def export_user(user: object) -> Iterator[str]:
    """Return the pieces of a JSON object with everything that the app stores about one user.

    `inbox` has the counters and quiet hours, `mutes` what the user has muted, `notifications` every
    column of every stored notification, including removed ones. `broadcasts` has those that the
    user sees or has marked, with the marks; `sent` has those that the user sent. Rows are read in
    batches of 2,000. Raises `TypeError` or `ValueError` unless `user` is a saved user.
    """
    return _pieces(recipient_pk(user))


def _pieces(user_pk: Any) -> Iterator[str]:
    state = user_state.of(user_pk)
    notifications = Notification.objects.of(user_pk).personal().order_by("seq")
    sent = Broadcast.objects.filter(sender=user_pk).order_by("pk")
    yield f'{{"user": {_encoded(str(user_pk))}, "exported": {_encoded(timezone.now())},\n'
    yield f'"inbox": {_encoded(_columns(state.inbox))},\n"mutes": ['
    yield from _listed(map(_columns, Mute.objects.of(user_pk).iterator(ROWS_AT_ONCE)))
    yield '],\n"sent": ['
    yield from _listed(map(_columns, sent.iterator(ROWS_AT_ONCE)))
    yield '],\n"broadcasts": ['
    yield from _listed(_broadcasts(state))
    yield '],\n"notifications": ['
    yield from _listed(map(_columns, notifications.iterator(ROWS_AT_ONCE)))
    yield "]}\n"


def _broadcasts(state: UserState) -> Iterator[dict[str, Any]]:
    shown = state.chosen(each.pk for each in state.live.of(state.viewer))
    marks = Notification.objects.of(state.inbox.pk).marks().select_related("broadcast")
    others = marks.exclude(broadcast__in=[mark.broadcast_id for mark in shown])
    for mark in [*shown, *others]:
        broadcast: Any = mark.broadcast
        yield {
            **{name: getattr(broadcast, name) for name in ("id", "kind", "level", "title", "body")},
            **{name: getattr(broadcast, name) for name in ("url", "data", "published_at")},
            "seen": broadcast.published_seq <= state.inbox.broadcast_seen_seq,
            "read_at": mark.read_at,
            "removed_at": mark.removed_at,
        }


def _columns(row: Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def _listed(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    separator = "\n"
    for row in rows:
        yield separator + _encoded(row)
        separator = ",\n"


def _encoded(value: Any) -> str:
    def text(part: object) -> str:
        return part.isoformat() if isinstance(part, (datetime, time)) else str(part)

    return json.dumps(value, default=text)
