"""The fast path: a WebSocket protocol for uvicorn that writes one finished frame to many sockets.

    uvicorn --ws notifications.uvicorn:PreparedFrameProtocol --ws-per-message-deflate false \\
        --http notifications.uvicorn:PunctualHTTPProtocol …

Every other application runs on it unchanged. What it offers is described in wire/frames.py. Both
protocols keep one client from taking more than its share of the server.
"""

from .http import PunctualHTTPProtocol
from .protocol import PreparedFrameProtocol

__all__ = ["PreparedFrameProtocol", "PunctualHTTPProtocol"]
