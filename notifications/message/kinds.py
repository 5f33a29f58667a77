"""Kinds: the registered types of notification, such as `order.shipped`, that users can mute.

An app registers its kinds in `notification_kinds.py`, which is imported automatically.
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
    """The importance of a notification, which sets its colour, icon and time on screen."""

    INFO = "info", _("Info")
    SUCCESS = "success", _("Success")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")

    @classmethod
    def checked(cls, value: object) -> str:
        """Return the level's name; raise `ValueError` with the legal levels for another value."""
        text = plain(value) if isinstance(value, (str, Promise)) else value
        if text not in cls.values:
            raise ValueError(f"Unknown level {value!r}; the levels are {', '.join(cls.values)}.")
        return cls(text).value


KIND_MAX_CHARS = 100

Label = str | Promise


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A registered kind; `register_kind()` explains the fields."""

    name: str
    label: Label
    group: Label = ""
    level: str = Level.INFO.value
    critical: bool = False
    title_template: str = ""
    body_template: str = ""

    def text(self, name: str, context: Mapping[str, Any]) -> str:
        """Render the template for "title" or "body" in the active language; "" without a template.

        Line breaks in a title become spaces.
        """
        template_name = self.title_template if name == "title" else self.body_template
        if not template_name:
            return ""
        template = get_template(template_name)
        if isinstance(template, Template):
            # The result is plain text, not HTML.
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
    """Register a kind and return it.

    The preferences page lists it as `label` under the heading `group`, both preferably lazy
    translations. `level` is the default of its payloads. A `critical` kind bypasses mutes and quiet
    hours. The templates are plain text, rendered in each recipient's language with the payload's
    `data` as their context; a payload's own title or body takes precedence.

    Raises `ValueError` for a name that is taken, empty or longer than 100 characters, and for an
    unknown level.
    """
    name = plain(name) if isinstance(name, str) else name
    if not isinstance(name, str) or not 0 < len(name) <= KIND_MAX_CHARS:
        raise ValueError(
            f"The name of a kind is {name!r}; it must be a string of 1 to {KIND_MAX_CHARS} "
            "characters, such as 'order.shipped'."
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
    # An equal registration is allowed: a module may be imported under two names.
    if _kinds.setdefault(name, made) != made:
        raise ValueError(f"The kind {name!r} is already registered, as {_kinds[name]}.")
    return made


def find(name: str) -> Kind | None:
    """Return the registered kind of this name, or None."""
    return _kinds.get(name)


def registered() -> list[Kind]:
    """Return all kinds, in order of registration."""
    return list(_kinds.values())


def is_critical(name: str) -> bool:
    """Tell whether this kind bypasses mutes and quiet hours; False for one not registered."""
    kind = _kinds.get(name)
    return kind is not None and kind.critical
