"""The build hook of the wheel: the modules are shipped minified."""

from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = tuple(f"static/js/notifications{each}" for each in ("", "-admin", "-pages"))
TARGET = "notifications"


class Minify(BuildHookInterface):  # type: ignore[type-arg]
    """Puts minified copies of the modules into a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the copies."""
        self.copies = TemporaryDirectory()
        minify = run_path(str(Path(self.root, "notifier/minify.py")))["minify"]
        for folder in FOLDERS:
            for path in Path(self.root, folder).rglob("*.js"):
                name = path.relative_to(self.root)
                copy = Path(self.copies.name, name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(minify(path.read_text()))
                build_data["force_include"][str(copy)] = f"{TARGET}/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the copies."""
        self.copies.cleanup()
