"""What other code can listen to; each is sent after the commit."""

from __future__ import annotations

from django.dispatch import Signal

broadcast_published = Signal()
"""A broadcast has gone out. Sent by the process that published it, with `sender` the model
`Broadcast` and `broadcast` the row."""
