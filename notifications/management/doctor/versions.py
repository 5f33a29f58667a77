"""Names the versions that are installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from .findings import Finding, well
from .patient import Patient

PACKAGES = ("Django", "channels", "channels-redis", "redis", "daphne", "uvicorn", "websockets")


def look_at_versions(patient: Patient) -> Finding:
    """Name what is installed; what a site can do without may be missing."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return well(", ".join(f"{name} {number}" for name, number in found.items()), **found)
