"""One server process, from the channel layer to its sockets."""
