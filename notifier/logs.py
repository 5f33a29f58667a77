"""Filters for the project's log records."""

import logging


def in_one_line(record: logging.LogRecord) -> bool:
    """Replace the traceback of a record by the exception's text; a filter that keeps all records.

    It is for errors that each request logs while Redis is away.
    """
    if record.exc_info:
        record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]}", ()
        record.exc_info = None
    return True
