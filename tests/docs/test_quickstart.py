"""docs/quickstart.md, followed word for word in a new project that installs the wheel."""

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urljoin

import httpx
import pytest
from asgiref.sync import sync_to_async

from tests.docs.markdown import blocks, commands
from tests.support.projects import QUICKSTART, Project, block_with, install_app
from tests.support.servers import HOST, BrokerProcess, Process, free_port, says
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.wire import open_socket

pytestmark = pytest.mark.one_database

# The quickstart gives these as they are at the end; it adds to the others.
WHOLE_FILES = {"mysite/asgi.py", "templates/base.html"}
SERVERS = [
    *commands(QUICKSTART, "python manage.py runserver"),
    *commands(QUICKSTART, "daphne --port 8000"),
    *commands(QUICKSTART, "uvicorn --port 8000"),
]

# What a project has before it comes to the quickstart. The sample project has its own users, too.
PAGES = """
from django.views.generic import TemplateView
urlpatterns += [path("", TemplateView.as_view(template_name="base.html"))]
"""
TEMPLATES = 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n'
LOG_IN = """
from django.contrib.auth import get_user_model
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.create_user("alice"))
print(client.cookies["sessionid"].value)
"""


class NewProject(Project):
    """A project that was started a minute ago."""

    @classmethod
    def start(cls, directory: Path, packages: Path, broker: BrokerProcess) -> Self:
        """Start it as everybody does."""
        project = cls(directory, packages, REDIS_URL=broker.url)
        project.run("django-admin startproject mysite .")
        (directory / "templates").mkdir()
        project.append("mysite/settings.py", TEMPLATES)
        project.append("mysite/urls.py", PAGES)
        return project

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
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.socket_url = f"ws://{HOST}:{self.port}/ws/notifications/"
        command = re.sub(r"\b8000\b", str(self.port), command)
        if "runserver" in command:
            command += " --noreload"  # the reloader's child would outlive a SIGTERM
        log = project.directory / "server.log"
        super().__init__(project.typed(f"exec {command}"), log, project.env)

    def answers(self) -> bool:
        """Tell whether it serves the home page."""
        return says(self.port, "/", timeout=5) is not None


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory where this repository's app is installed."""
    return install_app(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    running = BrokerProcess(tmp_path_factory.mktemp("broker")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, packages: Path, broker: BrokerProcess
) -> NewProject:
    """Return a project that was taken through the quickstart up to its server."""
    project = NewProject.start(tmp_path_factory.mktemp("project"), packages, broker)
    project.follow(QUICKSTART)
    for command in commands(QUICKSTART, "python manage.py migrate"):
        project.run(command)
    return project


@pytest.fixture(scope="module")
def cookie(project: Project) -> str:
    """Return alice's session."""
    return project.shell(LOG_IN)


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Served]:
    """Return the project as runserver serves it."""
    server = Served(project, SERVERS[0]).start()
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
    await assert_that_a_second_terminal_is_heard(project, served, cookie)


@pytest.mark.parametrize("command", SERVERS[1:], ids=lambda command: command.split(" --port")[0])
async def test_it_arrives_over_the_other_servers_too(
    project: Project, cookie: str, command: str
) -> None:
    server = await sync_to_async(Served(project, command).start)()
    try:
        await assert_that_a_second_terminal_is_heard(project, server, cookie)
    finally:
        await sync_to_async(server.stop)()


async def assert_that_a_second_terminal_is_heard(
    project: Project, served: Served, cookie: str
) -> None:
    [command] = commands(QUICKSTART, "python manage.py shell")

    async with open_socket(served.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await sync_to_async(project.run)(command)
        [item] = await wire.receive_items(1)

    assert item["title"] == "Hello"


def test_the_page_has_the_widget_and_all_its_files(served: Served, cookie: str) -> None:
    with httpx.Client(cookies={"sessionid": cookie}, timeout=PATIENCE_SECONDS) as browser:
        page = browser.get(served.url)
        files = loaded_by(page, browser)

    assert "<notification-toasts" in page.text
    assert f'data-feed="{httpx.URL(served.url).path}notifications/feed/"' in page.text
    assert {"toasts.css", "index.js", "protocol.js"} <= {Path(url).name for url in files}
    assert {answer.status_code for answer in files.values()} == {200}


def test_a_visitor_gets_no_widget(served: Served) -> None:
    assert "notification" not in got(served.url).text


def test_the_feed_answers_where_the_urls_were_mounted(served: Served, cookie: str) -> None:
    answer = got(f"{served.url}/notifications/feed/?u=0", cookies={"sessionid": cookie})

    assert answer.json()["reset"] is False


def test_a_manifest_storage_renames_the_imports_too(project: Project) -> None:
    storage = block_with("ManifestStatic").text
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
    assert all(re.fullmatch(r"[\w/-]+\.[0-9a-f]{12}\.js", name) for name in imported)
    shutil.rmtree(directory / "collected")


got = partial(httpx.get, timeout=PATIENCE_SECONDS)


def loaded_by(page: httpx.Response, browser: httpx.Client) -> dict[str, httpx.Response]:
    """Return the widget's files by their addresses, the modules that others import included."""
    files: dict[str, httpx.Response] = {}
    waiting = {urljoin(str(page.url), path) for path in re.findall(r'"(/static/.+?)"', page.text)}
    while waiting:
        url = waiting.pop()
        files[url] = browser.get(url)
        imports = re.findall(r'from ?"(\.{1,2}/.+?)"', files[url].text)
        waiting |= {urljoin(url, path) for path in imports} - files.keys()
    return files
