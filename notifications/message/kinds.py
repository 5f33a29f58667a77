"""Kinds: what an app can tell, by names such as `order.shipped`, as its users know and mute it.

An app declares them in its `notification_kinds.py`, which is found by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import TextChoices
from django.template import Context
from django.template.backends.django import Template
from django.template.loader import get_template
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


KIND_MAX_CHARS = 100

Label = str | Promise


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One registered kind; `register_kind()` says what the fields are."""

    name: str
    label: Label
    group: Label = ""
    level: str = Level.INFO.value
    critical: bool = False
    title_template: str = ""
    body_template: str = ""

    def text(self, name: str, context: Mapping[str, Any]) -> str:
        """Return the "title" or the "body" in the active language; empty without a template.

        A title is one line.
        """
        template_name = self.title_template if name == "title" else self.body_template
        if not template_name:
            return ""
        template = get_template(template_name)
        if isinstance(template, Template):
            # It is text, and the browser shows it as text.
            text: str = template.template.render(Context(dict(context), autoescape=False))
        else:
            text = template.render(dict(context))
        return " ".join(text.split()) if name == "title" else text.strip()


_kinds: dict[str, Kind] = {}


def register_kind(
    name: str,
    *,
    label: Label,
    group: Label = "",
    level: str = Level.INFO.value,
    critical: bool = False,
    title_template: str = "",
    body_template: str = "",
) -> Kind:
    """Register a kind, and return it.

    `label` and `group` are what the preferences page calls it and lists it under, best as lazy
    translations. `level` is that of payloads which name none. A `critical` kind passes mutes and
    quiet hours. The templates are plain text, rendered in each recipient's language with the
    payload's `data` as their context; a payload's own title or body goes before.

    Raises `ValueError` for a name that is taken, empty or longer than 100 characters, and for a
    level that there is none of.
    """
    name = plain(name) if isinstance(name, str) else name
    if not isinstance(name, str) or not 0 < len(name) <= KIND_MAX_CHARS:
        raise ValueError(
            f"A kind is named {name!r}; it must be a string of 1 to {KIND_MAX_CHARS} characters, "
            "such as 'order.shipped'."
        )
    made = Kind(
        name=name,
        label=label,
        group=group,
        level=Level.checked(level),
        critical=critical,
        title_template=title_template,
        body_template=body_template,
    )
    # The same again is the same module imported under two names.
    if _kinds.setdefault(name, made) != made:
        raise ValueError(f"The kind {name!r} is registered already, as {_kinds[name]}.")
    return made


def find(name: str) -> Kind | None:
    """Return a registered kind."""
    return _kinds.get(name)


def registered() -> list[Kind]:
    """Return all kinds, in the order of their registration."""
    return list(_kinds.values())


def is_critical(name: str) -> bool:
    """Tell whether this is a kind that cannot be muted."""
    found = _kinds.get(name)
    return found is not None and found.critical
