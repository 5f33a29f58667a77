"""Times on the app's pages, which a script converts to the reader's time zone."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..message.times import local
from ..wire.items import timestamp

register = template.Library()


@register.simple_tag
def moment(moment: datetime, style: str, css_class: str = "") -> SafeString:
    """Return a `<time>` in one of Django's formats; times.js converts it to the reader's zone."""
    in_zone = local(moment)
    return format_html(
        '<time class="{}" datetime="{}" title="{}" data-shown="{}">{}</time>',
        css_class,
        timestamp(moment),
        date_format(in_zone, "DATETIME_FORMAT"),
        "time" if style == "TIME_FORMAT" else "moment",
        date_format(in_zone, style),
    )
