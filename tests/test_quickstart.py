"""docs/quickstart.md, followed word for word in a new project that installs the wheel."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urljoin

import httpx
import pytest

from tests.markdown import blocks, commands
from tests.servers import HOST, ROOT, BrokerProcess, Process, free_port
from tests.wire import open_socket

pytestmark = pytest.mark.one_database

QUICKSTART = ROOT / "docs/quickstart.md"
# The quickstart gives these as they are at the end; it adds to the others.
WHOLE_FILES = {"mysite/asgi.py", "templates/base.html"}
USERS = ["auth.User", "people.Member"]
SERVERS = [
    *commands(QUICKSTART, "python manage.py runserver"),
    *commands(QUICKSTART, "daphne"),
    *commands(QUICKSTART, "uvicorn"),
]

# What a project has before it comes to the quickstart: pages, and perhaps users of its own.
PAGES = """
from django.views.generic import TemplateView
urlpatterns += [path("", TemplateView.as_view(template_name="base.html"))]
"""
TEMPLATES = 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n'
PEOPLE = 'INSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.Member"\n'
MEMBER = """
import uuid
from django.contrib.auth.models import AbstractUser
from django.db import models
class Member(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
"""
LOG_IN = """
from django.contrib.auth import get_user_model
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.create_user("alice"))
print(client.cookies["sessionid"].value)
"""


class Project:
    """A Django project in a directory of its own, which sees the installed wheel and no clone."""

    def __init__(self, directory: Path, packages: Path, broker: BrokerProcess) -> None:
        """Start it as everybody does."""
        self.directory = directory
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": programs, "PYTHONPATH": str(packages), "REDIS_URL": broker.url}
        self.env = {**os.environ, **own}
        self.run("django-admin startproject mysite .")
        (directory / "templates").mkdir()
        self.append("mysite/settings.py", TEMPLATES)
        self.append("mysite/urls.py", PAGES)

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
            timeout=120,
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

    def have_users_of_its_own(self) -> Self:
        """Have a user model whose primary key is no number."""
        self.run("python manage.py startapp people")
        (self.directory / "people/models.py").write_text(MEMBER)
        self.append("mysite/settings.py", PEOPLE)
        self.run("python manage.py makemigrations people")
        return self

    def follow(self, document: Path) -> Self:
        """Do what a document says about files."""
        for block in blocks(document):
            if block.title in WHOLE_FILES:
                (self.directory / block.title).write_text(block.text)
            elif block.title:
                self.append(block.title, block.text)
        return self


class Served(Process):
    """A project that is served by one of the quickstart's commands, on a free port."""

    def __init__(self, project: Project, command: str) -> None:
        """Prepare it."""
        port = str(free_port())
        self.url = f"http://{HOST}:{port}"
        self.socket_url = f"ws://{HOST}:{port}/ws/notifications/"
        command = re.sub(r"\b8000\b", port, command)
        if "runserver" in command:
            command += " --noreload"  # the reloader's child would outlive a SIGTERM
        log = project.directory / "server.log"
        super().__init__(project.typed(f"exec {command}"), log, project.env)

    def answers(self) -> bool:
        """Tell whether it serves the home page."""
        try:
            return httpx.get(self.url, timeout=5).is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory where this repository's app is installed, as the quickstart says.

    What it depends on is there already; so no index is asked.
    """
    [command] = commands(QUICKSTART, "python -m pip install /path/to/")
    target = tmp_path_factory.mktemp("packages")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(target)]
    install = [sys.executable, *command.split()[1:4], *options, str(ROOT)]
    subprocess.run(install, check=True, timeout=300)
    return target


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    running = BrokerProcess(tmp_path_factory.mktemp("broker")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module", params=USERS)
def project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    packages: Path,
    broker: BrokerProcess,
) -> Project:
    """Return a project that was taken through the quickstart up to its server."""
    project = Project(tmp_path_factory.mktemp("project"), packages, broker)
    if request.param == "people.Member":
        project.have_users_of_its_own()
    project.follow(QUICKSTART)
    for command in commands(QUICKSTART, "python manage.py migrate"):
        project.run(command)
    return project


@pytest.fixture(scope="module")
def cookie(project: Project) -> str:
    """Return alice's session."""
    return project.shell(LOG_IN)


