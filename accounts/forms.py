"""The form of the sign-up page; log-in uses Django's own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import UserCreationForm, UsernameField
from django.utils.translation import gettext_lazy as _

from .models import User


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """A user name and a new password, twice."""

    class Meta:
        model = User
        fields = ["username"]
        field_classes = {"username": UsernameField}
        help_texts = {"username": _("Letters, digits and @ . + - _")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The label says it all.
        self.fields["password2"].help_text = ""
