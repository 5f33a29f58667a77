"""Audiences of broadcasts."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Audience(TextChoices):
    """Says whom a broadcast is for; its groups are looked up when it is read."""

    EVERYONE = "everyone", _("Everyone")
    STAFF = "staff", _("Staff")
    GROUPS = "groups", _("Groups")
