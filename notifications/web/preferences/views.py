"""The preferences page, which needs no script; api.py has the JSON."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.template.loader import select_template
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from ...actions.preferences import (
    Preference,
    TooManyMutesError,
    clear_quiet_hours,
    mute,
    preferences_of,
    set_quiet_hours,
    unmute,
)
from ...message.recipients import user_key
from ...models import Notification
from ..inbox.views import LAYOUTS, of_one_user
from .forms import SPANS, QuietHoursForm, ThreadForm

THREADS_PER_PAGE = 50

RefusedForms = dict[str, Form]
"""The invalid form to show again, by its name in the template's context."""


@require_http_methods(["GET", "HEAD", "POST"])
@of_one_user
def preferences_page(request: HttpRequest) -> HttpResponse:
    """Show the user's mutes and quiet hours; on POST carry out a button and return to them."""
    if request.method != "POST":
        return _page(request, {})
    act = next((act for name, act in _VERBS.items() if name in request.POST), None)
    try:
        if act is None:
            raise ValueError(f"Send one of {', '.join(_VERBS)}.")
        refused = act(request)
    except ValueError as exc:
        return HttpResponseBadRequest(str(exc), content_type="text/plain; charset=utf-8")
    return _page(request, refused) if refused else redirect(_address(_after(request)))


def _page(request: HttpRequest, refused: RefusedForms) -> HttpResponse:
    after = _after(request)
    stored = preferences_of(request.user, after=after, max_threads=THREADS_PER_PAGE)
    if after and not stored.threads:
        after, stored = "", preferences_of(request.user, max_threads=THREADS_PER_PAGE)
    groups: dict[str, list[Preference]] = {}
    for preference in stored.kinds:
        groups.setdefault(str(preference.kind.group), []).append(preference)
    # Kinds without a group come last.
    rest = groups.pop("", [])
    other = [(pgettext("kind of notification", "Other"), rest)] if rest else []
    asked = ThreadForm(request.GET)
    asked.is_valid()
    thread = asked.cleaned_data.get("thread")
    context = {
        "preferences": stored,
        "address": _address(after),
        "first_page": _address("") if after else "",
        "next_page": _address(stored.threads[-1].key) if stored.has_more else "",
        "groups": [*groups.items(), *other],
        "thread_form": ThreadForm(initial={"thread": thread}) if thread else None,
        "hours_form": QuietHoursForm(hours=stored.quiet_hours),
        **refused,
        "page_user": str(user_key(request.user)),
        "layout": select_template(LAYOUTS),
    }
    if form := context["thread_form"]:
        key = str(form["thread"].value())
        # A database may refuse to look for a text that the form refuses.
        context["thread_title"] = key if "thread" in form.errors else _title(request, key)
    status = 422 if refused else 200
    return render(request, "notifications/preferences.html", context, status=status)


def _after(request: HttpRequest) -> str:
    """Return the thread after which this page of threads begins; empty if it is illegal."""
    asked = ThreadForm({"thread": request.GET.get("after", "")})
    asked.is_valid()
    after: str = asked.cleaned_data.get("thread", "")
    return after


def _address(after: str) -> str:
    query = f"?{urlencode({'after': after})}" if after else ""
    return reverse("notifications:preferences") + query


def _title(request: HttpRequest, group_key: str) -> str:
    rows = Notification.objects.of(user_key(request.user)).filter(group_key=group_key)
    return rows.order_by("-seq").values_list("title", flat=True).first() or group_key


def _choose_kinds(request: HttpRequest) -> RefusedForms:
    # A kind that was registered after the page was rendered has no switch on it.
    shown, told = (request.POST.getlist(name) for name in ("shown", "told"))
    for preference in preferences_of(request.user).kinds:
        name, is_muted = preference.kind.name, preference.is_muted
        if name in told and is_muted:
            unmute(request.user, kind=name)
        elif name in shown and name not in told and not (is_muted or preference.kind.critical):
            mute(request.user, kind=name)
    return _done(request, _("Your choice was saved."))


def _choose_quiet_hours(request: HttpRequest) -> RefusedForms:
    form = QuietHoursForm(request.POST, hours=None)
    if not form.is_valid():
        return {"hours_form": form}
    set_quiet_hours(request.user, **form.cleaned_data)
    return _done(request, _("Your quiet hours were saved."))


def _end_quiet_hours(request: HttpRequest) -> RefusedForms:
    clear_quiet_hours(request.user)
    return _done(request, _("Quiet hours are off."))


def _mute(request: HttpRequest) -> RefusedForms:
    form = ThreadForm(request.POST)
    if not form.is_valid():
        return {"thread_form": form}
    key, span = form.cleaned_data["thread"], SPANS[form.cleaned_data["span"]]
    try:
        mute(request.user, thread=key, until=timezone.now() + span if span else None)
    except TooManyMutesError:
        form.add_error(
            "thread", _("You have muted as many threads as you can. Unmute another one first.")
        )
        return {"thread_form": form}
    return _done(request, _("“%(title)s” is muted.") % {"title": _title(request, key)})


def _unmute(request: HttpRequest) -> RefusedForms:
    key = request.POST["unmute"]
    unmute(request.user, thread=key)
    return _done(request, _("“%(title)s” is no longer muted.") % {"title": _title(request, key)})


def _done(request: HttpRequest, text: str) -> RefusedForms:
    messages.success(request, text, fail_silently=True)
    return {}


_VERBS: dict[str, Callable[[HttpRequest], RefusedForms]] = {
    "kinds": _choose_kinds,
    "quiet": _choose_quiet_hours,
    "loud": _end_quiet_hours,
    "span": _mute,
    "unmute": _unmute,
}
