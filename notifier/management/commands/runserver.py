"""`manage.py runserver` on daphne, which only this command loads: its libraries take a while."""

from daphne.management.commands.runserver import Command

__all__ = ["Command"]
