"""What a payload says to each recipient, in the language that is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.functional import Promise

from ..conf import conf
from .payload import Fields, Payload
from .text import plain

Rendered = tuple[Fields, Sequence[Any]]
"""A payload as model fields, and the primary keys of the users who get it so."""


def texts_for(payload: Payload, user_pks: Sequence[Any]) -> list[Rendered]:
    """Return the payload in each of the users' languages.

    Who is asked is `NOTIFICATIONS_USER_LANGUAGE`, and only for texts that have languages. Raises
    `ValueError` where a text is too long or empty in one of them.
    """
    language_of = conf.USER_LANGUAGE
    if language_of is None or not payload.has_languages:
        return [(payload.as_fields(), user_pks)]
    # Whoever is told has a language, also if the model's own manager hides them.
    users = get_user_model()._base_manager.in_bulk(user_pks)
    readers: dict[str | None, list[Any]] = {}
    for pk in user_pks:
        user = users.get(pk)
        # A user who was deleted meanwhile is refused by the database.
        language = language_of(user) or settings.LANGUAGE_CODE if user else None
        if not isinstance(language, (str, Promise, NoneType)):
            raise TypeError(
                f"NOTIFICATIONS_USER_LANGUAGE returned {language!r} for {user!r}; it must be the "
                "code of a language, such as 'de', or None."
            )
        readers.setdefault(plain(language) if language else None, []).append(pk)
    return [(payload.as_fields(language), pks) for language, pks in readers.items()]
