"""The project: settings, addresses, entry points and the embedded broker. No features."""
