"""Which of several test processes gets which tests."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Their tests share what takes long to set up: made once if one process gets them all.
TOGETHER = (
    "tests/docs/test_quickstart.py",
    "tests/project/test_run.py",
    "tests/docs/test_sample_project.py",
)


class OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # untyped base
    """Gives whoever is free the next test, and some files as a whole, which come first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return file if file in TOGETHER else nodeid
