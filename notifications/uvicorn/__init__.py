"""The fast path: a WebSocket protocol for uvicorn that writes one prepared frame to many sockets.

    uvicorn --ws notifications.uvicorn:PreparedFrameProtocol --ws-per-message-deflate false \\
        --http notifications.uvicorn:PunctualHTTPProtocol …

Other applications run on it unchanged. wire/frames.py describes its ASGI extension. Both protocols
limit what one client may take of the server.
"""

from .http import PunctualHTTPProtocol
from .protocol import PreparedFrameProtocol

__all__ = ["PreparedFrameProtocol", "PunctualHTTPProtocol"]
