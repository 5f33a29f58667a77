"""Documents whose figures are filled in between `<!-- name -->` and `<!-- /name -->`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Say = Callable[[float], str]


def fill(path: Path, parts: Mapping[str, str]) -> None:
    """Write new text between the markers of a document."""
    path.write_text(filled(path.read_text(), parts))


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Return a document with new text between its markers."""
    for name, part in parts.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{start}{part}\n{end}{after}"
    return text


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown whose first row is its head."""
    head, *body = rows
    lines = [head, ["---", *("--:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Return a figure with its significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 or value == 0 else f"{value:.2g}"


def whole(value: float) -> str:
    """Return a figure as a whole number."""
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Return a figure with two or three digits, and no zeros at its end."""
    return number(value) if value >= 10 else f"{value:.2g}"
