"""How the tests keep passwords: quick to make, and known to the servers that they start."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Django's usual way, with one round in place of a million."""

    iterations = 1
