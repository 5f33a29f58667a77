"""Stores static files for production."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

from .minify import minify

OUR_MODULES = ("js/notifications/", "js/notifications-admin/", "js/notifications-pages/")


@dataclass(frozen=True)
class Minified:
    """A source of static files whose scripts come minified."""

    source: Storage

    def open(self, path: str) -> ContentFile[bytes]:
        """Open a script as it goes over the wire."""
        with self.source.open(path) as file:
            return ContentFile(minify(file.read().decode()).encode())


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """Name every file by its content, the ones that JavaScript modules import too."""

    support_js_module_import_aggregation = True

    def post_process(
        self, paths: dict[str, tuple[Any, str]], **options: Any
    ) -> Iterator[tuple[str, str | None, Any]]:
        """Minify the app's modules, which are written to be read."""
        ours = {
            name: (Minified(source), path)
            for name, (source, path) in paths.items()
            if name.startswith(OUR_MODULES)
        }
        yield from super().post_process({**paths, **ours}, **options)
