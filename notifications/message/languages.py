"""What a payload says to each recipient, in the language that is theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import translation
from django.utils.functional import Promise

from ..conf import conf
from .payload import Fields, Payload
from .text import plain


def texts_for(payload: Payload, user_pks: Collection[Any]) -> dict[Any, Fields]:
    """Return the payload as model fields by user; users of one language share the same mapping.

    Who is asked is `NOTIFICATIONS_USER_LANGUAGE`, and only for texts that have languages. Raises
    `ValueError` where a text is too long or empty in one of them.
    """
    language_of = conf.USER_LANGUAGE
    if language_of is None or not payload.has_languages:
        return dict.fromkeys(user_pks, payload.as_fields())
    # Whoever is told has a language, also if the model's own manager hides them.
    users = get_user_model()._base_manager.in_bulk(user_pks)
    spoken = {pk: _spoken(language_of(user), user) for pk, user in users.items()}
    texts = {language: _in_language(payload, language) for language in set(spoken.values())}
    # Who was deleted meanwhile is refused by the database.
    return {pk: texts.get(spoken.get(pk, "")) or payload.as_fields() for pk in user_pks}


def in_groups(texts: Mapping[Any, Fields]) -> Iterator[tuple[Fields, list[Any]]]:
    """Iterate over the different texts, each with the users who share it."""
    groups: dict[int, list[Any]] = {}
    for user_pk, fields in texts.items():
        groups.setdefault(id(fields), []).append(user_pk)
    return ((texts[user_pks[0]], user_pks) for user_pks in groups.values())


def _spoken(language: object, user: object) -> str:
    if not language:
        return settings.LANGUAGE_CODE
    if isinstance(language, (str, Promise)):
        return plain(language)
    raise TypeError(
        f"NOTIFICATIONS_USER_LANGUAGE returned {language!r} for {user!r}; it must be the code of a "
        "language, such as 'de', or None."
    )


def _in_language(payload: Payload, language: str) -> Fields:
    with translation.override(language):
        try:
            return payload.as_fields()
        except ValueError as exc:
            exc.add_note(f"This is the text in the language {language!r}.")
            raise
