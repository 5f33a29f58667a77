"""The form of the sign-up page; log-in uses Django's own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import BaseUserCreationForm, UsernameField
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from .models import User


class SignUpForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """A user name and a new password, twice. It does not say whether the name is taken."""

    class Meta:
        model = User
        fields = ["username"]
        field_classes = {"username": UsernameField}
        help_texts = {"username": _("Letters, digits and @ . + - _")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The label says it all.
        self.fields["password2"].help_text = ""

    def validate_unique(self) -> None:
        """Say nothing about the names of others."""

    def register(self) -> User | None:
        """Store the new user; return nothing where the name, in whatever case, is somebody's."""
        user: User = self.save(commit=False)
        if User.objects.filter(username__iexact=user.username).exists():
            return None
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:  # it was taken just now
            return None
        return user
