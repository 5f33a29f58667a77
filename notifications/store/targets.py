"""Which items a verb is about, from the ways in which a caller can name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..message.text import short
from ..models import Broadcast, Notification, NotificationQuerySet
from ..wire.protocol import NUMBER_MAX, parse_item_id

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
                f"{short(item)} names no notification; pass it, its pk, its id, or several of "
                "these."
            )
        named.append(target)
    return Targets(
        Notification.objects.filter(pk__in=[pk for letter, pk in named if letter == "n"]),
        frozenset(pk for letter, pk in named if letter == "b"),
    )
