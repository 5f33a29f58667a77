"""What leaves and enters the process: the protocol, its frames, and hints on the channel layer."""
