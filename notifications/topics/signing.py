"""Signs the names of topics: live channels for a page or an object.

Any logged-in user with a signed name can subscribe. Messages are neither stored nor repeated after
a reconnect.
"""

from __future__ import annotations

from django.core.signing import BadSignature, Signer

from ..conf import conf
from ..message.text import plain, refuse_unstorable

_SALT = "notifications.topic"
TOPIC_MAX_CHARS = 200


def sign_topic(topic: str) -> str:
    """Return the signed name that lets its holder subscribe; check the user's permission first.

    Raises `ValueError` as `check_topic()` does.
    """
    return _signer().sign(check_topic(topic))


def read_topic(signed: str) -> str | None:
    """Return the topic of a signed name, or None if the signature is wrong."""
    try:
        return _signer().unsign(signed)
    except (BadSignature, UnicodeEncodeError):  # the latter for a lone surrogate
        return None


# Sites with NOTIFICATIONS_SITE may share a secret key, and their signatures must differ.
def _signer() -> Signer:
    return Signer(salt=_SALT + (conf.SITE or ""))


def check_topic(topic: object) -> str:
    """Return a topic as plain text.

    Raises `ValueError` unless it is a name of 1 to 200 characters that can be encoded.
    """
    if not isinstance(topic, str) or not 0 < len(topic) <= TOPIC_MAX_CHARS:
        raise ValueError(
            f"topic is {topic!r}; it must be a string of 1 to {TOPIC_MAX_CHARS} characters."
        )
    refuse_unstorable("topic", topic)
    return plain(topic)
