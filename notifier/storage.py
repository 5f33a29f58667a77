"""How static files are stored for production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """Name every file by its content, the ones that JavaScript modules import too."""

    support_js_module_import_aggregation = True
