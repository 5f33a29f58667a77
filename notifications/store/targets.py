"""Reads the ways in which a caller can name notifications."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..message.text import short
from ..models import Broadcast, Notification, NotificationQuerySet
from ..wire.protocol import NUMBER_MAX, parse_item_id

Item = Notification | Broadcast | int | str
"""A notification or broadcast, a notification's primary key, or an item id as `n5120` or `b12`."""

Items = Item | Iterable[Item]
"""One item or an iterable of items, such as a list or a QuerySet."""

# Iterable, but one item: the numbers that bytes consist of are no keys.
TEXTS = (str, bytes, bytearray, memoryview)


@dataclass(frozen=True)
class Targets:
    """The notifications and the broadcasts that an action was called with."""

    rows: NotificationQuerySet
    broadcasts: frozenset[int] = frozenset()


def targets_of(items: Items) -> Targets:
    """Return the targets that these items name; raise `TypeError` for anything else."""
    several = items if isinstance(items, Iterable) and not isinstance(items, TEXTS) else [items]
    named: list[tuple[str, int]] = []
    for item in several:
        name: object = item
        if isinstance(item, Notification):
            name = item.item_id
        elif isinstance(item, Broadcast):
            name = f"b{item.pk}"
        elif isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= NUMBER_MAX:
            name = f"n{item}"
        target = parse_item_id(name)
        if target is None:
            raise TypeError(
                f"{short(item)} does not name a notification; pass the notification, its primary "
                "key, its item id such as 'n5120', or several of these."
            )
        named.append(target)
    return Targets(
        Notification.objects.filter(pk__in=[pk for letter, pk in named if letter == "n"]),
        frozenset(pk for letter, pk in named if letter == "b"),
    )
