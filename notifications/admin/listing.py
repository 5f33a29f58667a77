"""The list of broadcasts: its columns, its filter, and the view that updates its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..message.audience import Audience
from ..models import Broadcast, State
from ..wire.protocol import whole_number
from .live import figures, moment_text
from .permission import check_may_send

if TYPE_CHECKING:
    BroadcastModelAdmin = admin.ModelAdmin[Broadcast]
else:
    BroadcastModelAdmin = admin.ModelAdmin

ASKED_MAX = 100


class StateFilter(admin.SimpleListFilter):
    """A filter by the state of a broadcast."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(State.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        state = self.value()
        return queryset.in_state(state) if state in State.values else queryset


class BroadcastList(ChangeList):
    """A page of the list, whose broadcasts have their figures as an attribute."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and count for all its broadcasts at once."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        shown = figures(self.result_list)
        for broadcast in self.result_list:
            broadcast.figures = shown[broadcast.pk]


class Listing(BroadcastModelAdmin):
    """An admin of broadcasts whose list updates its numbers while it is open."""

    list_display = ["title", "state", "online", "seen", "read", "to", "sender", "dated"]
    list_filter = [StateFilter, "audience"]
    list_select_related = ["sender"]
    list_per_page = 50
    list_max_show_all = ASKED_MAX
    search_fields = ["title", "body"]
    ordering = ["-pk"]
    change_list_template = "notifications/admin/broadcast_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Broadcast]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return BroadcastList

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.figures_view)
        ours = path("figures/", view, name="notifications_broadcast_figures")
        return [ours, *super().get_urls()]

    def figures_view(self, request: HttpRequest) -> HttpResponse:
        """Return the figures of the broadcasts in `?ids=7,8` as JSON."""
        check_may_send(request)
        pks = [whole_number(text) for text in request.GET.get("ids", "").split(",")]
        if len(pks) > ASKED_MAX or None in pks:
            return HttpResponseBadRequest(f"Give 1 to {ASKED_MAX} ids, as in ?ids=7,8.")
        return JsonResponse(dict(figures(self.get_queryset(request).filter(pk__in=pks))))

    @admin.display(description=gettext_lazy("state"))
    def state(self, broadcast: Broadcast) -> SafeString:
        return state_badge(broadcast)

    @admin.display(description=gettext_lazy("audience"))
    def to(self, broadcast: Broadcast) -> str:
        return audience_text(broadcast)

    @admin.display(description=gettext_lazy("when"))
    def dated(self, broadcast: Broadcast) -> str:
        moment = broadcast.published_at or broadcast.starts or broadcast.created
        return moment_text(moment, "SHORT_DATETIME_FORMAT")

    @admin.display(description=gettext_lazy("online"))
    def online(self, broadcast: Any) -> SafeString:
        return figure(broadcast, "online")

    @admin.display(description=gettext_lazy("seen"))
    def seen(self, broadcast: Any) -> SafeString:
        return figure(broadcast, "seen")

    @admin.display(description=gettext_lazy("read"))
    def read(self, broadcast: Any) -> SafeString:
        return figure(broadcast, "read")


def state_badge(broadcast: Broadcast) -> SafeString:
    """Return a broadcast's state as a badge; `notifications-admin/figures.js` updates it."""
    return format_html(
        '<span class="broadcast-state" data-broadcast="{}" data-state="{}">{}</span>',
        broadcast.pk,
        broadcast.state.value,
        broadcast.state.label,
    )


def figure(broadcast: Any, name: str) -> SafeString:
    """Return one of a broadcast's figures as HTML; the same script updates it."""
    return format_html(
        '<span class="broadcast-figure" data-broadcast="{}" data-figure="{}">{}</span>',
        broadcast.pk,
        name,
        broadcast.figures[name],
    )


def audience_text(broadcast: Broadcast) -> str:
    """Return a broadcast's audience as text, with the names of its groups."""
    if broadcast.audience != Audience.GROUPS:
        return str(Audience(broadcast.audience).label)
    names = ", ".join(sorted(group.name for group in broadcast.groups.all()))
    return _("Groups: %(names)s") % {"names": names}
