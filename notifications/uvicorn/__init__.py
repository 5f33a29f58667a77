"""The fast path: a WebSocket protocol for uvicorn that writes one finished frame to many sockets.

    uvicorn --ws notifications.uvicorn:PreparedFrameProtocol --ws-per-message-deflate false …

Every other application runs on it unchanged. What it offers is described in frames.py.
"""

from .protocol import PreparedFrameProtocol

__all__ = ["PreparedFrameProtocol"]
