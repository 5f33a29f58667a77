"""Checks of the structure that no linter has: `python bin/structure.py`; exits with 1 on a fault.

Each module has a test, where tests/README.md says that it is. And few functions are private ones
that are called once: a reader has to go there and back for what could stand where it is done.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APP, TESTS = ROOT / "notifications", ROOT / "tests"
CODE = ("notifications",)
CALLED_ONCE_MAX = 0.1


def main() -> int:
    """Print each fault and a summary; return 1 if there is a fault."""
    once, functions = called_once()
    share = len(once) / functions
    faults = [*untested(), *aimless_tests()]
    if share > CALLED_ONCE_MAX:
        faults += [f"{each} is called once; {CALLED_ONCE_MAX:.0%} may be" for each in once]
    for fault in faults:
        print(fault)
    print(f"{len(once)} of {functions} functions are private and called once ({share:.1%})")
    return bool(faults)


def called_once() -> tuple[list[str], int]:
    """Return the private functions whose name occurs twice in their file, and how many there are
    of all kinds."""
    once, functions = [], 0
    for path in (each for top in CODE for each in modules(ROOT / top)):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions += 1
                is_private = node.name.startswith("_") and not node.name.endswith("__")
                if is_private and len(re.findall(rf"\b{node.name}\b", text)) == 2:
                    once.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    return once, functions


def untested() -> Iterator[str]:
    """Say which modules have no test, neither by their name nor in the list."""
    exceptions = list(listed())
    for path in modules(APP):
        name = path.relative_to(APP).with_suffix("").as_posix()
        own = list((TESTS / name).parent.glob(f"test_{path.stem}*.py"))
        test = next((test for pattern, test in exceptions if fnmatch(name, pattern)), None)
        if path.name == "__init__.py" or own:
            continue
        if test is None:
            yield f"notifications/{name}.py has no tests/{test_of(name)} and no line in the list"
        elif not (TESTS / f"{test}.py").exists():
            yield f"tests/README.md names tests/{test}.py for {name}, which is not there"


def aimless_tests() -> Iterator[str]:
    """Say which tests in the folder of a package bear the name of no module of it."""
    for path in sorted(TESTS.rglob("test_*.py")):
        package = APP / path.parent.relative_to(TESTS)
        if not package.is_dir():
            continue
        words = path.stem.removeprefix("test_").split("_")
        names = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
        things = {each.stem for each in package.iterdir()} | {package.name}
        if not names & things:
            yield f"{path.relative_to(ROOT)} is named after nothing in {package.relative_to(ROOT)}"


def listed() -> Iterator[tuple[str, str]]:
    """Read the exceptions of tests/README.md: patterns of modules, and the test of each."""
    for line in (TESTS / "README.md").read_text().splitlines():
        cells = line.strip("|").split(" | ")
        if len(cells) == 2 and "test_" in cells[1]:
            [test] = re.findall(r"`(.+?)`", cells[1])
            yield from ((pattern, test) for pattern in re.findall(r"`(.+?)`", cells[0]))


def modules(top: Path) -> list[Path]:
    """Return the Python files below a folder, without migrations."""
    return sorted(path for path in top.rglob("*.py") if "migrations" not in path.parts)


def test_of(name: str) -> str:
    """Return where the test of a module would be."""
    path = Path(name)
    return str(path.with_name(f"test_{path.name}.py"))


if __name__ == "__main__":
    sys.exit(main())
