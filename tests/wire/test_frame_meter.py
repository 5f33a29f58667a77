"""Frames are counted by their heads, however the bytes are cut; whole messages are not counted."""

import pytest

from notifications.wire.frame_meter import FrameMeter
from notifications.wire.protocol import UNHEARD_AT_ONCE
from tests.support.by_hand import BINARY, CLOSE, PING, PONG, TEXT, wire

pytestmark = pytest.mark.one_database

UNHEARD = {
    "pings": wire("", PING),
    "pings with a payload": wire("p" * 125, PING),
    "pongs": wire("", PONG),
    "goodbyes": wire("", CLOSE),
    "first pieces": wire("", TEXT, is_last=False),
    "pieces of a byte": wire("x", 0, is_last=False),
    "last pieces": wire("", 0),
    "long pieces": wire("x" * 70_000, BINARY, is_last=False),
    "unmasked pings": wire("", PING, is_masked=False),
}


@pytest.mark.parametrize("name", UNHEARD)
def test_what_no_application_hears_is_limited(name: str) -> None:
    meter = FrameMeter()

    assert meter.admits(UNHEARD[name] * UNHEARD_AT_ONCE)
    assert not meter.admits(UNHEARD[name] * (UNHEARD_AT_ONCE // 2))


@pytest.mark.parametrize("name", UNHEARD)
def test_one_too_many_is_found_at_once(name: str) -> None:
    assert not FrameMeter().admits(UNHEARD[name] * (2 * UNHEARD_AT_ONCE))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_whole_messages_are_not_limited(size: int, opcode: int) -> None:
    meter = FrameMeter()
    message = wire(bytes(size), opcode)

    assert all(meter.admits(message) for _ in range(2 * UNHEARD_AT_ONCE))


def test_what_follows_on_a_goodbye_is_limited_whatever_it_is() -> None:
    assert not FrameMeter().admits(wire("") * (2 * UNHEARD_AT_ONCE), is_heard=False)


def test_what_looks_like_frames_within_a_message_is_none() -> None:
    meter = FrameMeter()

    assert meter.admits(wire(wire("", PING) * 5_000, BINARY))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 1000])
def test_bytes_may_be_cut_anywhere(step: int) -> None:
    stream = b"".join(
        [
            *(wire("x" * size) for size in (0, 1, 125, 126, 300)),
            wire(bytes(65_536), BINARY),
            wire("now", PING),
        ]
    )
    meter, left = FrameMeter(), UNHEARD_AT_ONCE
    for start in range(0, len(stream), step):
        assert meter.admits(stream[start : start + step])

    left -= 1  # the one ping
    assert meter.admits(wire("", PING) * (left - 1))
    assert not meter.admits(wire("", PING) * 100)
