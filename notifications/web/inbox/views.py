"""The inbox as a page with forms, which needs no script; api.py has the JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.template.loader import select_template
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from ...actions import marks
from ...message.recipients import user_key
from ...store import user_state
from ...wire.items import timestamp
from ...wire.protocol import OtherUserError, check_user
from . import page as inbox
from .selection import SELECTED_MAX, Selection, read_ids

LAYOUTS = ["notifications/layout.html", "base.html", "notifications/standalone.html"]
FRAGMENT = "notifications/fragment.html"
READ_ALL = "read_all"
# The value of a button is this for the ticked notifications, or one or more ids joined by dots.
SELECTED = "selected"

_VERBS: dict[str, Callable[[Any, Iterable[str]], int]] = {
    "read": marks.mark_read,
    "unread": marks.mark_unread,
    "remove": marks.remove,
    "restore": marks.restore,
}


def of_one_user(page: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Wrap a page to refuse forms that were rendered for another user, and to reload it then."""

    @never_cache
    @login_required
    @wraps(page)
    def checked(request: HttpRequest) -> HttpResponse:
        try:
            check_user(request.POST.dict(), user_key(request.user))
        except OtherUserError:
            text = _("The page was out of date. Nothing was changed.")
            messages.warning(request, text, fail_silently=True)
            return redirect(request.get_full_path())
        return page(request)

    return checked


@require_http_methods(["GET", "HEAD", "POST"])
@of_one_user
def inbox_page(request: HttpRequest) -> HttpResponse:
    """Show a page of the user's inbox; on POST carry out a button's verb and return to it."""
    selection = Selection.from_query(request.GET.dict())
    if request.method == "POST":
        return _change(request, selection)
    state = user_state.of_visitor(request)
    assert state is not None  # noqa: S101  @login_required lets nobody else in
    # A layout would consume the messages of `django.contrib.messages`, but a script shows none.
    is_script = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    context = {
        "inbox": inbox.read(state, selection),
        "page_user": str(user_key(request.user)),
        "now": timestamp(datetime.now(UTC)),
        "layout": select_template([FRAGMENT] if is_script else LAYOUTS),
    }
    return render(request, "notifications/inbox.html", context)


def _change(request: HttpRequest, selection: Selection) -> HttpResponse:
    done = replace(selection, removed=())
    if READ_ALL in request.POST:
        marks.mark_all_read(request.user)
        return _redirect(done)
    verb = next((name for name in _VERBS if name in request.POST), None)
    if verb is None:
        return _refuse(f"Send one of {', '.join([*_VERBS, READ_ALL])}.")
    value = request.POST[verb]
    ids = read_ids(request.POST.getlist("ids") if value == SELECTED else value.split("."))
    if len(ids) > SELECTED_MAX:
        return _refuse(f"Send at most {SELECTED_MAX} notifications at once.")
    if not ids:
        messages.warning(request, _("Select notifications first."), fail_silently=True)
        return _redirect(selection)
    _VERBS[verb](request.user, ids)
    return _redirect(replace(done, removed=tuple(ids)) if verb == "remove" else done)


def _redirect(selection: Selection) -> HttpResponse:
    return redirect(reverse("notifications:inbox") + selection.query)


def _refuse(detail: str) -> HttpResponse:
    return HttpResponseBadRequest(detail, content_type="text/plain; charset=utf-8")
