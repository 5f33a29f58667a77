"""The inbox and preferences pages, and the JSON API of the widget."""
