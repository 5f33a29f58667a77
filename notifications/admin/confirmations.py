"""The pages that ask for confirmation before a broadcast is sent or recalled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..actions.broadcasts import recall_broadcast, send_broadcast
from ..message.recipients import user_key
from ..models import Broadcast, BroadcastLog, State
from ..realtime import presence
from ..store.broadcast_counts import Counts, counts, reach
from ..store.transactions import database
from .listing import audience_text
from .live import moment_text, number, online_text
from .permission import check_may_send
from .rules import fingerprint, obstacle

if TYPE_CHECKING:
    BroadcastModelAdmin = admin.ModelAdmin[Broadcast]
else:
    BroadcastModelAdmin = admin.ModelAdmin


class NotDoneError(ValueError):
    """An action was not carried out; the text gives the reason in the user's language."""


class Confirmations(BroadcastModelAdmin):
    """An admin of broadcasts with pages to send and to recall one."""

    def get_urls(self) -> list[URLPattern]:
        views = [("send", self.send_view), ("recall", self.recall_view)]
        ours = [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(view),
                name=f"notifications_broadcast_{name}",
            )
            for name, view in views
        ]
        return [*ours, *super().get_urls()]

    def send_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a draft and how many users it will reach; on POST send it."""
        check_may_send(request)
        broadcast = get_object_or_404(Broadcast, pk=pk)
        if request.method == "POST":
            return self._do(request, pk, self._send)
        problem = obstacle(broadcast)
        if problem:
            return self._back(request, pk, problem)
        context = {"reach": reach_text(broadcast), "fingerprint": fingerprint(broadcast)}
        return self._page(request, broadcast, _("Review and send"), "send", context)

    def recall_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a broadcast to be recalled; on POST recall it."""
        check_may_send(request)
        broadcast = get_object_or_404(Broadcast, pk=pk)
        if request.method == "POST":
            return self._do(request, pk, self._recall)
        if broadcast.state not in (State.LIVE, State.SCHEDULED):
            return self._back(request, pk, not_recallable())
        context = {"counts": counts([broadcast]).get(pk)}
        return self._page(request, broadcast, _("Recall"), "recall", context)

    def _send(self, request: HttpRequest, broadcast: Broadcast) -> str:
        problem = obstacle(broadcast)
        if problem:
            raise NotDoneError(problem)
        if request.POST.get("reviewed") != fingerprint(broadcast):
            raise NotDoneError(_("The draft has changed since you looked at it. Look at it again."))
        broadcast.sender_id = user_key(request.user)
        broadcast.save(update_fields=["sender"])
        send_broadcast(broadcast)
        if broadcast.starts is None:
            self.log_change(request, broadcast, _("Sent."))
            return _("“%(title)s” was sent.") % {"title": broadcast}
        shown = {"title": broadcast, "date": moment_text(broadcast.starts)}
        self.log_change(request, broadcast, _("Scheduled for %(date)s.") % shown)
        return _("“%(title)s” goes out on %(date)s.") % shown

    def _recall(self, request: HttpRequest, broadcast: Broadcast) -> str:
        if broadcast.state not in (State.LIVE, State.SCHEDULED):
            raise NotDoneError(not_recallable())
        counted = counts([broadcast]).get(broadcast.pk)
        recall_broadcast(broadcast)
        self.log_change(request, broadcast, recall_text(counted))
        return _("“%(title)s” was recalled.") % {"title": broadcast}

    # One transaction under the log's lock, so that nobody else changes the broadcast meanwhile.
    def _do(self, request: HttpRequest, pk: int, act: Any) -> HttpResponse:
        try:
            with transaction.atomic(using=database()):
                BroadcastLog.objects.lock()
                done = act(request, get_object_or_404(Broadcast, pk=pk))
        except NotDoneError as exc:
            return self._back(request, pk, str(exc))
        except ValueError as exc:
            return self._back(request, pk, _("Nothing was done: %(why)s") % {"why": exc})
        self.message_user(request, done, messages.SUCCESS)
        return redirect(self.address("changelist"))

    def _back(self, request: HttpRequest, pk: int, problem: str) -> HttpResponse:
        self.message_user(request, problem, messages.ERROR)
        return redirect(self.address("change", pk))

    def _page(
        self,
        request: HttpRequest,
        broadcast: Broadcast,
        title: str,
        name: str,
        context: dict[str, Any],
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        context |= {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "broadcast": broadcast,
            "audience_text": audience_text(broadcast),
        }
        return TemplateResponse(request, f"notifications/admin/{name}.html", context)

    def address(self, name: str, *args: Any) -> str:
        """Return the URL of one of this admin's pages."""
        return reverse(
            f"admin:notifications_broadcast_{name}", args=args, current_app=self.admin_site.name
        )


def reach_text(broadcast: Broadcast) -> str:
    """Return a sentence with the numbers of users a broadcast would reach and of those online."""
    users = reach(broadcast.audience, broadcast.group_pks())
    answer = presence.online([(broadcast.audience, broadcast.group_pks())])
    shown = {"number": number(users)}
    if answer is None:
        return (
            ngettext(
                "Reaches %(number)s user. The number online is unknown: "
                "the broker does not answer.",
                "Reaches %(number)s users. The number online is unknown: "
                "the broker does not answer.",
                users,
            )
            % shown
        )
    shown["online"] = online_text(answer[0])
    return (
        ngettext(
            "Reaches %(number)s user, %(online)s online now",
            "Reaches %(number)s users, %(online)s online now",
            users,
        )
        % shown
    )


def recall_text(counted: Counts | None) -> str:
    """Return the history entry of a recall, with the last counts if it was live."""
    if counted is None:
        return _("Recalled before it went out.")
    return _("Recalled; %(seen)s had seen it, %(read)s had read it.") % {
        "seen": number(counted.seen),
        "read": number(counted.read),
    }


def not_recallable() -> str:
    """Return the message that a broadcast cannot be recalled."""
    return _("Only live or scheduled broadcasts can be recalled. Nothing was changed.")
