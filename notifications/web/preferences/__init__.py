"""The preferences page, and its JSON API."""
