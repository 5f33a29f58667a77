"""What goes over the wire in the benchmark: the payload and the handshakes."""

MARK = b"~mark~"
STAMP_DIGITS = 19
PAYLOAD_BYTES = 200
TITLE_CHARS = 60
_FILLING = "What happened and what to do about it. " * 8


def payload(stamp_ns: int) -> str:
    """Return a text of 200 bytes that says when it was sent."""
    head = f"{MARK.decode()}{stamp_ns:0{STAMP_DIGITS}d} "
    return head + _FILLING[: PAYLOAD_BYTES - len(head)]


def payload_of(text: str) -> dict[str, str]:
    """Return a text as the payload of a notification."""
    return {"title": text[:TITLE_CHARS], "body": text[TITLE_CHARS:]}


def masked(text: str) -> bytes:
    """Return a client's text frame; a mask of zeros leaves the text as it is."""
    data = text.encode()
    if len(data) < 126:
        return bytes((0x81, 0x80 | len(data))) + bytes(4) + data
    return bytes((0x81, 0x80 | 126)) + len(data).to_bytes(2, "big") + bytes(4) + data


def upgrade(path: str, port: int, *headers: str) -> str:
    """Return the request for a WebSocket, as a browser sends it but without compression."""
    return _request(
        path,
        port,
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Origin: http://127.0.0.1:{port}",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        *headers,
    )


def event_stream(path: str, port: int) -> str:
    """Return the request for server-sent events."""
    return _request(path, port, "Accept: text/event-stream", "Cache-Control: no-cache")


def _request(path: str, port: int, *headers: str) -> str:
    agent = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", agent, *headers, "", ""])
