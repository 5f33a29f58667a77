"""Recipients: the users of an audience, and users as checked batches of primary keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.db import router
from django.db.models import DateTimeField, QuerySet
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    RawQuerySet,
    ValuesIterable,
)

from .audience import Audience
from .chunks import chunks
from .spool import KeySpool

ASKED_AT_ONCE = 2000
READ_AT_ONCE = 2000

Recipients = str | Group | Iterable[Group]
"""An audience: "everyone", "staff", one group or several groups."""


@dataclass(frozen=True)
class KnownUser:
    """A saved user of whom nothing but the key is known or needed, such as that of a socket."""

    pk: Any


def user_key(user: Any) -> Any:
    """Return the key by which the database knows a user.

    A subclass of the user model may have a primary key of its own, which is not this one.
    """
    return getattr(user, get_user_model()._meta.pk.attname, user.pk)


def recipient_pk(user: object, role: str = "recipient") -> Any:
    """Return the user's primary key; `role` is what the user is, for the error.

    Raises `TypeError` for another type and `ValueError` for a user that is not saved.
    """
    model = get_user_model()
    if isinstance(user, KnownUser):
        return user.pk
    if not isinstance(user, model):
        raise TypeError(
            f"A {role} is a saved {model.__name__}, not {user!r} ({type(user)}). "
            "If you have a primary key, pass get_user_model().objects.get(pk=…)."
        )
    # A UUID key exists before the user is saved.
    if user.pk is None or user._state.adding:
        raise ValueError(f"The user {user!r} is not saved yet; save it before you notify it.")
    # A user created with its key as text keeps the text.
    return model._meta.pk.to_python(user_key(user))


def addressed(audience: Recipients) -> tuple[str, list[Group]]:
    """Return the name of an audience and its groups.

    Raises `TypeError` or `ValueError` if it is not an audience.
    """
    if isinstance(audience, str):
        if audience not in (Audience.EVERYONE, Audience.STAFF):
            raise ValueError(f"Unknown audience {audience!r}; pass 'everyone', 'staff' or groups.")
        return Audience(audience).value, []
    groups = [audience] if isinstance(audience, Group) else audience
    if not isinstance(groups, Iterable):
        raise TypeError(f"audience is {audience!r}; it must be 'everyone', 'staff' or groups.")
    members = []
    for group in groups:
        if not isinstance(group, Group):
            raise TypeError(
                f"audience has {group!r} ({type(group)}); it must be 'everyone', 'staff' "
                "or groups. Use notify_many() for chosen users."
            )
        members.append(group)
    if not members:
        raise ValueError("Nobody is in this audience: it has no group.")
    return Audience.GROUPS.value, members


def all_users() -> QuerySet[Any]:
    """Return the users of the database to which they are written, because a replica lags behind."""
    model = get_user_model()
    return model._default_manager.using(router.db_for_write(model))


def users_of(audience: str, group_pks: Iterable[Any] = ()) -> QuerySet[Any]:
    """Return the active users of an audience; `group_pks` are needed for "groups".

    Raises `ValueError` for an unknown audience, or one that the user model has no field for.
    """
    filters: dict[str, Any] = {"is_active": True} if has_field("is_active") else {}
    if audience == Audience.STAFF:
        filters["is_staff"] = True
    elif audience not in Audience.values:
        legal = ", ".join(Audience.values)
        raise ValueError(f"Unknown audience {audience!r}; the audiences are {legal}.")
    try:
        if audience == Audience.GROUPS:
            # A subquery, so that a user in two of the groups counts once.
            users = _members(all_users().order_by(), group_pks)
            filters["pk__in"] = users.values("pk")
        return all_users().filter(**filters)
    except FieldError as exc:
        raise _untellable(audience, exc) from exc


def is_anybody_in(audience: str, group_pks: Iterable[Any] = ()) -> bool:
    """Tell whether an audience has an active user."""
    if audience != Audience.GROUPS:
        return users_of(audience).exists()
    try:
        # A join, because a database may list all members of a subquery first.
        return _members(users_of(Audience.EVERYONE), group_pks).exists()
    except FieldError as exc:
        raise _untellable(audience, exc) from exc


def members_among(user_pks: Sequence[Any], audience: str, group_pks: Iterable[Any]) -> set[Any]:
    """Return the primary keys of these users who are in an audience."""
    members = users_of(audience, group_pks).order_by().values_list("pk", flat=True)
    parts = chunks(user_pks, ASKED_AT_ONCE)
    return {pk for part in parts for pk in members.filter(pk__in=part)}


@cache
def has_field(name: str) -> bool:
    """Tell whether the user model has a field of this name, and of the kind in `AbstractUser`."""
    try:
        field = get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    if name == "groups":
        related = field.related_model
        return isinstance(related, type) and issubclass(related, Group)
    return name != "date_joined" or isinstance(field, DateTimeField)


def _members(users: QuerySet[Any], group_pks: Iterable[Any]) -> QuerySet[Any]:
    members = users.filter(groups__in=list(group_pks))
    if not has_field("groups"):
        raise FieldError("'groups' is not a relation to the groups of django.contrib.auth")
    return members


def _untellable(audience: str, exc: FieldError) -> ValueError:
    name = get_user_model().__name__
    return ValueError(f"{name} has no field for the audience {audience!r}: {exc}.")


def batches(users: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield the users' primary keys in sorted lists of at most `size`, each key once.

    All users are read before the first batch. So notifying some cannot change who the rest are, and
    an invalid user raises `TypeError` or `ValueError` before anything is written.
    """
    if isinstance(users, (str, bytes)) or not isinstance(users, Iterable):
        raise TypeError(f"users is {users!r}; it must be a QuerySet or an iterable of users.")
    if isinstance(users, RawQuerySet):
        users = users.iterator()  # without a result cache
    keys = _keys(users) if isinstance(users, QuerySet) else map(recipient_pk, users)
    with KeySpool() as spool:
        spool.add(map(_key, keys))
        for batch in spool.batches(size):
            yield list(map(_key, batch))


