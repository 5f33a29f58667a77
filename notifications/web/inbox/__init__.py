"""The inbox page, and the JSON API of the widget."""
