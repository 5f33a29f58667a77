"""The admin of broadcasts: write, review, send, change and recall them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..actions.broadcasts import change_broadcast
from ..message.recipients import user_key
from ..models import Broadcast, BroadcastLog, State
from .confirmations import Confirmations, NotDoneError
from .forms import ChangeForm, ComposeForm
from .listing import Listing, audience_text
from .live import figures
from .permission import may_send

MESSAGE = (gettext_lazy("Message"), {"fields": ["title", "body", "level", "url"]})
AUDIENCE = (gettext_lazy("Audience"), {"fields": ["audience", "groups"]})
TIME = (gettext_lazy("Time"), {"fields": ["when", "starts", "expires"]})
END = (gettext_lazy("Time"), {"fields": ["expires"]})

CHANGEABLE = (State.SCHEDULED, State.LIVE)


class BroadcastAdmin(Confirmations, Listing):
    """The admin of broadcasts, for users with the permission `notifications.send_broadcast`."""

    add_form_template = change_form_template = "notifications/admin/broadcast_form.html"

    def has_view_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        return may_send(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_send(request)

    def has_change_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        is_open = obj is None or not is_sent(obj) or obj.state in CHANGEABLE
        return is_open and may_send(request)

    def has_delete_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        return obj is not None and not is_sent(obj) and may_send(request)

    def get_fieldsets(self, request: HttpRequest, obj: Broadcast | None = None) -> Any:
        if not is_sent(obj):
            return [MESSAGE, AUDIENCE, TIME]
        return [MESSAGE, END] if self.has_change_permission(request, obj) else [MESSAGE]

    def get_form(
        self, request: HttpRequest, obj: Broadcast | None = None, change: bool = False, **kw: Any
    ) -> Any:
        return super().get_form(
            request, obj, change, form=ChangeForm if is_sent(obj) else ComposeForm, **kw
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        if request.method == "POST" and obj and not is_meant_for(request, obj):
            return self._refuse(request, meanwhile())
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except NotDoneError as exc:
            return self._refuse(request, str(exc))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Broadcast | None = None,
    ) -> Any:
        context |= facts(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Broadcast, form: Any, change: bool) -> None:
        BroadcastLog.objects.lock()
        if change and Broadcast.objects.get(pk=obj.pk).state != obj.state:
            raise NotDoneError(meanwhile())
        if not is_sent(obj):
            obj.sender_id = obj.sender_id or user_key(request.user)
            super().save_model(request, obj, form, change)
        elif form.has_changed():
            try:
                change_broadcast(obj, form.payload(), expires=form.cleaned_data["expires"])
            except ValueError as exc:
                raise NotDoneError(_("Nothing was changed: %(why)s") % {"why": exc}) from exc

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        if not is_sent(form.instance):
            return _("Saved as a draft.")
        if form.instance.state == State.LIVE:
            return _("Changed on every screen.")
        return _("Changed before it goes out.")

    def response_add(
        self, request: HttpRequest, obj: Broadcast, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self.response_change(request, obj)

    def response_change(self, request: HttpRequest, obj: Broadcast) -> HttpResponse:
        if "_review" in request.POST:
            return redirect(self.address("send", obj.pk))
        text = {
            State.DRAFT: _("“%(title)s” was saved as a draft."),
            State.LIVE: _("“%(title)s” was changed on every screen."),
        }.get(obj.state, _("“%(title)s” was changed."))
        self.message_user(request, text % {"title": obj}, messages.SUCCESS)
        return self.response_post_save_change(request, obj)

    def _refuse(self, request: HttpRequest, problem: str) -> HttpResponseRedirect:
        self.message_user(request, problem, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


def facts(broadcast: Broadcast | None) -> dict[str, Any]:
    """Return the context that a sent broadcast's page shows above its form; {} for a draft."""
    if broadcast is None or not is_sent(broadcast):
        return {}
    return {
        "broadcast": broadcast,
        "figures": figures([broadcast])[broadcast.pk],
        "audience_text": audience_text(broadcast),
        "is_live": broadcast.state == State.LIVE,
        "is_recallable": broadcast.state in CHANGEABLE,
    }


def is_sent(broadcast: Broadcast | None) -> bool:
    """Tell whether a broadcast is stored and not a draft."""
    return broadcast is not None and broadcast.state != State.DRAFT


def is_meant_for(request: HttpRequest, broadcast: Broadcast) -> bool:
    """Tell whether the pressed button belongs to the broadcast's present state.

    Somebody else may have sent or recalled it since the page was loaded.
    """
    if is_sent(broadcast):
        return broadcast.state in CHANGEABLE and "_change" in request.POST
    return not {"_save", "_review"}.isdisjoint(request.POST)


def meanwhile() -> str:
    """Return the message that somebody else has changed the broadcast."""
    return _("Somebody else has sent, changed or recalled it meanwhile. Nothing was changed.")
