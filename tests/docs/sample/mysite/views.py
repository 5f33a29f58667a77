"""The pages of the intranet."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from notifications import notify


@login_required
def home(request):
    return render(request, "home.html")


@login_required
@require_POST
def ask_for_holidays(request):
    notify(request.user, {"title": "You asked for holidays", "url": "/intranet/"})
    return redirect("home")
