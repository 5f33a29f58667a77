"""Follows a guide as its readers do: each Python block runs where it stands, top to bottom.

- A block that is headed with a file runs as that module, so that later blocks can import it.
  Its head is a title, or a comment in its first line such as `# shop/notification_triggers.py`.
- Of a settings file, what it changes is in force until the end of the guide. Apps that it names
  have to be among INSTALLED_APPS in tests/settings.py, which are not changed.
- A urls.py has the project's `urlpatterns` and adds to them or replaces them.
- All other blocks share one namespace, which begins with what `Guide.names` is given. They may
  `await`.
- Templates with a name are written where Django finds them.
"""

import ast
import inspect
import sys
from copy import deepcopy
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as current
from django.urls import path
from pytest_django import Settings

from notifier.urls import urlpatterns
from tests.docs.markdown import Block, blocks

TEMPLATES = {"html", "html+django", "text"}


class Guide:
    """One guide that is followed in a test; `names` is what its blocks have and define."""

    def __init__(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, templates: Path, **names: Any
    ) -> None:
        """Start with these names, and with templates of one's own."""
        self.names: dict[str, Any] = {"__name__": "guide", **names}
        self._settings = settings
        self._monkeypatch = monkeypatch
        self._templates = templates
        self._modules: list[ModuleType] = []
        settings.TEMPLATES = deepcopy(settings.TEMPLATES)
        settings.TEMPLATES[0]["DIRS"] = [templates, *settings.TEMPLATES[0]["DIRS"]]

    def follow(self, document: Path) -> None:
        """Do what all blocks of a document say."""
        for block in blocks(document):
            self.do(block, document)

    def do(self, block: Block, document: Path) -> None:
        """Run one block of Python, or write one template."""
        if block.language in TEMPLATES and block.file:
            self._write_template(block)
        elif block.language == "python":
            self._run(block, f"{document.name}: {block.file or block.text.splitlines()[0]}")

    def module(self, file: str) -> ModuleType:
        """Return the module that the guide has in a file."""
        return sys.modules[_module_name(file)]

    def close(self) -> None:
        """Forget all that was defined; signals lose such receivers, to which they hold weakly."""
        for module in self._modules:
            module.__dict__.clear()
        self.names.clear()

    def _run(self, block: Block, where: str) -> None:
        code: CodeType = compile(
            block.text, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        if block.file.endswith("settings.py"):
            self._set(code)
        elif block.file:
            self._import(code, block.file)
        elif code.co_flags & inspect.CO_COROUTINE:
            async_to_sync(_awaited)(eval(code, self.names))
        else:
            exec(code, self.names)

    def _set(self, code: CodeType) -> None:
        before = {name: getattr(current, name) for name in code.co_names if hasattr(current, name)}
        after = deepcopy(before)
        exec(code, after)
        for name in filter(str.isupper, after):
            if name == "INSTALLED_APPS":
                assert set(after[name]) <= set(current.INSTALLED_APPS)
            elif name not in before or after[name] != before[name]:
                setattr(self._settings, name, after[name])

    def _import(self, code: CodeType, file: str) -> None:
        name = _module_name(file)
        package, _, last = name.rpartition(".")
        module = ModuleType(name)
        if package and package not in sys.modules:
            self._monkeypatch.setitem(sys.modules, package, ModuleType(package))
        if package:
            self._monkeypatch.setattr(sys.modules[package], last, module, raising=False)
        self._monkeypatch.setitem(sys.modules, name, module)
        self._modules.append(module)
        if last == "urls":
            module.__dict__.update(urlpatterns=list(urlpatterns), path=path)
        exec(code, module.__dict__)
        if last == "urls":
            self._settings.ROOT_URLCONF = name

    def _write_template(self, block: Block) -> None:
        path = self._templates / block.file.removeprefix("templates/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def _module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


async def _awaited(coroutine: Any) -> None:
    await coroutine
