"""Pieces of a body are counted by the lines before them, however the bytes are cut."""

import pytest

from notifications.wire.chunk_meter import PIECE_BYTES_LEAST, SHORT_PIECES_MAX, ChunkMeter

MANY = 10 * SHORT_PIECES_MAX
TOO_SHORT = {
    "of a byte": b"1\r\na\r\n",
    "with a number of many digits": b"0001\r\na\r\n",
    "with an extension": b"1;a\r\na\r\n",
    "that end in a bare line feed": b"1\na\n\n",
    "that are trailers": b"a:b\r\n",
    "that are nothing": b"\r\n",
}


def piece(payload: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload)


@pytest.mark.parametrize("name", TOO_SHORT)
def test_many_short_pieces_are_not_admitted(name: str) -> None:
    assert not ChunkMeter().admits(TOO_SHORT[name] * MANY)


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 1000])
def test_short_pieces_are_counted_wherever_they_are_cut(cut: int) -> None:
    meter, body = ChunkMeter(), TOO_SHORT["of a byte"] * MANY

    assert not all(meter.admits(body[at : at + cut]) for at in range(0, len(body), cut))


def test_some_short_pieces_are_fine() -> None:
    assert ChunkMeter().admits(piece(b"x") * SHORT_PIECES_MAX)


@pytest.mark.parametrize("size", [PIECE_BYTES_LEAST, 1000, 16 * 1024])
@pytest.mark.parametrize("cut", [1, 7, 1000, 2**20])
def test_a_body_in_pieces_of_some_length_may_be_of_any(size: int, cut: int) -> None:
    meter, body = ChunkMeter(), piece(b"\n" * size) * 300

    assert all(meter.admits(body[at : at + cut]) for at in range(0, len(body), cut))
