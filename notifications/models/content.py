"""The columns of a payload and its expiry, shared by notifications and broadcasts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..message.kinds import KIND_MAX_CHARS, Level
from ..message.payload import BODY_MAX_CHARS, TITLE_MAX_CHARS, URL_MAX_CHARS


class Content(models.Model):
    """The abstract base of a model that stores a payload."""

    kind = models.CharField(_("kind"), max_length=KIND_MAX_CHARS, blank=True)
    level = models.CharField(_("level"), max_length=10, choices=Level, default=Level.INFO)
    title = models.CharField(_("title"), max_length=TITLE_MAX_CHARS)
    body = models.TextField(_("text"), max_length=BODY_MAX_CHARS, blank=True)
    url = models.CharField(_("link"), max_length=URL_MAX_CHARS, blank=True)
    data = models.JSONField(_("data"), default=dict, blank=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title
