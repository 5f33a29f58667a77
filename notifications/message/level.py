"""How much something matters."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .text import plain


class Level(TextChoices):
    """How much a notification matters: its colour, its icon, how long its toast stays."""

    INFO = "info", _("Info")
    SUCCESS = "success", _("Success")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")

    @classmethod
    def checked(cls, value: object) -> str:
        """Return a level's name; raise `ValueError` with the legal ones for anything else."""
        text = plain(value) if isinstance(value, (str, Promise)) else value
        if text not in cls.values:
            raise ValueError(f"Unknown level {value!r}; the levels are {', '.join(cls.values)}.")
        return cls(text).value
