"""Long sequences in parts: for databases, which take so many values in a statement and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunks(sequence: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Iterate over parts of at most `size` members, in their order."""
    return (sequence[at : at + size] for at in range(0, len(sequence), size))