@pytest.fixture(params=SERVERS, ids=lambda command: command.split(" 8000")[0].split(" --")[0])
def served(request: pytest.FixtureRequest, project: Project) -> Iterator[Served]:
    server = Served(project, request.param).start()
    yield server
    server.stop()


def test_the_app_comes_from_the_wheel(project: Project, packages: Path) -> None:
    path = project.shell("import notifications\nprint(notifications.__file__)")

    assert Path(path).is_relative_to(packages)


def test_the_checks_have_nothing_to_say(project: Project) -> None:
    [command] = commands(QUICKSTART, "python manage.py check")

    assert "no issues" in project.run(command)


def test_no_migration_is_missing(project: Project) -> None:
    project.run("python manage.py makemigrations --check --dry-run")


async def test_what_is_notified_in_a_second_terminal_arrives(
    project: Project, served: Served, cookie: str
) -> None:
    [command] = commands(QUICKSTART, "python manage.py shell")

    async with open_socket(served.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        project.run(command)
        [item] = await wire.receive_items(1)

    assert item["title"] == "Hello"


@pytest.mark.parametrize("served", SERVERS[:1], indirect=True, ids=["runserver"])
def test_the_page_has_the_widget_and_all_its_files(served: Served, cookie: str) -> None:
    page = httpx.get(served.url, cookies={"sessionid": cookie})

    assert "<notification-toasts" in page.text
    assert f'data-feed="{httpx.URL(served.url).path}notifications/feed/"' in page.text
    files = loaded_by(page)
    assert {"toasts.css", "index.js", "protocol.js"} <= {Path(url).name for url in files}
    assert {httpx.get(url).status_code for url in files} == {200}


@pytest.mark.parametrize("served", SERVERS[:1], indirect=True, ids=["runserver"])
def test_a_visitor_gets_no_widget(served: Served) -> None:
    assert "notification" not in httpx.get(served.url).text


@pytest.mark.parametrize("served", SERVERS[:1], indirect=True, ids=["runserver"])
def test_the_feed_answers_where_the_urls_were_mounted(served: Served, cookie: str) -> None:
    answer = httpx.get(f"{served.url}/notifications/feed/?u=0", cookies={"sessionid": cookie})

    assert answer.json()["reset"] is False


def test_a_manifest_storage_renames_the_imports_too(project: Project) -> None:
    [storage] = [b.text for b in blocks(QUICKSTART, "python") if "ManifestStatic" in b.text]
    directory = project.directory
    (directory / "mysite/storage.py").write_text(storage)
    setting = 'STORAGES = {"staticfiles": {"BACKEND": "mysite.storage.HashedStaticFiles"}}\n'
    production = f'from .settings import *\nSTATIC_ROOT = BASE_DIR / "collected"\n{setting}'
    (directory / "mysite/production.py").write_text(production)

    project.run("python manage.py collectstatic --noinput --settings mysite.production")

    collected = directory / "collected/js/notifications"
    [entry] = [path for path in collected.glob("index.*.js") if path.name != "index.js"]
    imported = re.findall(r'from ?"\./(.+?)"', entry.read_text())
    assert imported
    assert all(re.fullmatch(r"[\w-]+\.[0-9a-f]{12}\.js", name) for name in imported)
    shutil.rmtree(directory / "collected")


def loaded_by(page: httpx.Response) -> set[str]:
    """Return the addresses of the widget's files, the modules that others import included."""
    known: set[str] = set()
    waiting = {urljoin(str(page.url), path) for path in re.findall(r'"(/static/.+?)"', page.text)}
    while waiting:
        url = waiting.pop()
        known.add(url)
        imports = re.findall(r'from ?"(\./.+?)"', httpx.get(url).text)
        waiting |= {urljoin(url, path) for path in imports} - known
    return known
