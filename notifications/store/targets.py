"""Which items a verb is about, from the ways in which a caller can name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..message.text import short
from ..models import Broadcast, Notification, NotificationQuerySet
from ..wire.protocol import ITEM_ID, NUMBER_MAX

Item = Notification | Broadcast | int | str
"""How a notification is named: itself, its primary key, or its item id such as `n5120` or `b12`."""

Items = Item | Iterable[Item]
"""One notification, or several: a list, a QuerySet, any iterable."""


@dataclass(frozen=True)
class Targets:
    """What a verb is about: some of the notifications, and some of the broadcasts."""

    rows: NotificationQuerySet
    broadcasts: frozenset[int] = frozenset()


def targets_of(items: Items) -> Targets:
    """Return what these name; raise `TypeError` for what names no notification."""
    several = items if isinstance(items, Iterable) and not isinstance(items, str) else [items]
    named = [_named(item) for item in several]
    return Targets(
        Notification.objects.filter(pk__in=[pk for letter, pk in named if letter == "n"]),
        frozenset(pk for letter, pk in named if letter == "b"),
    )


def _named(item: object) -> tuple[str, int]:
    text = item
    if isinstance(item, Notification):
        text = item.item_id
    elif isinstance(item, Broadcast):
        text = f"b{item.pk}"
    elif isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= NUMBER_MAX:
        text = f"n{item}"
    if isinstance(text, str) and ITEM_ID.fullmatch(text):
        return text[0], int(text[1:])
    raise TypeError(
        f"{short(item)} names no notification; pass it, its pk, its id, or several of these."
    )
