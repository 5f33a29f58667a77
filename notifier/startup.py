"""Prepares every process that serves, whatever command started it.

It refuses a configuration that cannot work or is open to everybody, and says what to do.
"""

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from channels.exceptions import InvalidChannelLayerError
from channels.layers import get_channel_layer
from django.conf import settings
from django.core import checks
from django.core.checks.security.base import check_secret_key, check_secret_key_fallbacks
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from notifier import broker
from notifier.broker.address import complaint, refuse_address
from notifier.environment import DEVELOPMENT_FILE
from notifier.private_files import is_open_to_others

CONNECT_SECONDS = 5

logger = logging.getLogger(__name__)


def prepare_to_serve() -> None:
    """Refuse an unsafe or broken configuration, then start the embedded broker or attach to it."""
    refuse_configuration()
    # A server imports its application inside its event loop, where Django's ORM raises.
    with ThreadPoolExecutor(max_workers=1) as outside_of_the_loop:
        missing = outside_of_the_loop.submit(missing_migrations).result()
    if missing:
        raise ImproperlyConfigured(
            f"The database lacks {missing} migrations. Run: {sys.executable} manage.py migrate"
        )
    if settings.BROKER_SOCKET is None and (reason := complaint(settings.REDIS_URL)):
        logger.warning(
            "Redis does not answer: %s. Start it, or correct REDIS_URL. Until then notifications "
            "arrive late.",
            reason,
        )
    broker.attach()
    if settings.IS_DEVELOPMENT_FILE_READ:
        logger.warning(
            "This process serves for development, because %s says so. DEBUG=0 in the environment "
            "overrides it.",
            settings.VAR_DIR / DEVELOPMENT_FILE,
        )
    if not settings.DEBUG and not Path(settings.STATIC_ROOT).is_dir():
        logger.warning(
            "Static files are not collected, so pages will fail. Run: %s manage.py collectstatic",
            sys.executable,
        )
    warn_of_weak_key()
    if settings.VAR_DIR.exists() and is_open_to_others(settings.VAR_DIR):
        logger.warning(
            "Every account on this machine can look into %s. Run: chmod o-rwx %s",
            settings.VAR_DIR,
            settings.VAR_DIR,
        )


def refuse_configuration() -> None:
    """Raise `ImproperlyConfigured` for errors that are found without a database or a broker."""
    refuse_development_key()
    if settings.BROKER_SOCKET is None:
        refuse_address(settings.REDIS_URL)
    try:
        get_channel_layer()
    except (InvalidChannelLayerError, TypeError) as exc:
        raise ImproperlyConfigured(f"CHANNEL_LAYER cannot be used: {exc}") from exc
    for message in checks.run_checks():
        if message.is_serious():
            raise ImproperlyConfigured(f"{message.msg} {message.hint or ''}".strip())


def refuse_development_key() -> None:
    """Raise `ImproperlyConfigured` if a public key would sign sessions outside development."""
    if settings.DEBUG:
        return
    if settings.SECRET_KEY == settings.DEVELOPMENT_KEY:
        raise ImproperlyConfigured(
            "SECRET_KEY is the default key, which everybody knows, and DEBUG is off. "
            "Put a long random SECRET_KEY into the environment; DEBUG=1 is for development only."
        )
    if settings.DEVELOPMENT_KEY in settings.SECRET_KEY_FALLBACKS:
        raise ImproperlyConfigured(
            "SECRET_KEY_FALLBACKS has the default key, which everybody knows, and DEBUG is off. "
            "Remove that key."
        )


def warn_of_weak_key() -> None:
    """Log a warning if a key that signs sessions outside development could be guessed."""
    if not settings.DEBUG and (check_secret_key(None) or check_secret_key_fallbacks(None)):
        logger.warning(
            "SECRET_KEY, or one of SECRET_KEY_FALLBACKS, is short or not random: whoever guesses "
            "it can log in as anybody. Put a long random key into the environment."
        )


def missing_migrations() -> int:
    """Return the number of missing migrations.

    Raises `ImproperlyConfigured` if the database does not answer or is read-only.
    """
    database = connections[DEFAULT_DB_ALIAS].copy()
    # A pool has threads, which a server that forks later would lose.
    if database.settings_dict["OPTIONS"].pop("pool", None):
        database.settings_dict["OPTIONS"].setdefault("connect_timeout", CONNECT_SECONDS)
    try:
        refuse_read_only(database)
        executor = MigrationExecutor(database)
        return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except (Error, OSError) as exc:
        reason = str(exc).strip().partition("\n")[0].rstrip(".")
        raise ImproperlyConfigured(
            f"The database does not answer: {reason}. Start it, or correct DATABASE_URL."
        ) from exc
    finally:
        database.close()


def refuse_read_only(database: BaseDatabaseWrapper) -> None:
    """Raise `ImproperlyConfigured` for a read-only database: nobody could log in."""
    name = database.settings_dict["NAME"]
    if database.vendor == "postgresql":
        with database.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            is_read_only = cursor.fetchone() == ("on",)
    else:
        is_read_only = os.path.isfile(name) and not os.access(name, os.W_OK)
    if is_read_only:
        raise ImproperlyConfigured(
            f"The database {name} is read-only. Let this account write to it, or correct "
            "DATABASE_URL."
        )
