"""Finds users and groups by name; suggests a similar name for an unknown one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Field, QuerySet

from ..message.chunks import chunks
from ..message.text import refuse_unstorable

KEY_PREFIX = "pk:"
ASKED_AT_ONCE = 500
NAMED_AT_MOST = 10
COMPARED_AT_MOST = 1000


def find_users(names: Iterable[str]) -> list[Any]:
    """Return the users with these names, each once; `pk:12` is the user with that key.

    Raises `ValueError`, naming the unknown users.
    """
    model = get_user_model()
    named_by: Any = model._meta.get_field(model.USERNAME_FIELD)
    rows = model._default_manager.all()
    asked = dict.fromkeys(names)
    keys = {name: name.removeprefix(KEY_PREFIX) for name in asked if name.startswith(KEY_PREFIX)}
    users = _by_name(rows, named_by, {name: name for name in asked if name not in keys})
    users |= _by_name(rows, model._meta.pk, keys)
    if unknown := [name for name in asked if name not in users]:
        complaint = _complaint("user", unknown, rows, named_by)
        raise ValueError(
            f"{complaint} A user is named by their {named_by.name}, or by their key as in pk:12."
        )
    return list({user.pk: user for user in users.values()}.values())


def find_groups(names: Iterable[str]) -> list[Group]:
    """Return the groups with these names; raise `ValueError`, naming the unknown ones."""
    asked = dict.fromkeys(names)
    named_by = Group._meta.get_field("name")
    rows = Group.objects.all()
    groups = _by_name(rows, named_by, {name: name for name in asked})
    if unknown := [name for name in asked if name not in groups]:
        raise ValueError(_complaint("group", unknown, rows, named_by))
    return list(groups.values())


def _by_name(
    rows: QuerySet[Any], field: Field[Any, Any], texts: Mapping[str, str]
) -> dict[str, Any]:
    values = {name: _value(field, text) for name, text in texts.items()}
    wanted = [value for value in values.values() if value is not None]
    known = {}
    for some in chunks(wanted, ASKED_AT_ONCE):
        for row in rows.filter(**{f"{field.name}__in": some}):
            known[getattr(row, field.attname)] = row
    return {name: known[value] for name, value in values.items() if value in known}


def _value(field: Field[Any, Any], text: str) -> Any:
    # An illegal value of the column would make the query fail, and no row can have it.
    with suppress(ValidationError, ValueError):
        refuse_unstorable(field.name, text)
        value = field.to_python(text)
        if not isinstance(value, str):
            field.run_validators(value)
        return value
    return None


def _complaint(what: str, unknown: list[str], rows: QuerySet[Any], field: Field[Any, Any]) -> str:
    named = [f"{name!r}{_hint(name, rows, field)}" for name in unknown[:NAMED_AT_MOST]]
    more = f" and {len(unknown) - NAMED_AT_MOST} more" if len(unknown) > NAMED_AT_MOST else ""
    return f"There is no {what} {', '.join(named)}{more}."


def _hint(name: str, rows: QuerySet[Any], field: Field[Any, Any]) -> str:
    if name.startswith(KEY_PREFIX) or _value(field, name) is None:
        return ""
    # There may be a million names, so read only those with the same beginning.
    for beginning in (name, name[:3], name[:1], ""):
        alike = rows.filter(**{f"{field.name}__istartswith": beginning}).order_by(field.name)
        names = map(str, alike.values_list(field.name, flat=True)[:COMPARED_AT_MOST])
        folded = {each.casefold(): each for each in names}
        if near := get_close_matches(name.casefold(), folded, n=1):
            return f" (did you mean {folded[near[0]]!r}?)"
    return ""
