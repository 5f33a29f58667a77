"""tests/docs/sample, an intranet of somebody else, gets the app by the quickstart alone.

Its users have UUIDs and no user names, its database is PostgreSQL, its pages are served by WSGI and
its sockets by ASGI, and the app stands under a prefix of its own.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from tests.docs.markdown import Block, blocks, commands
from tests.support.postgres import PostgresProcess
from tests.support.projects import QUICKSTART, Project, block_with, install_app
from tests.support.proxy import Proxy, locations
from tests.support.servers import HOST, ROOT, BrokerProcess, Process, free_port, says
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.wire import Wire, open_socket

pytestmark = pytest.mark.one_database

HOME = "/intranet/"
LOGIN = "/intranet/login/"
ALERTS = "/intranet/alerts/"
ADD_BROADCAST = "/intranet/office/notifications/broadcast/add/"
LOGIN_REQUIRED = 4401
PASSWORD = "correct horse"
UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
HIRE = f"""
from people.models import Person
Person.objects.create_user("alice@example.com", "{PASSWORD}")
Person.objects.create_user("boss@example.com", "{PASSWORD}", is_staff=True, is_superuser=True)
"""


@dataclass(frozen=True)
class Site:
    """The sample, and where its visitors reach it: at a proxy in front of both servers."""

    project: Project
    url: str


class Visitor(httpx.Client):
    """A browser without scripts."""

    def __init__(self, site: Site) -> None:
        """Come with no cookies."""
        self.site = site
        headers = {"Origin": site.url}
        super().__init__(
            base_url=site.url, headers=headers, follow_redirects=True, timeout=PATIENCE_SECONDS
        )

    def submit(self, page: httpx.Response, to: str = "", **fields: str) -> httpx.Response:
        """Send the form of a page, with its hidden fields, and return the page that follows."""
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        answer = self.post(to or page.url.path, data={**dict(hidden), **fields})
        assert answer.is_success, answer.text
        return answer

    def ask_for_holidays(self) -> None:
        """Use the view that notifies its user."""
        self.submit(self.get(HOME), to=f"{HOME}holidays/")

    @property
    def socket_url(self) -> str:
        """The address of the socket, as the home page's widget has it."""
        path = attribute(self.get(HOME).text, "data-socket")
        return urljoin(self.site.url.replace("http:", "ws:"), path)

    def socket(self, origin: str = "") -> AbstractAsyncContextManager[Wire]:
        """Open the socket from a page of this site or another one."""
        cookie = self.cookies["sessionid"]
        return open_socket(self.socket_url, cookie, origin=origin or self.site.url)


def attribute(page: str, name: str) -> str:
    """Return what the first attribute of this name holds."""
    found = re.search(rf' {name}="([^"]*)"', page)
    assert found, f"{name} in {page}"
    return unescape(found[1])


class Served(Process):
    """One of the quickstart's commands for servers, with a free port in place of its own."""

    def __init__(self, project: Project, command: str) -> None:
        """Prepare it."""
        [number] = re.findall(r"\b80\d\d\b", command)
        self.documented, self.port = int(number), free_port()
        log = project.directory / f"{number}.log"
        typed = project.typed(f"exec {command.replace(number, str(self.port))}")
        super().__init__(typed, log, project.env)

    def answers(self) -> bool:
        """Tell whether it serves the page for logging in."""
        return says(self.port, LOGIN) is not None


