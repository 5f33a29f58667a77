"""Filters of the project's log records."""

import logging


def in_one_line(record: logging.LogRecord) -> bool:
    """Put the exception's own words in the place of its traceback; a filter that keeps everything.

    For what is logged at each request while Redis is away, and looks the same each time.
    """
    if record.exc_info:
        record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]}", ()
        record.exc_info = None
    return True
