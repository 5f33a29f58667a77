"""Keys for a cache that several sites may share."""

from __future__ import annotations

from notifications.wire.groups import site_name


def key_of_site(key: str, key_prefix: str, version: int) -> str:
    """Return a key as Django makes it, prefixed with the name of the site."""
    return f"{site_name()}{key_prefix}:{version}:{key}"