def message(title: str) -> dict[str, str]:
    return {"title": title, "body": "", "level": "info", "url": ""}


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresProcess]:
    """Return a PostgreSQL with an empty database for the site."""
    # Not under pytest's directory, which another user may not enter.
    with tempfile.TemporaryDirectory(prefix="notifier-sample-", dir="/tmp") as directory:
        postgres = PostgresProcess(Path(directory)).start()
        try:
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("CREATE DATABASE mysite")
            yield postgres
        finally:
            postgres.stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    running = BrokerProcess(tmp_path_factory.mktemp("broker")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, database: PostgresProcess, broker: BrokerProcess
) -> Project:
    """Return the sample after the quickstart's steps, with people in it."""
    directory = tmp_path_factory.mktemp("sample")
    shutil.copytree(ROOT / "tests/docs/sample", directory, dirs_exist_ok=True)
    project = Project(
        directory,
        install_app(tmp_path_factory.mktemp("packages")),
        PGHOST=HOST,
        PGPORT=str(database.port),
        PGUSER="postgres",
        REDIS_URL=broker.url,
        SECRET_KEY="sample" * 10,
    )
    follow_the_quickstart(project)
    for command in commands(QUICKSTART, "python manage.py migrate"):
        project.run(command)
    project.run("python manage.py collectstatic --noinput")
    project.run(f"python manage.py shell -v 0 -c '{HIRE}'")
    return project


def follow_the_quickstart(project: Project) -> None:
    """Do what it says about files, for PostgreSQL, another prefix and a template of one's own."""
    for block in blocks(QUICKSTART):
        if block.title == "mysite/asgi.py":
            (project.directory / block.title).write_text(block.text)
        elif block.title == "mysite/urls.py":
            project.append(block.title, block_with('include("notifications.urls")').text)
        elif block.title == "templates/base.html":
            add_widget(project.directory / block.title, block)
        elif block.title and "PRAGMA" not in block.text:
            project.append(block.title, block.text)


def add_widget(template: Path, example: Block) -> None:
    """Add to the site's own template what the example has more than an ordinary page."""
    load, tag = "{% load notifications %}", "{% notifications_widget %}"
    assert example.text.startswith(load)
    assert f"{tag}</header>" in example.text
    page = template.read_text()
    template.write_text(load + page.replace("</header>", f"{tag}</header>"))


@pytest.fixture(scope="module")
def site(project: Project) -> Iterator[Site]:
    """Return the site in production: two servers and a proxy, as the quickstart says."""
    [pages] = commands(QUICKSTART, "gunicorn")
    [sockets] = commands(QUICKSTART, "uvicorn --port 8001")
    servers = [Served(project, pages), Served(project, sockets)]
    with ExitStack() as running:
        for server in servers:
            running.callback(server.stop)
            server.start()
        proxy = Proxy(free_port(), targets(servers, project.directory / "collected")).start()
        running.callback(proxy.stop)
        yield Site(project, f"http://{HOST}:{proxy.server_address[1]}")


def targets(servers: list[Served], assets: Path) -> dict[str, int | Path]:
    """Return what the proxy has behind it: the quickstart's locations, and the files."""
    ports = {server.documented: server.port for server in servers}
    passed = locations(block_with("proxy_pass", "nginx").text)
    return {"/assets/": assets, **{path: ports[port] for path, port in passed.items()}}


def logged_in(site: Site, name: str) -> Visitor:
    browser = Visitor(site)
    browser.submit(browser.get(LOGIN), username=f"{name}@example.com", password=PASSWORD)
    return browser


@pytest.fixture(scope="module")
def alice(site: Site) -> Iterator[Visitor]:
    with closing(logged_in(site, "alice")) as browser:
        yield browser


@pytest.fixture(scope="module")
def boss(site: Site) -> Iterator[Visitor]:
    with closing(logged_in(site, "boss")) as browser:
        yield browser


async def welcomed(wire: Wire) -> Wire:
    await wire.receive_type("welcome")
    return wire


def test_the_checks_have_nothing_to_say(project: Project) -> None:
    [command] = commands(QUICKSTART, "python manage.py check")

    assert "no issues" in project.run(command)


def test_no_migration_is_missing(project: Project) -> None:
    project.run("python manage.py makemigrations --check --dry-run")


def test_the_widget_has_addresses_under_the_prefix(alice: Visitor) -> None:
    page = alice.get(HOME).text

    assert attribute(page, "data-feed") == f"{ALERTS}feed/"
    assert attribute(page, "data-socket") == "/ws/notifications/"
    assert UUID.fullmatch(attribute(page, "data-user"))
    assert f'href="{ALERTS}"' in page


