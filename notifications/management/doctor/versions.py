"""Lists the installed versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from .findings import Finding, well
from .patient import Patient

PACKAGES = ("Django", "channels", "channels-redis", "redis", "daphne", "uvicorn", "websockets")


def look_at_versions(patient: Patient) -> Finding:
    """List the installed versions; leave out packages that are not installed."""
    versions = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return well(", ".join(f"{name} {number}" for name, number in versions.items()), **versions)
