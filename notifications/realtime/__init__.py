"""The part of a server process between the channel layer and its sockets."""