def test_all_files_of_the_widget_were_collected(alice: Visitor) -> None:
    files = set(re.findall(r'"(/assets/[^"]+)"', alice.get(HOME).text))

    assert "/assets/js/notifications/index.js" in files
    assert {path: alice.get(path).status_code for path in files} == dict.fromkeys(files, 200)


async def test_what_a_wsgi_view_notifies_arrives_at_the_socket_of_the_asgi_server(
    alice: Visitor,
) -> None:
    async with alice.socket() as wire:
        await welcomed(wire)
        alice.ask_for_holidays()
        [item] = await wire.receive_items(1)

    assert item["title"] == "You asked for holidays"


async def test_what_is_notified_in_a_shell_arrives(alice: Visitor) -> None:
    [command] = commands(QUICKSTART, "python manage.py shell")

    async with alice.socket() as wire:
        await welcomed(wire)
        alice.site.project.run(command.replace('"alice"', '"alice@example.com"'))
        [item] = await wire.receive_items(1)

    assert item["title"] == "Hello"


async def test_what_a_command_notifies_arrives(alice: Visitor) -> None:
    async with alice.socket() as wire:
        await welcomed(wire)
        alice.site.project.run("python manage.py notify alice@example.com 'Backup done'")
        [item] = await wire.receive_items(1)

    assert item["title"] == "Backup done"


async def test_what_is_read_over_http_under_the_prefix_is_told_to_the_socket(
    alice: Visitor,
) -> None:
    alice.ask_for_holidays()
    [item, *_] = alice.get(f"{ALERTS}items/").json()["items"]
    token = {"X-CSRFToken": attribute(alice.get(HOME).text, "data-csrf")}

    async with alice.socket() as wire:
        await welcomed(wire)
        answer = alice.post(f"{ALERTS}read/", json={"ids": [item["id"]]}, headers=token)
        [told] = await wire.receive_items(1)

    assert answer.is_success, answer.text
    assert (told["id"], told["read"]) == (item["id"], True)


def test_the_inbox_works_under_the_prefix(alice: Visitor) -> None:
    alice.ask_for_holidays()

    page = alice.submit(alice.get(ALERTS), read_all="1").text

    assert "You asked for holidays" in page
    assert '<a href="/intranet/">Intranet</a>' in page


def test_quiet_hours_are_set_under_the_prefix(boss: Visitor) -> None:
    page = f"{ALERTS}preferences/"
    hours = {"starts": "22:00", "ends": "07:00", "time_zone": "Europe/Berlin"}

    answer = boss.submit(boss.get(page), **hours, quiet="1")

    assert answer.url.path == page
    assert 'value="22:00"' in answer.text


async def test_a_broadcast_composed_in_the_admin_arrives(alice: Visitor, boss: Visitor) -> None:
    draft = message("Fire drill") | {"audience": "everyone", "when": "now"}

    async with alice.socket() as wire:
        await welcomed(wire)
        confirmation = boss.submit(boss.get(ADD_BROADCAST), **draft, _review="Review and send…")
        boss.submit(confirmation)
        [item] = await wire.receive_items(1)

    assert item["title"] == "Fire drill"


def test_the_doctor_finds_nothing_wrong(alice: Visitor) -> None:
    address = f"--url {alice.socket_url} --origin {alice.site.url}"

    alice.site.project.run(
        f"python manage.py notifications_doctor --user alice@example.com {address}"
    )


async def test_another_site_opens_no_socket(alice: Visitor) -> None:
    with pytest.raises(InvalidStatus):
        async with alice.socket(origin="http://example.org"):
            pass


async def test_logging_out_in_the_wsgi_server_closes_the_socket(site: Site) -> None:
    with closing(logged_in(site, "alice")) as browser:
        async with browser.socket() as wire:
            await welcomed(wire)
            browser.submit(browser.get(HOME), to=f"{HOME}logout/")

            assert await wire.close_code() == LOGIN_REQUIRED
