"""Chunks: a long sequence in parts."""

from collections.abc import Sequence

import pytest

from notifications.message.chunks import chunks


@pytest.mark.parametrize(
    ("size", "parts"),
    [(2, [[1, 2], [3, 4], [5]]), (5, [[1, 2, 3, 4, 5]]), (9, [[1, 2, 3, 4, 5]])],
)
def test_each_part_is_full_but_the_last(size: int, parts: list[Sequence[int]]) -> None:
    assert list(chunks([1, 2, 3, 4, 5], size)) == parts


def test_nothing_has_no_parts() -> None:
    assert list(chunks([], 2)) == []
