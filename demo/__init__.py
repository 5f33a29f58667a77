"""Shows every way to use the notifications app. Delete this app and nothing misses it."""
