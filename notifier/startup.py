"""What every process that serves does first."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from notifier import broker


def prepare_to_serve() -> None:
    """Refuse an unsafe configuration, then start the embedded broker or attach to it."""
    refuse_development_key()
    broker.attach()


def refuse_development_key() -> None:
    """Raise `ImproperlyConfigured` where a public key would sign sessions outside development."""
    if settings.SECRET_KEY == settings.DEVELOPMENT_KEY and not settings.DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is the default one, which everybody knows, and DEBUG is off. "
            "Put a long random SECRET_KEY into the environment; DEBUG=1 is for development only."
        )
