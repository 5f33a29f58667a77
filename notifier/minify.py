"""Minifies JavaScript modules."""

import re
from string import ascii_letters

from rjsmin import jsmin

# A private name where it is declared or used, not in a string.
PRIVATE_NAME = re.compile(r"([.;{}\n]|\b(?:async|get|set|static))#(\w+)")


def minify(source: str) -> str:
    """Return a module without comments and indents, and with short `#private` names.

    No other module can use these names, so descriptive ones cost nothing.
    """
    code: str = jsmin(source)
    names = dict.fromkeys(name for _, name in PRIVATE_NAME.findall(code))
    short = {name: f"{ascii_letters[at % 52]}{at // 52 or ''}" for at, name in enumerate(names)}
    return PRIVATE_NAME.sub(lambda found: f"{found[1]}#{short[found[2]]}", code)
