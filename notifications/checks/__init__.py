"""System checks: `manage.py check` reports wrong configuration and how to correct it.

docs/checks.md lists them. The id of a removed check is not used again.
"""

from .layer import check_channel_layer, check_core_layer, check_memory_layer
from .rows import check_kinds, check_sqlite_transactions
from .site import (
    check_addresses,
    check_connections,
    check_cookie_sessions,
    check_reachable,
    check_session_cache,
    check_session_path,
    check_templates,
)
from .socket import check_socket
from .values import check_names, check_settings

__all__ = [
    "check_addresses",
    "check_channel_layer",
    "check_connections",
    "check_cookie_sessions",
    "check_core_layer",
    "check_kinds",
    "check_memory_layer",
    "check_names",
    "check_reachable",
    "check_session_cache",
    "check_session_path",
    "check_settings",
    "check_socket",
    "check_sqlite_transactions",
    "check_templates",
]
