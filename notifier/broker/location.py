"""Names the socket of the embedded broker."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

# The shortest `sun_path` among the systems in use is macOS's: 104 bytes with the closing NUL.
PATH_MAX_BYTES = 103


def socket_path(directory: Path) -> Path:
    """Return the socket's path in `directory`, or a path in /tmp if that would be too long.

    The latter depends only on `directory` and the user, so every process finds the same.
    """
    path = directory / "broker.sock"
    if len(os.fsencode(path)) <= PATH_MAX_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    # Not in TMPDIR, which may differ between terminals. attach() refuses another user's directory.
    return Path("/tmp") / f"notifier-{os.getuid()}-{digest}" / "broker.sock"  # noqa: S108


def socket_url(path: Path) -> str:
    """Return the `REDIS_URL` of a socket."""
    return f"unix://{quote(str(path))}"
