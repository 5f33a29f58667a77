"""Splits long sequences: a database limits the number of values in one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunks(sequence: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the sequence in parts of at most `size` members, in order."""
    return (sequence[at : at + size] for at in range(0, len(sequence), size))
