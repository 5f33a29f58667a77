"""Real servers for tests, each a process of its own on this machine: ASGI servers and brokers.

A test ends only what it started, by its process id.
"""

import contextlib
import functools
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

import pytest
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError

from notifier.broker.binary import find_server
from notifier.broker.location import socket_url
from tests.support.waiting import wait_for
from tests.support.zygote import ForkedProcess

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
# Below those that the system gives to outgoing connections, of which a test has a thousand.
PORTS = range(20_000, 32_000)
BLOCK = 500
START_SECONDS = 120
STOP_SECONDS = 30

Kind = Literal["daphne", "uvicorn"]
# Which of the two it is makes no difference to a database.
KINDS = [pytest.param("daphne", marks=pytest.mark.one_database), "uvicorn"]


def free_port() -> int:
    """Return a port that nobody listens on at this moment, and no other test process will take."""
    while True:
        port = random.choice(_own_ports())
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


@functools.cache
def _own_ports() -> range:
    """Return a block of ports whose first this process holds, as long as it runs."""
    for first in PORTS[::BLOCK]:
        holder = socket.socket()
        try:
            holder.bind((HOST, first))
        except OSError:
            holder.close()
        else:
            holder.detach()  # it stays bound
            return range(first + 1, first + BLOCK)
    raise RuntimeError(f"All of the ports {PORTS} belong to other test processes.")


def says(port: int, path: str, *, timeout: float = 2) -> str | None:
    """Return what a page on `port` says; None where nobody answers, or not with a 200.

    For polling: httpx would read all the certificates of the machine first, each time.
    """
    connection = HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read().decode() if response.status == 200 else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def database_url() -> str:
    """Return the DATABASE_URL of the database that this test uses."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


class Process:
    """A child process with a log, started and ended by its own id."""

    def __init__(self, command: list[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Prepare `command`; `env` is put over this process's environment."""
        self.command = command
        self.log = log
        self.env = dict(env or {})
        self.user: str | None = None
        """Whom it runs as, if not oneself."""
        self.is_forked = False
        """Whether it is forked where it is Python's, see zygote.py; no benchmark's is."""
        self.prepared_with: Sequence[str] = ()
        """What it is forked with, if that is more than the usual."""
        self.process: subprocess.Popen[bytes] | ForkedProcess | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self.process is not None, f"{self.command} is not running"
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def log_text(self) -> str:
        """Return what it printed so far, over all of its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self) -> Self:
        """Start it and return when it answers."""
        with self.log.open("ab") as log, open(os.devnull, "rb") as nothing:
            env = {**os.environ, **self.env}
            self.process = (
                ForkedProcess(
                    self.command[1:],
                    env=env,
                    stdin=nothing,
                    stdout=log,
                    stderr=log,
                    prepared_with=self.prepared_with,
                )
                if self.is_forked and self.command[0] == sys.executable
                else subprocess.Popen(
                    self.command,
                    cwd=ROOT,
                    env=env,
                    stdin=nothing,
                    stdout=log,
                    stderr=log,
                    user=self.user,
                )
            )
        try:
            wait_for(self._has_settled, deadline=START_SECONDS, what=" ".join(self.command))
            assert self.is_running, f"{self.command} ended at its start:\n{self.log_text()}"
        except AssertionError:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End it as an operator would, with SIGTERM; kill it when it does not go."""
        self._end(signal.SIGTERM)

    def interrupt(self) -> None:
        """End it as Ctrl-C would; fail when it does not go."""
        assert self._end(signal.SIGINT), f"{self.command} did not end on SIGINT"

    def kill(self) -> None:
        """End it without a chance to say goodbye: kill -9."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Make it hang (SIGSTOP) until `resume()`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause()`."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> Self:
        """Stop it and start it again at the same address."""
        self.stop()
        return self.start()

    def answers(self) -> bool:
        """Tell whether it serves."""
        raise NotImplementedError

    def _has_settled(self) -> bool:
        return not self.is_running or self.answers()

    def _end(self, number: signal.Signals) -> bool:
        if self.process is None:
            return True
        if self.is_running:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)  # a paused one hears nothing else
        process, self.process = self.process, None
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        return True


class ServerProcess(Process):
    """An ASGI server that serves the project with the database and broker of this test."""

    def __init__(
        self,
        log: Path,
        *,
        kind: Kind = "daphne",
        env: Mapping[str, str] | None = None,
        is_forked: bool = True,
    ) -> None:
        """Prepare a server on a free port, which it keeps over restarts."""
        self.port = free_port()
        super().__init__(_serve_command(kind, self.port), log, env)
        self.is_forked = is_forked
        self.prepared_with = ["tests.support.served"]
        self.env.setdefault("DATABASE_URL", database_url())
        self.env.setdefault("DJANGO_SETTINGS_MODULE", "notifier.settings")

    @property
    def url(self) -> str:
        """The address of the home page, without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    @property
    def socket_url(self) -> str:
        """The address of the notification socket."""
        return f"ws://{HOST}:{self.port}/ws/notifications/"

    def answers(self) -> bool:
        """Tell whether `/healthz` says ok."""
        return says(self.port, "/healthz") == "ok"


class BrokerProcess(Process):
    """A Valkey of this test alone, to be killed, paused and flushed; give `url` as REDIS_URL."""

    def __init__(self, directory: Path) -> None:
        """Prepare a broker whose socket is in `directory`, which has to be a short path."""
        self.socket = directory / "private.sock"
        self.url = socket_url(self.socket)
        options = f"--port 0 --unixsocket {self.socket} --appendonly no --dir {directory}"
        command = [find_server(), *options.split(), "--save", ""]
        super().__init__(command, directory / "private-broker.log")

    def client(self) -> Redis:
        """Return a new client of it."""
        return Redis.from_url(self.url, socket_timeout=2)

    def answers(self) -> bool:
        """Tell whether it answers a PING."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except (RedisError, OSError):
            return False


def _serve_command(kind: Kind, port: int) -> list[str]:
    return [sys.executable, "manage.py", "serve", "--server", kind, "--port", str(port)]
