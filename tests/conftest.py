"""Fixtures for every test: the broker of the session, and real servers."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from pytest_django import DjangoDbBlocker

from notifier import broker
from tests.support.emptying import empty_all
from tests.support.scheduling import OneByOne
from tests.support.scripts import Script, StartScript
from tests.support.servers import BrokerProcess, Kind, ServerProcess

StartServer = Callable[..., ServerProcess]

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the browser tests to runs of their own, which name them.

    Playwright's loop and that of the asynchronous tests cannot share a process, and WebKitGTK needs
    a display.
    """
    name = collection_path.name
    asked_for = any(name in argument for argument in config.args)
    return True if name in ("browser", "webkit") and not asked_for else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, leave out what asks for no database: it has run on SQLite."""
    if connection.vendor == "postgresql":
        config.hook.pytest_deselected(items=[i for i in items if not _asks_for_database(i)])
        items[:] = filter(_asks_for_database, items)


def _asks_for_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return (
        "django_db" in item.keywords
        or not DATABASE_FIXTURES.isdisjoint(fixtures)
        or issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneByOne:
    """Deal the tests out one by one: in chunks, the last process would work long after the rest."""
    return OneByOne(config, log)


@pytest.fixture(scope="session", autouse=True)
def embedded_broker() -> Iterator[None]:
    """Keep the embedded broker of the tests running."""
    broker.attach()
    yield
    broker.leave()
    if settings.VAR_DIR.name.startswith("notifier-tests-"):
        shutil.rmtree(settings.VAR_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def usual_language() -> Iterator[None]:
    """Leave the language as it was: a request to the test client leaves its own behind."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the test database; before it goes, end what threads of ended tests left connected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_all)
        yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture
def start_server(transactional_db: None, tmp_path: Path) -> Iterator[StartServer]:
    """Return a function that starts servers: `start_server(kind="daphne", env={…})`.

    They read the test's database and broker, and end with the test.
    """
    servers: list[ServerProcess] = []

    def start(*, kind: Kind = "daphne", env: Mapping[str, str] | None = None) -> ServerProcess:
        server = ServerProcess(tmp_path / f"server-{len(servers)}.log", kind=kind, env=env)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def shared_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Kind], ServerProcess]]:
    """Return a function for a running server that tests share, for those that leave it as it is.

    It neither mends what the hints should have done nor publishes what another test leaves due, nor
    takes the next test's empty database for one that was set back.
    """
    servers: dict[Kind, ServerProcess] = {}

    def running(kind: Kind) -> ServerProcess:
        if kind not in servers:
            log = tmp_path_factory.mktemp("shared") / f"{kind}.log"
            never = "86400"
            env = {"NOTIFICATIONS_SWEEP_SECONDS": never, "NOTIFICATIONS_PUBLISH_SECONDS": never}
            servers[kind] = ServerProcess(log, kind=kind, env=env).start()
        return servers[kind]

    yield running
    for server in servers.values():
        server.stop()


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    """Return a running daphne that serves the project."""
    return start_server()


@pytest.fixture
def start_script(transactional_db: None) -> Iterator[StartScript]:
    """Return a function that starts scripts; what still runs at the end is killed."""
    scripts: list[Script] = []

    def start(code: str, **env: str) -> Script:
        scripts.append(Script(code, **env))
        return scripts[-1]

    yield start
    for script in scripts:
        script.close()


@pytest.fixture(scope="session")
def private_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the brokers of single tests live, one after the other."""
    return tmp_path_factory.mktemp("broker")


@pytest.fixture
def private_broker(private_directory: Path) -> Iterator[BrokerProcess]:
    """Return a running Valkey of this test alone; give its `url` to servers as REDIS_URL."""
    private = BrokerProcess(private_directory).start()
    yield private
    private.stop()
