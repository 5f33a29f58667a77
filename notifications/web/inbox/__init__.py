"""The inbox page, and the JSON API that the widget's list uses."""
