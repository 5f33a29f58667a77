"""After the commit: which hints are sent, and the channel layer that carries them."""
