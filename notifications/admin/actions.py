"""The action “Send a notification…” on users and groups."""

from __future__ import annotations

import secrets
from inspect import signature
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..actions.notify import PartiallyNotifiedError, notify_many
from ..message.audience import Audience
from ..message.recipients import user_key
from ..models import Notification
from .forms import MessageForm
from .history import count_of_users, log_notified
from .live import number
from .permission import check_may_send, may_send

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin

NAME = "send_notification"
FIELDS = [(None, {"fields": ["title", "body", "level", "url"]})]


class NoticeForm(MessageForm):
    """A notification to chosen users. `token` keeps a double submission from notifying twice."""

    token = forms.CharField(max_length=64, widget=forms.HiddenInput)


class SendsNotifications(AnyModelAdmin):
    """A mixin that gives an admin of users or groups the action “Send a notification…”."""

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        inner = super().get_actions
        if getattr(action_location, "name", "CHANGE_LIST") != "CHANGE_LIST":
            # This argument is new in Django 6.1; an admin of the project may not take it yet.
            is_known = "action_location" in signature(inner).parameters
            return inner(request, action_location) if is_known else {}  # type: ignore[call-arg]
        actions = dict(inner(request))
        # As in Django: an admin may have actions disabled, and a popup has none.
        if may_send(request) and self.actions is not None and IS_POPUP_VAR not in request.GET:
            actions[NAME] = self.get_action(NAME)
        return actions

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Count the notifications deleted with users, which may be too many to list."""
        listed, counts, *rest = super().get_deleted_objects(objs, request)
        total = 0
        if issubclass(self.model, get_user_model()):
            total = Notification.objects.filter(recipient__in=map(user_key, objs)).count()
        if total:
            counts[str(Notification._meta.verbose_name_plural)] = total
        return listed, counts, *rest

    @admin.action(description=gettext_lazy("Send a notification…"))
    def send_notification(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Ask for a notification and send it to the users; for groups, open a new broadcast."""
        check_may_send(request)
        if issubclass(queryset.model, Group):
            pks = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True))
            address = reverse("admin:notifications_broadcast_add", current_app=self.admin_site.name)
            return redirect(f"{address}?{urlencode({'audience': Audience.GROUPS, 'groups': pks})}")
        if "token" not in request.POST:
            return self._ask(request, queryset, NoticeForm(initial={"token": new_token()}))
        form = NoticeForm(request.POST)
        if not form.is_valid():
            return self._ask(request, queryset, form)
        return self._tell(request, queryset, form)

    def _ask(self, request: HttpRequest, users: QuerySet[Any], form: NoticeForm) -> HttpResponse:
        request.current_app = self.admin_site.name
        # Distinct, because an admin may list a user once per group.
        count = users.aggregate(users=Count("pk", distinct=True))["users"]
        selected = ngettext("%(number)s user selected", "%(number)s users selected", count)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Send a notification"),
            "subtitle": selected % {"number": number(count)},
            "opts": self.opts,
            "form": form,
            "adminform": helpers.AdminForm(form, FIELDS, {}, model_admin=self),
            "errors": form.errors,
            "action": NAME,
            "selection": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
            "is_across": request.POST.get("select_across") == "1",
        }
        return TemplateResponse(request, "notifications/admin/notify.html", context)

    def _tell(self, request: HttpRequest, users: QuerySet[Any], form: NoticeForm) -> HttpResponse:
        title = form.cleaned_data["title"]
        try:
            notified = notify_many(
                users, form.payload(), key=f"admin.{form.cleaned_data['token']}", if_exists="keep"
            )
        except PartiallyNotifiedError as exc:
            log_notified(request, users, exc.notified, title)
            self.message_user(request, partial_text(exc.notified), messages.ERROR)
            return self._ask(request, users, form)
        if not notified:
            self.message_user(
                request, _("All of them had already been notified."), messages.WARNING
            )
        else:
            log_notified(request, users, notified, title)
            text = _("“%(title)s” was sent to %(users)s.")
            shown = {"title": title, "users": count_of_users(notified)}
            self.message_user(request, text % shown, messages.SUCCESS)
        return redirect(request.get_full_path())


def new_token() -> str:
    """Return a random token for one form."""
    return secrets.token_urlsafe(16)


def partial_text(notified: int) -> str:
    """Return the message that only some users were notified, and what to do."""
    return _(
        "It stopped halfway: it reached %(users)s, but not the rest. Send it again; nobody gets it "
        "twice."
    ) % {"users": count_of_users(notified)}
