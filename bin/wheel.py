"""The build hook of the wheel: the widget's modules are shipped without comments and indents."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from rjsmin import jsmin

SOURCE = "static/js/notifications"
TARGET = "notifications/static/js/notifications"


class Minify(BuildHookInterface):  # type: ignore[type-arg]
    """Puts minified copies of the modules into a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the copies."""
        self.copies = TemporaryDirectory()
        for path in Path(self.root, SOURCE).glob("*.js"):
            copy = Path(self.copies.name, path.name)
            copy.write_text(jsmin(path.read_text()))
            build_data["force_include"][str(copy)] = f"{TARGET}/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the copies."""
        self.copies.cleanup()
