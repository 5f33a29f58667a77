"""Assertions about notifications; their messages list what was sent instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..message.recipients import recipient_pk
from .capturing import SentNotification, open_captures


def assert_notified(
    user: Any,
    *,
    kind: str | None = None,
    title: str | None = None,
    body: str | None = None,
    level: str | None = None,
    url: str | None = None,
    data: Mapping[str, Any] | None = None,
    times: int | None = None,
    among: Iterable[SentNotification] | None = None,
) -> SentNotification:
    """Return the user's newest notification or broadcast with these fields; fail if there is none.

    A field that is None may have any value. With `times`, exactly that many must match. `among` is
    what was captured, by default in the innermost running block of `capture_notifications()`.
    """
    __tracebackhide__ = True
    wanted = _wanted(kind=kind, title=title, body=body, level=level, url=url, data=data)
    if times is not None and times < 1:
        raise ValueError(
            f"times is {times}; it must be at least 1. For none, use assert_not_notified()."
        )
    sent = _captured(among)
    matching = _matching(user, wanted, sent)
    if not matching or times not in (None, len(matching)):
        expected = "" if times is None else f" exactly {times} times, but {len(matching)}"
        of = _described(wanted)
        raise AssertionError(f"{user} was not notified of {of}{expected}. {_listed(sent)}")
    return matching[-1]


def assert_not_notified(
    user: Any,
    *,
    kind: str | None = None,
    title: str | None = None,
    body: str | None = None,
    level: str | None = None,
    url: str | None = None,
    data: Mapping[str, Any] | None = None,
    among: Iterable[SentNotification] | None = None,
) -> None:
    """Fail if the user was notified with these fields; without fields, if notified at all."""
    __tracebackhide__ = True
    wanted = _wanted(kind=kind, title=title, body=body, level=level, url=url, data=data)
    sent = _captured(among)
    if _matching(user, wanted, sent):
        raise AssertionError(f"{user} was notified of {_described(wanted)}. {_listed(sent)}")


def _wanted(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _captured(among: Iterable[SentNotification] | None) -> list[SentNotification]:
    if among is not None:
        return list(among)
    if not open_captures:
        raise RuntimeError(
            "Nothing is captured here. Use the fixture captured_notifications, call this inside "
            "`with capture_notifications() as sent:`, or pass among=sent after that block."
        )
    return list(open_captures[-1])


def _matching(
    user: Any, wanted: Mapping[str, Any], sent: Iterable[SentNotification]
) -> list[SentNotification]:
    recipient_pk(user)
    return [each for each in sent if each.says(wanted) and each.is_for(user)]


def _described(wanted: Mapping[str, Any]) -> str:
    if not wanted:
        return "anything"
    return ", ".join(f"{name}={value!r}" for name, value in wanted.items())


def _listed(sent: list[SentNotification]) -> str:
    if not sent:
        return "Nothing was sent."
    return "What was sent:" + "".join(f"\n  {each}" for each in sent)
