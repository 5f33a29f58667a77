"""Limits warnings that strangers can cause to one line a minute each.

LOGGING = {
    "filters": {"once_per_minute": {"()": "notifications.logs.OncePerMinute"}},
    "handlers": {"console": {…, "filters": ["once_per_minute"]}},
    …
}
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import Lock, Timer
from time import monotonic, time

SECONDS = 60.0

# These loggers warn about requests, handshakes and frames, which anybody can send.
LOGGERS = (
    "asyncio",
    "daphne",
    "django.request",
    "django.security",
    "notifications.realtime.consumer",
    "notifications.realtime.conversation",
    "notifications.wire.server_limits",
    "notifications.realtime.origins",
    "notifications.realtime.unknown_paths",
    "twisted",
    "uvicorn.error",
    "websockets",
)

# The attribute for the result of a record: a logger and several handlers may filter it.
_VERDICT = "is_first_in_a_minute"

Kind = tuple[object, ...]


class OncePerMinute(logging.Filter):
    """A filter that passes one warning of a kind per minute, and then logs how many more came.

    Warnings are of one kind if the same line of code logged them, for exceptions from the same line
    of code. Records of other loggers, and those below a warning, always pass.
    """

    def __init__(self, loggers: Iterable[str] = LOGGERS, seconds: float = SECONDS) -> None:
        super().__init__()
        self._loggers = tuple(f"{name}." for name in loggers)
        self._seconds = seconds
        self._lock = Lock()
        self._ends: dict[Kind, float] = {}
        self._left_out: dict[Kind, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is the first of its kind in this minute."""
        if record.levelno < logging.WARNING or not f"{record.name}.".startswith(self._loggers):
            return True
        if hasattr(record, _VERDICT):
            return bool(getattr(record, _VERDICT))
        kind, now = _kind(record), monotonic()
        with self._lock:
            ends = self._ends.get(kind, now)
            is_first = ends <= now and kind not in self._left_out
            setattr(record, _VERDICT, is_first)
            if is_first:
                self._ends[kind] = now + self._seconds
                return True
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            if self._left_out[kind] == 1:  # most warnings come alone and need no timer
                # Without the exception, whose frames would stay in memory for a minute.
                changes: dict[str, object] = {"args": (), "exc_info": None, "exc_text": None}
                changes |= {_VERDICT: True, "msg": record.getMessage().rstrip()}
                summary = logging.makeLogRecord(vars(record) | changes)
                timer = Timer(ends - now, self._tell, (kind, summary))
                timer.daemon = True
                timer.start()
            return False

    def _tell(self, kind: Kind, summary: logging.LogRecord) -> None:
        with self._lock:
            left_out = self._left_out.pop(kind)
            self._ends[kind] = monotonic() + self._seconds
        summary.msg += f" ({left_out} more of these within a minute)"
        summary.created = time()
        logging.getLogger(summary.name).handle(summary)


def _kind(record: logging.LogRecord) -> Kind:
    kind: Kind = (record.name, record.levelno, record.pathname, record.lineno)
    if not record.exc_info:
        return kind
    error, _, traceback = record.exc_info
    if traceback is None:
        return (*kind, error)
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return (*kind, error, traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
