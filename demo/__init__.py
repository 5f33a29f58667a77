"""A demo of the notifications app. It can be removed from INSTALLED_APPS and deleted."""
