"""The views for log-in and sign-up, which redirect with care."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import login, views
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import rotate_token
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from .forms import SignUpForm
from .throttling import SIGN_UP, locked_out, may_try

HAS_SIGNED_UP = "has_signed_up"
SESSION_PAGES = ("accounts:login", "accounts:logout", "accounts:signup")


class OnwardMixin(views.RedirectURLMixin):
    """A mixin that redirects to `next` if that is safe and not one of `SESSION_PAGES`.

    A `next` with the log-in page would loop, and one with log-out would answer 405.
    """

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        url = super().get_redirect_url(*args, **kwargs)
        return "" if urlsplit(url).path in map(reverse, SESSION_PAGES) else url

    def get_default_redirect_url(self) -> str:
        return resolve_url(settings.LOGIN_REDIRECT_URL)


class LoginView(OnwardMixin, views.LoginView):
    """The log-in page."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        has_signed_up = self.request.session.pop(HAS_SIGNED_UP, False)
        return super().get_context_data(
            has_demo_users=settings.DEBUG, has_signed_up=has_signed_up, **kwargs
        )


@method_decorator([sensitive_post_parameters(), never_cache], name="dispatch")
class SignUpView(OnwardMixin, FormView):  # type: ignore[type-arg]  # not generic at run time
    """The sign-up page, which logs the new user in."""

    template_name = "accounts/signup.html"
    form_class = SignUpForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        if not may_try(self.request, SIGN_UP):
            return locked_out(self.request)
        if user := form.register():
            login(self.request, user, backend=settings.AUTHENTICATION_BACKENDS[-1])
        else:
            # The response is the same as for a free name, including cookies, so that names cannot
            # be guessed quickly; the page it leads to asks for a log-in.
            self.request.session.cycle_key()
            self.request.session[HAS_SIGNED_UP] = True
            rotate_token(self.request)
        return HttpResponseRedirect(self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)
