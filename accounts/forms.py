"""The form of the sign-up page; log-in uses Django's own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import BaseUserCreationForm, UsernameField
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from .models import User


class SignUpForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """A form for a user name and a new password, entered twice.

    It does not reveal whether the name is taken.
    """

    class Meta:
        model = User
        fields = ["username"]
        field_classes = {"username": UsernameField}
        help_texts = {"username": _("Letters, digits and @ . + - _")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The label says enough.
        self.fields["password2"].help_text = ""

    def validate_unique(self) -> None:
        """Do nothing, to reveal no names of other users."""

    def register(self) -> User | None:
        """Store and return the new user, or return None if the name is taken, ignoring case."""
        user: User = self.save(commit=False)
        if User.objects.filter(username__iexact=user.username).exists():
            return None
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:  # the name was taken just now
            return None
        return user
