"""Reads rows from the database to which they are written, whatever the router says about reading.

A replica lags behind: a change that is decided on what it has would be decided wrongly.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import models, router

M = TypeVar("M", bound=models.Model)


class PrimaryQuerySet(models.QuerySet[M]):
    """A QuerySet that reads where it writes, unless `using()` names a database."""

    @property
    def db(self) -> str:
        """The alias of the database."""
        chosen: str | None = self._db  # type: ignore[attr-defined]
        return chosen or router.db_for_write(self.model, **self._hints)  # type: ignore[attr-defined]
