"""The home page and the views of its buttons, which notify and redirect to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from notifications import notify
from notifications.message.kinds import Level

from . import jobs
from .forms import LevelForm, NoteForm, TitleForm
from .models import Order
from .texts import EXAMPLES

HOME = "demo:home"


class UserRequest(HttpRequest):
    """A request from a user who is logged in."""

    user: User


View = Callable[[UserRequest], HttpResponse]


def action(view: View) -> Callable[..., HttpResponse]:
    """Decorate the view of a button, which gets only POST requests of logged-in users.

    A GET redirects home. It comes from the log-in page if the session ended before the POST.
    """

    @wraps(view)
    def posted(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return redirect(HOME)
        return view(cast("UserRequest", request))

    return login_required(posted)


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show a card for each way to notify."""
    return _page(cast("UserRequest", request))


@action
def send_level(request: UserRequest) -> HttpResponse:
    """Send a stored notification of the level whose button was pressed."""
    form = LevelForm(request.POST)
    if not form.is_valid():
        return _page(request, level_form=form)
    level = form.cleaned_data["level"]
    notify(request.user, {**EXAMPLES[level], "level": level})
    return redirect(HOME)


@action
def send_transient(request: UserRequest) -> HttpResponse:
    """Send a transient toast; status 204 keeps the browser on the page that shows it."""
    notify(request.user, _("Link copied"), transient=True)
    return HttpResponse(status=204)


@action
def save(request: UserRequest) -> HttpResponse:
    """Save a form and redirect; the toast appears on the next page."""
    form = TitleForm(request.POST)
    if not form.is_valid():
        return _page(request, title_form=form)
    notify(request.user, {"title": form.cleaned_data["title"], "kind": "changes.saved"})
    return redirect(HOME)


@action
def advance_order(request: UserRequest) -> HttpResponse:
    """Move the order on. The trigger notifies, as it does for a change in the admin."""
    Order.objects.advance_for(request.user)
    return redirect(HOME)


@action
def start_job(request: UserRequest) -> HttpResponse:
    """Start the long job unless the user's last one is still running."""
    if jobs.start(request.user) is None:
        messages.warning(request, _("Your import is still running. Let it finish first."))
    return redirect(HOME)


@action
def send_note(request: UserRequest) -> HttpResponse:
    """Send a note to another user, with a link to answer it."""
    form = NoteForm(request.POST, sender=request.user)
    if not form.is_valid():
        return _page(request, note_form=form)
    recipient = form.cleaned_data["recipient"]
    note = {
        "title": _("Note from %(name)s") % {"name": request.user.display_name},
        "body": form.cleaned_data["text"],
        "url": f"{reverse(HOME)}?to={request.user.pk}#note",
        "kind": "note",
    }
    notify(recipient, note, thread=f"notes-from-{request.user.pk}")
    sent = _("Your note to %(name)s is on its way.") % {"name": recipient.display_name}
    messages.success(request, sent)
    return redirect(HOME)


def _page(request: UserRequest, **refused: Form) -> HttpResponse:
    answer_to = {"recipient": request.GET.get("to")}
    context = {
        "levels": Level.choices,
        "order": Order.objects.newest_of(request.user),
        "statuses": Order.Status.choices,
        "title_form": TitleForm(),
        "note_form": NoteForm(sender=request.user, initial=answer_to),
        **refused,
    }
    return render(request, "demo/home.html", context, status=422 if refused else 200)
