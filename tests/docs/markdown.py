"""Reads the code blocks out of the documentation, so that tests follow what readers follow."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r'^```([\w+]+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"(?:#|\{#|<!--) ([\w-][\w./-]*\.\w+)\b")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, the file that its `title` names, if any, and its text."""

    language: str
    title: str
    text: str

    @property
    def file(self) -> str:
        """The file whose text this is, by its title or the comment in its first line; or empty."""
        named = _NAMED.match(self.text)
        return self.title or (named[1] if named else "")


def blocks(document: Path, language: str | None = None) -> Iterator[Block]:
    """Yield the fenced blocks of a document in their order, perhaps only those in a language."""
    for each in _BLOCK.finditer(document.read_text()):
        if language in (None, each[1]):
            yield Block(language=each[1], title=each[2] or "", text=each[3])


def commands(document: Path, start: str) -> list[str]:
    """Return the lines for a terminal that start like this."""
    lines = "".join(block.text for block in blocks(document, "sh")).splitlines()
    return [line for line in lines if line.startswith(start)]
