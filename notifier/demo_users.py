"""Demo users. Everybody knows their password, so they are for development only."""

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser

PASSWORD = "demo"  # noqa: S105
SUPERUSER = "admin"
USERNAMES = ("alice", "bob", SUPERUSER)


def make_demo_users() -> None:
    """Create the demo users that do not exist."""
    users = get_user_model()._default_manager
    existing = {user.get_username() for user in _stored()}
    missing = [name for name in USERNAMES if name not in existing]
    # Hashed once for all of them: hashing is slow on purpose.
    password = make_password(PASSWORD) if missing else ""
    for name in missing:
        is_admin = name == SUPERUSER
        users.create(username=name, password=password, is_staff=is_admin, is_superuser=is_admin)


def lock_demo_users() -> list[str]:
    """Disable the password of demo users who still have it; return their names."""
    open_ones = [user for user in _stored() if user.check_password(PASSWORD)]
    for user in open_ones:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return [user.get_username() for user in open_ones]


def _stored() -> list[AbstractUser]:
    return list(get_user_model()._default_manager.filter(username__in=USERNAMES))
