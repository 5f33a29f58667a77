"""The project's settings, for browsers that keep its files as they keep those of a deployed site.

A development server has them ask for each of thirty files again, on each page.
"""

from notifier.settings import *  # noqa: F403

WHITENOISE_MAX_AGE = 3600
