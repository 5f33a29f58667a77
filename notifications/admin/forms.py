"""The forms for notifications and broadcasts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminRadioSelect, AdminTextareaWidget, AdminTextInputWidget
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..message.audience import Audience
from ..message.payload import Payload, is_safe_url
from ..message.times import LAST_MOMENT, storable
from ..models import Broadcast
from ..wire.protocol import whole_number
from . import rules

if TYPE_CHECKING:
    BroadcastModelForm = forms.ModelForm[Broadcast]
    GroupsChoiceField = forms.ModelMultipleChoiceField[Group]
else:
    BroadcastModelForm = forms.ModelForm
    GroupsChoiceField = forms.ModelMultipleChoiceField

NOW, LATER = "now", "later"

_zone = lazy(timezone.get_current_timezone_name, str)


class LinesField(forms.CharField):
    """A text field that turns the line ends of a posted form into newlines."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class GroupsField(GroupsChoiceField):
    """Groups by key. Django's field would query even numbers that are too long for the database."""

    def clean(self, value: Any) -> Any:
        for key in value or ():
            if whole_number(str(key)) is None:
                raise ValidationError(
                    self.error_messages["invalid_pk_value"], "invalid_pk_value", {"pk": key}
                )
        return super().clean(value)


class MomentField(forms.DateTimeField):
    """An optional date and time in the current time zone, with the browser's own picker.

    `stored` is the moment to keep if it is posted as it was shown: it may have seconds, which are
    not shown, or be in an hour that is shown twice, because clocks are set back.
    """

    stored: datetime | None = None

    def __init__(self, **options: Any) -> None:
        """Take the options of a `DateTimeField`."""
        widget = forms.DateTimeInput({"type": "datetime-local"}, "%Y-%m-%dT%H:%M")
        widget.supports_microseconds = True  # or Django compares a stored moment without them
        zone = format_lazy(gettext_lazy("Time zone: {zone}"), zone=_zone())
        last = MaxValueValidator(lambda: storable(LAST_MOMENT))
        super().__init__(
            widget=widget, required=False, help_text=zone, validators=[last], **options
        )

    def to_python(self, value: Any) -> datetime | None:
        shown = self.widget.format_value(self.prepare_value(self.stored))
        return self.stored if value and value == shown else super().to_python(value)


class MessageForm(BroadcastModelForm):
    """The fields of a payload."""

    class Meta:
        model = Broadcast
        fields = ["title", "body", "level", "url"]
        field_classes = {"body": LinesField}
        widgets = {
            "title": AdminTextInputWidget(),
            "body": AdminTextareaWidget(attrs={"rows": 4}),
            "level": AdminRadioSelect(attrs={"class": "radiolist inline"}),
            "url": AdminTextInputWidget(),
        }
        help_texts = {
            "url": gettext_lazy("A path on this site, such as /news/, or an https:// address."),
        }

    def payload(self) -> Payload:
        """Return the payload; its kind and data stay as they are stored."""
        values = {name: self.cleaned_data[name] for name in MessageForm.Meta.fields}
        return Payload(kind=self.instance.kind, data=self.instance.data, **values)

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if url and not is_safe_url(url):
            raise ValidationError(
                _("Give a path that starts with one “/”, or an http:// or https:// address.")
            )
        return url

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.payload()
            except ValueError as exc:
                raise ValidationError(str(exc)) from exc
        return cleaned

    def add_errors(self, wrong: dict[str, str]) -> None:
        """Add errors, given as texts by field name."""
        for name, text in wrong.items():
            self.add_error(name, text)


class ChangeForm(MessageForm):
    """The fields of a broadcast that can be changed after it was sent."""

    expires = MomentField(label=gettext_lazy("Ends"))

    class Meta(MessageForm.Meta):
        fields = [*MessageForm.Meta.fields, "expires"]

    def __init__(self, *args: Any, **options: Any) -> None:
        """Let the fields know the stored moments."""
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            if isinstance(field, MomentField):
                field.stored = getattr(self.instance, name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        wrong = rules.wrong_dates(self.start(cleaned), cleaned.get("expires"))
        self.add_errors({name: text for name, text in wrong.items() if name in self.fields})
        return cleaned

    def start(self, cleaned: dict[str, Any]) -> datetime | None:
        """Return the start if it has not gone out yet and has one, else None."""
        return None if self.instance.published_at else self.instance.starts


class ComposeForm(ChangeForm):
    """All fields of a draft."""

    audience = forms.ChoiceField(
        label=gettext_lazy("Audience"),
        choices=Audience.choices,
        initial=Audience.EVERYONE,
        widget=AdminRadioSelect(attrs={"class": "radiolist inline"}),
    )
    groups = GroupsField(
        Group.objects.order_by("name"),
        label=gettext_lazy("Groups"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    when = forms.ChoiceField(
        label=gettext_lazy("Goes out"),
        choices=[(NOW, gettext_lazy("Now")), (LATER, gettext_lazy("Later"))],
        initial=NOW,
        widget=AdminRadioSelect(attrs={"class": "radiolist inline"}),
    )
    starts = MomentField(label=gettext_lazy("At"))

    class Meta(ChangeForm.Meta):
        fields = [*ChangeForm.Meta.fields, "audience", "groups", "starts"]

    def __init__(self, *args: Any, **options: Any) -> None:
        """Preselect “Later” if the draft has a start."""
        super().__init__(*args, **options)
        if self.instance.starts:
            self.initial["when"] = LATER

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("when") == LATER and not self.data.get("starts"):
            self.add_error("starts", _("Choose when it goes out."))
        if cleaned.get("audience") != Audience.GROUPS:
            cleaned["groups"] = Group.objects.none()
        if "audience" in cleaned and "groups" in cleaned:
            pks = [group.pk for group in cleaned["groups"]]
            self.add_errors(rules.wrong_audience(cleaned["audience"], pks))
        return cleaned

    def start(self, cleaned: dict[str, Any]) -> datetime | None:
        if cleaned.get("when") == NOW:
            cleaned["starts"] = None
        return cleaned.get("starts")
