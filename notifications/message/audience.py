"""Audiences of broadcasts."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Audience(TextChoices):
    """The audience of a broadcast. The members of groups are looked up at each reading."""

    EVERYONE = "everyone", _("Everyone")
    STAFF = "staff", _("Staff")
    GROUPS = "groups", _("Groups")
