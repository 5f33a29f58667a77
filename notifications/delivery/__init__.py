"""Sends hints after the commit, and provides the channel layer that carries them."""
