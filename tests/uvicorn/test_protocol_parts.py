"""What the fast path uses of uvicorn and websockets and they do not document, name by name."""

import ast
import inspect
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import RequestResponseCycle
from uvicorn.server import ServerState
from websockets import utils
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from notifications.uvicorn.http import PatientFlow, PunctualHTTPProtocol
from notifications.uvicorn.protocol import PreparedFrameProtocol

pytestmark = pytest.mark.one_database


def attributes(cls: type, context: type[ast.expr_context], of: str = "self") -> set[str]:
    """Return the attributes of something that a class reads or sets."""
    return {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(cls)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, context)
        and ast.unparse(node.value) == of
    }


def missing(ours: type, base: type) -> set[str]:
    """Return what a class of ours takes for granted in its base, and is not there."""
    own = {*vars(ours), *(name for name in attributes(ours, ast.Store) if name[0] == "_")}
    used = attributes(ours, ast.Load, "super()") | (attributes(ours, ast.Load) - own)
    classes = base.__mro__[:-1]
    there = {name for each in classes for name in {*vars(each), *attributes(each, ast.Store)}}
    return used - there


@pytest.mark.parametrize("ours", [PreparedFrameProtocol, PunctualHTTPProtocol, PatientFlow])
def test_uvicorn_has_what_ours_use(ours: type) -> None:
    assert missing(ours, ours.__bases__[0]) == set()


class Other:
    """A base from which a name is gone."""


def test_a_name_that_is_gone_is_named() -> None:
    assert missing(PatientFlow, Other) == {"__init__", "resume_reading"}


CONFIG = Config("tests.settings:app", log_config=None)
FROM_CLIENT: Any = ServerProtocol()
USED: list[tuple[Any, str]] = [
    *((CONFIG, name) for name in ("ws_max_size", "ws_ping_interval", "ws_ping_timeout")),
    *((ServerState(), name) for name in ("connections", "tasks")),
    *((FlowControl, name) for name in ("resume_reading", "pause_reading")),
    *((FROM_CLIENT, name) for name in ("parser", "extensions", "data_to_send", "send_close")),
    *((StreamReader(), name) for name in ("feed_data", "read_exact", "buffer")),
    *((Frame(Opcode.PING, b""), name) for name in ("parse", "serialize", "fin", "opcode", "data")),
    *((utils, "apply_mask"), (State, "OPEN"), (Opcode, "PONG"), (Opcode, "BINARY")),
]


def in_words(part: object) -> str:
    """Name a part the same in each process of a test run, which an address would not."""
    return part if isinstance(part, str) else getattr(part, "__name__", type(part).__name__)


@pytest.mark.parametrize(("owner", "name"), USED, ids=in_words)
def test_is_there(owner: Any, name: str) -> None:
    assert hasattr(owner, name)


def test_a_request_says_how_far_it_is() -> None:
    assert {"response_complete", "more_body"} <= attributes(RequestResponseCycle, ast.Store)
