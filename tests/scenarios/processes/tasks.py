"""The tasks of worker.py."""

from celery import shared_task  # type: ignore[import-untyped]
from django.contrib.auth import get_user_model

from notifications import notify


@shared_task(name="tell")  # type: ignore[untyped-decorator]
def tell(user_pk: int, title: str) -> None:
    """Notify one user from a worker."""
    notify(get_user_model().objects.get(pk=user_pk), title)
