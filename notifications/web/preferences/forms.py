"""The forms of the preferences page."""

from __future__ import annotations

from datetime import time, timedelta
from functools import cache
from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ...actions.preferences import QuietHours
from ...models import GROUP_KEY_MAX_CHARS

# Regions of the IANA database; all other names are old, or zones in which nobody lives.
REGIONS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)
SPANS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "ever": None,
}


class ThreadForm(forms.Form):
    """The form that mutes a thread for some time."""

    thread = forms.CharField(max_length=GROUP_KEY_MAX_CHARS, strip=False)
    span = forms.ChoiceField(
        choices=[
            ("hour", _("For an hour")),
            ("day", _("For a day")),
            ("week", _("For a week")),
            ("ever", _("For good")),
        ]
    )


class QuietHoursForm(forms.Form):
    """The form that sets the quiet hours: a part of the day in a time zone."""

    starts = forms.TimeField(
        label=_("From"),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"required": _("Choose when they begin.")},
    )
    ends = forms.TimeField(
        label=_("Until"),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"required": _("Choose when they end.")},
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        error_messages={
            "required": _("Choose a time zone."),
            "invalid_choice": _("There is no time zone “%(value)s”."),
        },
    )

    def __init__(self, sent: QueryDict | None = None, *, hours: QuietHours | None) -> None:
        """Start with the user's hours, or else with a suggestion in the site's time zone."""
        zone = hours.time_zone if hours else timezone.get_default_timezone_name()
        initial = {
            "starts": hours.starts if hours else time(22),
            "ends": hours.ends if hours else time(7),
            "time_zone": zone,
        }
        super().__init__(sent, initial=initial)
        known = {name for _, zones in _places() for name, _ in zones}
        others = [(name, name) for name in sorted({"UTC", zone} - known)]
        self.fields["time_zone"].choices = [*others, *_places()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "starts" in cleaned and cleaned["starts"] == cleaned.get("ends"):
            self.add_error("ends", _("Choose a time other than the one they begin at."))
        return cleaned


@cache
def _places() -> list[tuple[str, list[tuple[str, str]]]]:
    zones = sorted(zone for zone in available_timezones() if _region(zone) in REGIONS)
    return [
        (region, [(zone, zone.partition("/")[2].replace("_", " ")) for zone in found])
        for region, found in groupby(zones, key=_region)
    ]


def _region(zone: str) -> str:
    return zone.partition("/")[0]
