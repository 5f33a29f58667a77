"""For whom: turns users, iterables of users and QuerySets into checked batches of primary keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet


def recipient_pk(user: object) -> Any:
    """Return the user's primary key; raise `TypeError` or `ValueError` for no saved user."""
    model = get_user_model()
    if not isinstance(user, model):
        raise TypeError(
            f"A recipient is a saved {model.__name__}, not {user!r} ({type(user).__name__}). "
            f"With a primary key at hand, pass {model.__name__}.objects.get(pk=…)."
        )
    # A UUID key is there before the user is saved.
    if user.pk is None or user._state.adding:
        raise ValueError(f"The user {user!r} is not saved yet; save it before you notify it.")
    # Just created with the key as text, a user keeps it as text.
    return model._meta.pk.to_python(user.pk)


def batches(users: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield the users' primary keys in lists of at most `size`, sorted and without doubles.

    An iterable is read to its end first: a wrong user in it is told before anything is written.
    """
    if isinstance(users, QuerySet):
        yield from _queryset_batches(users, size)
        return
    if isinstance(users, (str, bytes)) or not isinstance(users, Iterable):
        raise TypeError(f"users is {users!r}; it must be a QuerySet or an iterable of users.")
    yield from _in_lists(map(recipient_pk, users), size)


def _in_lists(pks: Iterable[Any], size: int) -> Iterator[list[Any]]:
    ordered = iter(sorted(set(pks)))
    while batch := list(islice(ordered, size)):
        yield batch


def _queryset_batches(users: QuerySet[Any], size: int) -> Iterator[list[Any]]:
    model = get_user_model()
    if not issubclass(users.model, model):
        raise TypeError(f"users is a QuerySet of {users.model.__name__}, not of {model.__name__}.")
    if users.query.is_sliced or users.query.combinator:
        yield from _in_lists(users.values_list("pk", flat=True), size)
        return
    # One query a batch: a cursor kept open over the batches' commits would pin an old snapshot.
    ordered = users.order_by("pk").values_list("pk", flat=True).distinct()
    batch = list(ordered[:size])
    while batch:
        yield batch
        batch = list(ordered.filter(pk__gt=batch[-1])[:size])
