"""Django projects of somebody else, each in a directory of its own.

A `Project` has the app installed by pip, and nothing of the clone on its path.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.markdown import Block, blocks, commands
from tests.support.servers import ROOT

QUICKSTART = ROOT / "docs/quickstart.md"
COMMAND_SECONDS = 300
INSTALL_SECONDS = 300


class Project:
    """A project that is worked on as its developer does: with commands and an editor."""

    def __init__(self, directory: Path, packages: Path, **env: str) -> None:
        """Stand in `directory`; `env` is put over this process's environment."""
        self.directory = directory
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, "PATH": programs, "PYTHONPATH": str(packages), **env}

    def typed(self, command: str) -> list[str]:
        """Return a command as it is typed in the project's directory."""
        # The settings of these tests are no business of a project that names its own.
        return ["sh", "-c", f'unset DJANGO_SETTINGS_MODULE; cd "{self.directory}" && {command}']

    def run(self, command: str) -> str:
        """Type a command and return what it prints."""
        done = subprocess.run(
            self.typed(command),
            env=self.env,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def shell(self, code: str) -> str:
        """Run code in `manage.py shell` and return the last line that it prints."""
        (self.directory / "typed.py").write_text(code)
        return self.run("python manage.py shell -v 0 < typed.py").splitlines()[-1]

    def append(self, name: str, text: str) -> None:
        """Add text to the end of a file."""
        with (self.directory / name).open("a") as file:
            file.write(f"\n{text}")


def run_site(directory: Path, code: str) -> list[str]:
    """Run code that sets up a site of its own beside the clone; return the lines that it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def install_app(target: Path) -> Path:
    """Install the app into `target` as the quickstart says, and return it.

    What it depends on is there already; so no index is asked.
    """
    [command] = commands(QUICKSTART, "python -m pip install /path/to/")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(target)]
    install = [sys.executable, *command.split()[1:4], *options, str(ROOT)]
    subprocess.run(install, check=True, timeout=INSTALL_SECONDS)
    return target


def block_with(text: str, language: str = "python") -> Block:
    """Return the quickstart's one block without a file name that has this text in it."""
    [block] = [b for b in blocks(QUICKSTART, language) if not b.title and text in b.text]
    return block
