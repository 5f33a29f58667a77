#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    """Run the management command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifier.settings")
    from django.core.management import execute_from_command_line

    from notifier.refusals import refusals_in_one_line

    with refusals_in_one_line():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
