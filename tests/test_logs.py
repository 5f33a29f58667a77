"""What strangers can cause is a line a minute in the log, and after that a number."""

import logging
import re
from collections.abc import Iterator

import pytest

from notifications.logs import OncePerMinute
from tests.support.waiting import wait_for

pytestmark = pytest.mark.one_database

MINUTE_SECONDS = 0.2
LONG_SECONDS = 3600.0


class Kept(logging.Handler):
    """Keeps the lines that would be written."""

    def __init__(self, *filters: logging.Filter) -> None:
        super().__init__()
        self.lines: list[str] = []
        for each in filters:
            self.addFilter(each)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    logger = logging.getLogger(f"uvicorn.error.{request.node.name}")
    yield logger
    logger.handlers.clear()


def kept(logger: logging.Logger, *filters: logging.Filter) -> Kept:
    handler = Kept(*filters)
    logger.addHandler(handler)
    return handler


def fail(logger: logging.Logger, text: str) -> None:
    try:
        int(text)
    except ValueError:
        logger.exception("Failed for %s", text)


def fail_elsewhere(logger: logging.Logger, text: str) -> None:
    try:
        float(text)
    except ValueError:
        logger.exception("Failed for %s", text)


def told_of(lines: list[str]) -> int:
    """Return how many records lines speak of."""
    numbers = (re.search(r"\((\d+) more", line) for line in lines)
    return sum(int(number[1]) if number else 1 for number in numbers)


def test_of_a_flood_there_is_one_line_and_then_its_number(logger: logging.Logger) -> None:
    handler = kept(logger, OncePerMinute(seconds=MINUTE_SECONDS))

    for number in range(1000):
        logger.warning("Refused %s", number)

    assert handler.lines[0] == "Refused 0"
    wait_for(lambda: told_of(handler.lines) == 1000)
    assert "more of these within a minute)" in handler.lines[1]
    assert len(handler.lines) < 100  # a "minute" is short here, and the machine may be slow


def test_in_a_flood_that_goes_on_there_is_a_line_each_minute(logger: logging.Logger) -> None:
    handler = kept(logger, OncePerMinute(seconds=MINUTE_SECONDS))

    def four_lines() -> bool:
        logger.warning("Refused")
        return len(handler.lines) == 4

    wait_for(four_lines)
    assert handler.lines[0] == "Refused"
    assert all("more of these within a minute" in line for line in handler.lines[1:])


def test_after_a_quiet_minute_the_next_is_the_first_again(logger: logging.Logger) -> None:
    handler = kept(logger, OncePerMinute(seconds=0))

    for _ in range(3):
        logger.warning("Refused")

    assert handler.lines == ["Refused"] * 3


def test_each_kind_has_lines_of_its_own(logger: logging.Logger) -> None:
    handler = kept(logger, OncePerMinute(seconds=LONG_SECONDS))

    for number in range(10):
        logger.warning("One %s", number)
        logger.warning("Another %s", number)
        fail(logger, f"x{number}")
        fail_elsewhere(logger, f"x{number}")

    assert handler.lines == ["One 0", "Another 0", "Failed for x0", "Failed for x0"]


def test_several_handlers_write_the_same(logger: logging.Logger) -> None:
    shared = OncePerMinute(seconds=LONG_SECONDS)
    handlers = [kept(logger, shared), kept(logger, shared), kept(logger, OncePerMinute())]

    for number in range(10):
        logger.warning("Refused %s", number)

    assert [handler.lines for handler in handlers] == [["Refused 0"]] * 3


def test_what_is_no_warning_and_other_loggers_are_left_alone(logger: logging.Logger) -> None:
    once_per_minute = OncePerMinute(["uvicorn.error"], seconds=LONG_SECONDS)
    other = logging.getLogger("uvicorn.errors")
    logger.setLevel(logging.INFO)
    handler, others = kept(logger, once_per_minute), kept(other, once_per_minute)

    for number in range(3):
        logger.info("Accepted %s", number)
        other.warning("Warned %s", number)
    other.handlers.clear()

    assert handler.lines == ["Accepted 0", "Accepted 1", "Accepted 2"]
    assert others.lines == ["Warned 0", "Warned 1", "Warned 2"]
