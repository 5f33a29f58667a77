"""Topics: live channels for a page or an object, open to whoever has their signed name.

A topic's messages are live only: nothing is stored and nothing is repeated after a reconnect.
"""

from __future__ import annotations

from django.core.signing import BadSignature, Signer

from ..conf import conf
from ..message.text import plain, refuse_unstorable

_SALT = "notifications.topic"
TOPIC_MAX_CHARS = 200


def sign_topic(topic: str) -> str:
    """Return the signed name that lets its holder subscribe; check first who may."""
    return _signer().sign(check_topic(topic))


def read_topic(signed: str) -> str | None:
    """Return the topic of a signed name, or None when the signature is not ours."""
    try:
        return _signer().unsign(signed)
    except (BadSignature, UnicodeEncodeError):  # no signed name has a lone surrogate
        return None


# A site that is known by its key is told apart by its signature as well; one that has a name may
# have the key of another.
def _signer() -> Signer:
    return Signer(salt=_SALT + (conf.SITE or ""))


def check_topic(topic: object) -> str:
    """Return a topic as plain text.

    Raises `ValueError` unless it is a name of 1 to 200 characters that can be encoded.
    """
    if not isinstance(topic, str) or not 0 < len(topic) <= TOPIC_MAX_CHARS:
        raise ValueError(f"topic is {topic!r}; it must be a string of 1 to {TOPIC_MAX_CHARS}.")
    refuse_unstorable("topic", topic)
    return plain(topic)
