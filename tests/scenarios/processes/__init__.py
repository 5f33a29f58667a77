"""An app for the project in tests: it notifies from everywhere that Django code runs in."""
