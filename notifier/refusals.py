"""Ends a process whose configuration cannot work."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured

# gunicorn does not restart a worker that exits with this code; uvicorn exits with the same.
EXIT_CODE = 3


@contextmanager
def refusals_in_one_line() -> Iterator[None]:
    """End the process with one line that says what to do, instead of a traceback."""
    try:
        yield
    except ImproperlyConfigured as exc:
        sys.stderr.write(f"Refused: {' '.join(str(exc).split())}\n")
        raise SystemExit(EXIT_CODE) from exc
