"""The forms behind the buttons of the home page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _

from .texts import EXAMPLES

TITLE_MAX_CHARS = 100
NOTE_MAX_CHARS = 500


class LevelForm(forms.Form):
    """A form for the level of a notification."""

    level = forms.ChoiceField(
        choices=[(level, level) for level in EXAMPLES],
        error_messages={
            "required": _("Choose a level."),
            "invalid_choice": _("There is no level “%(value)s”."),
        },
    )


class TitleForm(forms.Form):
    """A form for the title of a notification."""

    title = forms.CharField(
        label=_("Title"),
        max_length=TITLE_MAX_CHARS,
        initial=_("Report saved"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Type a title first.")},
    )


class NoteForm(forms.Form):
    """A form for a note to another user."""

    recipient = forms.ModelChoiceField(
        get_user_model().objects.none(),
        label=_("To"),
        empty_label=_("Choose a person"),
        error_messages={
            "required": _("Choose who gets the note."),
            "invalid_choice": _("Nobody here can get that note. Choose a person from the list."),
        },
    )
    text = forms.CharField(
        label=_("Note"),
        max_length=NOTE_MAX_CHARS,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Write a few words first.")},
    )

    def __init__(self, *args: Any, sender: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = get_user_model().objects.filter(is_active=True).exclude(pk=sender.pk)
        self.fields["recipient"].queryset = others.order_by("username")  # type: ignore[attr-defined]
