"""The project around the apps: settings, URLs, entry points, servers and the embedded broker."""
