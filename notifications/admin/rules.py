"""The conditions on which a broadcast may be sent, with messages for its author."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from ..message.audience import Audience
from ..message.recipients import is_anybody_in
from ..models import Broadcast, State


def wrong_dates(starts: datetime | None, expires: datetime | None) -> dict[str, str]:
    """Return error texts about the dates by field name; {} if they are right."""
    now = timezone.now()
    wrong = {}
    if starts and starts <= now:
        wrong["starts"] = _("This time has passed. Choose a later one.")
    if expires and expires <= now:
        wrong["expires"] = _("This time has passed. Choose a later one.")
    elif starts and expires and expires <= starts:
        wrong["expires"] = _("It would end before it goes out. Choose a later time.")
    return wrong


def wrong_audience(audience: str, groups: Iterable[Any]) -> dict[str, str]:
    """Return an error text about the audience by field name; {} if it is right."""
    pks = list(groups)
    if audience == Audience.GROUPS and not pks:
        return {"groups": _("Choose at least one group.")}
    try:
        if is_anybody_in(audience, pks):
            return {}
    except ValueError:  # the user model has no groups, or `is_staff` is not a field
        pass
    if audience == Audience.GROUPS:
        return {"groups": _("Nobody is in these groups.")}
    return {"audience": _("Nobody is in this audience.")}


def obstacle(broadcast: Broadcast) -> str:
    """Return the reason why a stored broadcast cannot be sent now, or ""."""
    if broadcast.state != State.DRAFT:
        return _("It has been sent already. Nothing was sent again.")
    wrong = wrong_dates(broadcast.starts, broadcast.expires)
    wrong |= wrong_audience(broadcast.audience, broadcast.group_pks())
    names = {name: broadcast._meta.get_field(name).verbose_name for name in wrong}  # type: ignore[union-attr]
    return " ".join(f"{str(names[name]).capitalize()}: {text}" for name, text in wrong.items())


def fingerprint(broadcast: Broadcast) -> str:
    """Return a digest of a draft's fields, by which a change after the review is recognized."""
    fields = ("title", "body", "level", "url", "audience", "starts", "expires")
    values = [str(getattr(broadcast, name)) for name in fields]
    return hashlib.sha256(repr((values, sorted(broadcast.group_pks()))).encode()).hexdigest()[:16]
