"""For whom: audiences as users, and users as checked batches of primary keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db.models import QuerySet

from .audience import Audience

ASKED_AT_ONCE = 2000

Recipients = str | Group | Iterable[Any]
"""An audience: "everyone", "staff", groups, or users."""


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


def addressed(audience: Recipients) -> tuple[str | None, Any]:
    """Return the name of an audience with its groups, or None with the users.

    Raises `TypeError` or `ValueError` for what is neither.
    """
    if isinstance(audience, str):
        if audience not in (Audience.EVERYONE, Audience.STAFF):
            raise ValueError(
                f"Unknown audience {audience!r}; pass 'everyone', 'staff', groups or users."
            )
        return Audience(audience).value, []
    if isinstance(audience, Group):
        return Audience.GROUPS, [audience]
    if isinstance(audience, QuerySet):
        is_groups = issubclass(audience.model, Group)
        return (Audience.GROUPS, list(audience)) if is_groups else (None, audience)
    if not isinstance(audience, Iterable):
        raise TypeError(
            f"audience is {audience!r}; it must be 'everyone', 'staff', groups or users."
        )
    return _listed(list(audience))


def users_of(audience: str, group_pks: Iterable[Any] = ()) -> QuerySet[Any]:
    """Return the active users of an audience; `group_pks` name the groups of that audience.

    Raises `ValueError` for an audience that the user model cannot tell.
    """
    model = get_user_model()
    filters: dict[str, Any] = {"is_active": True} if has_field("is_active") else {}
    if audience == Audience.STAFF:
        filters["is_staff"] = True
    elif audience == Audience.GROUPS:
        filters["pk__in"] = _members(group_pks)
    elif audience != Audience.EVERYONE:
        raise ValueError(f"Unknown audience {audience!r}; they are {', '.join(Audience.values)}.")
    try:
        return model._default_manager.filter(**filters)
    except FieldError as exc:
        raise ValueError(f"{model.__name__} cannot tell who is of the {audience}: {exc}.") from exc


def is_anybody_in(audience: str, group_pks: Iterable[Any] = ()) -> bool:
    """Tell whether an audience has an active user; quick with a million of them, too."""
    if audience != Audience.GROUPS:
        return users_of(audience).exists()
    # Not by way of all members, which a database may list first.
    return users_of(Audience.EVERYONE).filter(groups__in=list(group_pks)).exists()


def members_among(user_pks: Sequence[Any], audience: str, group_pks: Iterable[Any]) -> set[Any]:
    """Return those of these users who are in an audience."""
    members = users_of(audience, group_pks).order_by().values_list("pk", flat=True)
    parts = (user_pks[at : at + ASKED_AT_ONCE] for at in range(0, len(user_pks), ASKED_AT_ONCE))
    return {pk for part in parts for pk in members.filter(pk__in=part)}


@cache
def has_field(name: str) -> bool:
    """Tell whether the user model has a field of this name, as one on `AbstractUser` has."""
    try:
        get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _members(group_pks: Iterable[Any]) -> QuerySet[Any]:
    # A query of its own, so that whoever is in two of the groups counts once.
    users = get_user_model()._default_manager.order_by()
    return users.filter(groups__in=list(group_pks)).values("pk")


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


def _listed(members: list[Any]) -> tuple[str | None, list[Any]]:
    are_groups = [isinstance(member, Group) for member in members]
    if not members:
        raise ValueError("Nobody is in this audience: it is an empty list.")
    if any(are_groups) and not all(are_groups):
        raise TypeError("audience has groups and users in it; pass one or the other.")
    return (Audience.GROUPS if all(are_groups) else None), members
