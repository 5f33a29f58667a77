"""The storage of static files for production."""

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
    """A source of static files that minifies scripts when it opens them."""

    source: Storage

    def open(self, path: str) -> ContentFile[bytes]:
        """Open a script, minified."""
        with self.source.open(path) as file:
            return ContentFile(minify(file.read().decode()).encode())


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """The storage that names every file by its hash, including imports of JavaScript modules."""

    support_js_module_import_aggregation = True

    def post_process(
        self, paths: dict[str, tuple[Any, str]], **options: Any
    ) -> Iterator[tuple[str, str | None, Any]]:
        """Minify the app's own modules before they are hashed."""
        ours = {
            name: (Minified(source), path)
            for name, (source, path) in paths.items()
            if name.startswith(OUR_MODULES)
        }
        yield from super().post_process({**paths, **ours}, **options)
