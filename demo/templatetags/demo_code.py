"""`{% code %}…{% endcode %}`: highlights a few lines of Python."""

from __future__ import annotations

import re

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_PIECES = re.compile(
    r"""
    (?P<string>f?"[^"]*")
    | (?P<comment>\#.*)
    | (?P<keyword>\b(?:from|import|def|return|True)\b|@\w+)
    | (?P<call>\bnotify\b)
    | (?P<plain>\w+|[^\w"#@]+|.)
    """,
    re.VERBOSE,
)


@register.simple_block_tag(name="code", end_name="endcode")
def code(content: str) -> SafeString:
    """Return source text as HTML, with strings, comments, keywords and calls of notify() marked."""
    pieces = format_html_join(
        "", "{}", ((_piece(each),) for each in _PIECES.finditer(content.strip()))
    )
    return format_html('<pre class="code" tabindex="0"><code>{}</code></pre>', pieces)


def _piece(match: re.Match[str]) -> SafeString:
    if match.lastgroup == "plain":
        return escape(match[0])
    return format_html('<span class="code-{}">{}</span>', match.lastgroup, match[0])
