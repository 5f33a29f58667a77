"""The payload and the handshakes of the benchmark."""

from tests.support.by_hand import upgrade_request
from tests.support.servers import HOST

MARK = b"~mark~"
STAMP_DIGITS = 19
PAYLOAD_BYTES = 200
TITLE_CHARS = 60
AGENT = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_FILLING = "What happened and what to do about it. " * 8


def payload(stamp_ns: int) -> str:
    """Return a text of 200 bytes that contains when it was sent."""
    head = f"{MARK.decode()}{stamp_ns:0{STAMP_DIGITS}d} "
    return head + _FILLING[: PAYLOAD_BYTES - len(head)]


def payload_of(text: str) -> dict[str, str]:
    """Return a text as the payload of a notification."""
    return {"title": text[:TITLE_CHARS], "body": text[TITLE_CHARS:]}


def upgrade(path: str, port: int, *headers: str) -> bytes:
    """Return the request for a WebSocket, as a browser sends it but without compression."""
    host = f"{HOST}:{port}"
    return upgrade_request(path, host, AGENT, f"Origin: http://{host}", *headers).encode()


def event_stream(path: str, port: int) -> bytes:
    """Return the request for server-sent events."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}:{port}", AGENT, "Accept: text/event-stream"]
    return "\r\n".join([*lines, "Cache-Control: no-cache", "", ""]).encode()