def _key(value: Any) -> Any:
    model = get_user_model()
    try:
        return model._meta.pk.to_python(value)
    except ValidationError as exc:
        raise TypeError(
            f"users has a row with {value!r}, which is not a primary key of {model.__name__}."
        ) from exc


def _keys(users: QuerySet[Any, Any]) -> Iterator[Any]:
    """Read the keys from the rows of the QuerySet as it is.

    A changed query could have other rows: a slice depends on its order and its distinct columns,
    and nothing can be added to a union.
    """
    model = get_user_model()
    if not issubclass(users.model, model):
        raise TypeError(f"users is a QuerySet of {users.model}, not of {model}.")
    key_of = _key_getter(users)
    query, is_read = users.query, users._result_cache is not None
    is_fixed = not _is_whole(users) or bool(query.combinator or query.select_for_update_of)
    if key_of is not None and (is_read or is_fixed):
        return map(key_of, users if is_read else users.iterator(READ_AT_ONCE))
    # A row of values may stand for several users.
    is_shared = query.combinator or query.group_by or (query.distinct and query.is_sliced)
    if key_of is None and is_shared:
        raise TypeError(
            f"users is a QuerySet of values without {model._meta.pk.attname!r}, so its rows do not "
            "identify users. Pass a QuerySet of users, or add the primary key to the values."
        )
    rows = users.prefetch_related(None).values_list(model._meta.pk.attname, *_columns(users))
    return map(itemgetter(0), rows.iterator(READ_AT_ONCE))


def _columns(users: QuerySet[Any, Any]) -> list[str]:
    query = users.query
    return [*query.extra_select, *query.values_select, *query.annotation_select]


def _is_whole(users: QuerySet[Any, Any]) -> bool:
    return issubclass(users._iterable_class, ModelIterable)


def _key_getter(users: Any) -> Callable[[Any], Any] | None:
    """Return a function that takes the key out of a row, or None if a row of values has no key."""
    wanted = get_user_model()._meta.pk
    if _is_whole(users):
        return attrgetter(wanted.attname)
    names = users._fields or _columns(users)
    key = users.model._meta.pk
    while key is not wanted and getattr(key.remote_field, "parent_link", False):
        key = key.target_field
    # A subclass of the user model may have a key of its own.
    keys = {wanted.attname, "pk"} if key is wanted else {wanted.attname}
    # An annotation may have the same name.
    keys -= users.query.annotation_select.keys() | users.query.extra_select.keys()
    name = next((name for name in names if name in keys), None)
    if name is None:
        return None
    if issubclass(users._iterable_class, FlatValuesListIterable):
        return lambda row: row
    is_mapping = issubclass(users._iterable_class, ValuesIterable)
    return itemgetter(name if is_mapping else names.index(name))
