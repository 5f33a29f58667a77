"""Whatever QuerySet of users is told: the users that it has, each once.

`EXAMPLES_OF_QUERIES=10000` plays as many random ones as that.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import Lower, RowNumber
from hypothesis import HealthCheck, assume, given, note
from hypothesis import settings as budget
from hypothesis import strategies as st

from accounts.models import User
from notifications.message.recipients import batches

EXAMPLES = int(os.environ.get("EXAMPLES_OF_QUERIES", "60"))

Rows = QuerySet[Any, Any]
Step = Callable[[Rows], Rows]


class ProxyUser(User):
    """Users under another name, as an app may have them."""

    class Meta:
        app_label = "accounts"
        proxy = True


FILTERS: dict[str, Step] = {
    "filter(is_staff=True)": lambda rows: rows.filter(is_staff=True),
    "exclude(first_name=…)": lambda rows: rows.exclude(first_name="Ada"),
    "filter(groups__in=…)": lambda rows: rows.filter(groups__in=Group.objects.all()),
    "filter(groups=None)": lambda rows: rows.filter(groups=None),
    "filter(… | …)": lambda rows: rows.filter(Q(groups__name="one") | Q(is_staff=False)),
    "none()": lambda rows: rows.none(),
}
ORDERS: dict[str, Step] = {
    "order_by(username)": lambda rows: rows.order_by("-username"),
    "order_by(first_name)": lambda rows: rows.order_by("first_name", "-pk"),
    "order_by(groups__name)": lambda rows: rows.order_by("groups__name", "pk"),
    "order_by(Lower)": lambda rows: rows.order_by(Lower("last_name").desc(), "pk"),
    "order_by()": lambda rows: rows.order_by(),
    "reverse()": lambda rows: rows.reverse(),
}
COLUMNS: dict[str, Step] = {
    "annotate(Count)": lambda rows: rows.annotate(number=Count("groups")),
    "annotate(Count).filter()": lambda rows: rows.annotate(many=Count("groups")).filter(many__gt=1),
    "annotate(F)": lambda rows: rows.annotate(group=F("groups__name")),
    "alias(Count).filter()": lambda rows: rows.alias(some=Count("groups")).filter(some__gt=0),
    "annotate(Window).filter()": lambda rows: rows.annotate(
        place=Window(RowNumber(), partition_by="is_staff", order_by=["first_name", "pk"])
    ).filter(place__lte=2),
    "extra(select)": lambda rows: rows.extra(select={"shout": "upper(username)"}),
    "only()": lambda rows: rows.only("username"),
    "prefetch_related()": lambda rows: rows.prefetch_related("groups"),
}
SHAPES: dict[str, Step] = {
    "distinct()": lambda rows: rows.distinct(),
    "distinct(is_staff)": lambda rows: rows.order_by("is_staff", "pk").distinct("is_staff"),
    "distinct(first_name)": lambda rows: rows.order_by("-first_name", "pk").distinct("first_name"),
    "[:3]": lambda rows: in_one_order(rows)[:3],
    "[1:4]": lambda rows: in_one_order(rows)[1:4],
    "[2:]": lambda rows: in_one_order(rows)[2:],
}
STEPS = FILTERS | ORDERS | COLUMNS | SHAPES
VALUES: dict[str, Step] = {
    "values(pk)": lambda rows: rows.values("pk"),
    "values()": lambda rows: rows.values(),
    "values(username)": lambda rows: rows.values("username"),
    "values(pk).annotate()": lambda rows: rows.values("pk").annotate(sum=Count("groups")),
    "values_list(pk, flat)": lambda rows: rows.values_list("pk", flat=True),
    "values_list(first_name, id)": lambda rows: rows.values_list("first_name", "id"),
    "values_list(named)": lambda rows: rows.values_list("username", "id", named=True),
}
COMBINED: dict[str, Callable[[Rows, Rows], Rows]] = {
    "union": lambda one, other: one.union(other),
    "union(all)": lambda one, other: one.union(other, all=True),
    "intersection": lambda one, other: one.intersection(other),
    "difference": lambda one, other: one.difference(other),
}


def in_one_order(rows: Rows) -> Rows:
    """Leave nothing about a slice to the database's choice."""
    if rows.query.combinator or rows.query.distinct_fields:
        return rows.order_by(*rows.query.order_by, "id")
    return rows.order_by(*rows.query.order_by, "pk")


def steps_of(named: dict[str, Step], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(named)), max_size=most)


def taken(rows: Rows, names: Iterable[str]) -> Rows:
    for name in names:
        rows = (STEPS | VALUES)[name](rows)
    return rows


@st.composite
def query_plans(draw: st.DrawFn) -> Callable[[], Rows]:
    """Draw a way to make a QuerySet, which makes a fresh one each time."""
    model = draw(st.sampled_from([User, ProxyUser]))
    first, second = draw(steps_of(STEPS, 5)), draw(steps_of(STEPS, 2))
    combine = draw(st.sampled_from([None, *COMBINED]))
    late = draw(steps_of(ORDERS | SHAPES, 2)) if combine else []
    values = draw(steps_of(VALUES, 1))
    note(f"{model.__name__} {first} {combine} {second if combine else ''} {late} {values}")

    def make() -> Rows:
        rows = taken(model.objects.all(), first)
        if combine:
            rows = COMBINED[combine](rows, taken(model.objects.all(), second))
        return taken(rows, [*late, *values])

    return make


@pytest.fixture
def users(db: None) -> list[User]:
    """Store users who share some names and some groups."""
    names = ["Ada", "Bea", "ada", "Cleo"]
    for number in range(9):
        User.objects.create(
            username=f"user-{number * 7 % 9}",
            first_name=names[number % 3],
            last_name=names[number % 4],
            is_staff=number % 2 == 0,
        )
    everybody = list(User.objects.order_by("pk"))
    for number, name in enumerate(["one", "two", "three"]):
        Group.objects.create(name=name).user_set.set(everybody[number : number + 5])
    return everybody


def key_of(row: Any, keys: dict[str, int]) -> int:
    """Return the key of the user in a row, whatever form it has."""
    if isinstance(row, User):
        return row.pk
    if isinstance(row, dict):
        return row.get("pk") or row.get("id") or keys[row["username"]]
    key: int = row[1] if isinstance(row, tuple) else row
    return key


def has_users(rows: Rows) -> bool:
    """Tell whether each row is one user: values without a key may be shared."""
    query, named = rows.query, getattr(rows, "_fields", None)
    if not named or {"pk", "id"}.intersection(named):
        return True
    return not (query.combinator or query.group_by or (query.distinct and query.is_sliced))


def test_random_querysets_have_their_users_once(users: list[User]) -> None:
    keys = {user.username: user.pk for user in users}

    @budget(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(make=query_plans(), size=st.integers(1, 4))
    def compare(make: Callable[[], Rows], size: int) -> None:
        try:
            with transaction.atomic():
                expected = {key_of(row, keys) for row in make()}
        except Exception:
            assume(False)  # it is no QuerySet that Django can read from this database
        # The columns of a union are taken by their place, so extra ones can stand for the key.
        assume(expected <= set(keys.values()))
        if not has_users(make()):
            with pytest.raises(TypeError, match="values without 'id'"):
                list(batches(make(), size))
            return
        found = list(batches(make(), size))
        assert [pk for batch in found for pk in batch] == sorted(expected)
        assert all(len(batch) == size for batch in found[:-1])

    compare()
