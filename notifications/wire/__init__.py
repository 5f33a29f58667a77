"""The wire protocol, its frames and limits, and the hints on the channel layer."""
