"""Users of the plainest model that Django's documentation shows: no groups, `is_staff` no field."""

from pathlib import Path

import pytest

from tests.support.projects import run_site

pytestmark = pytest.mark.one_database

MODELS = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models

class Member(AbstractBaseUser):
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_admin = models.BooleanField(default=False)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()

    def has_perm(self, perm, obj=None):
        return True

    def has_module_perms(self, app_label):
        return True

    @property
    def is_staff(self):
        return self.is_admin
"""
SITE = """
import os
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    SECRET_KEY="-",
    ALLOWED_HOSTS=["*"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
        "django.contrib.messages", "django.contrib.sessions", "people", "notifications",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [os.environ["PYTHONPATH"] + "/templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]},
    }],
    ROOT_URLCONF="people.urls",
    STATIC_URL="static/",
    AUTH_USER_MODEL="people.Member",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()
from django.contrib.auth.models import Group
from django.test import Client
from django.test.utils import setup_test_environment
from notifications import broadcast, notify_many
from notifications.models import Broadcast
from people.models import Member

call_command("makemigrations", "people", verbosity=0)
call_command("migrate", verbosity=0)
ann = Member.objects.create(email="ann@example.com", is_admin=True)
group = Group.objects.create(name="all")
print(notify_many(Member.objects.all(), "Hello"))
for audience in ("staff", group):
    try:
        broadcast("News", audience)
    except ValueError as exc:
        print(exc)
setup_test_environment()  # or pages come without their context
admin = Client()
admin.force_login(ann)
said = {"title": "News", "level": "info", "groups": [group.pk], "when": "now"}
for audience in ("everyone", "staff", "groups"):
    page = admin.post("/admin/notifications/broadcast/add/", said | {"audience": audience})
    errors = page.context["adminform"].form.errors if page.context else {}
    print(page.status_code, [text for texts in errors.values() for text in texts])
for row in (Broadcast(title="For the staff", audience="staff"), Broadcast(audience="groups")):
    row.save()
    row.groups.add(group)
    page = admin.get(f"/admin/notifications/broadcast/{row.pk}/send/", follow=True)
    print(page.status_code, *page.context["messages"])
"""
URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls), path("notifications/", include("notifications.urls")),
]
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what the site prints, line by line."""
    directory: Path = tmp_path_factory.mktemp("site")
    (directory / "people").mkdir()
    (directory / "people/__init__.py").touch()
    (directory / "people/models.py").write_text(MODELS)
    (directory / "people/urls.py").write_text(URLS)
    return run_site(directory, SITE)


def test_an_audience_that_such_users_cannot_tell_is_refused_with_the_reason(
    printed: list[str],
) -> None:
    told, staff, groups = printed[:3]

    assert told == "1"
    refusal = "Member has no field for the audience"
    assert staff.startswith(f"{refusal} 'staff': Cannot resolve keyword")
    assert groups.startswith(f"{refusal} 'groups': Cannot resolve keyword")


def test_the_admin_says_that_nobody_is_in_it(printed: list[str]) -> None:
    everyone, staff, groups, *drafts = printed[3:]

    assert everyone == "302 []"
    assert staff == "200 ['Nobody is in this audience.']"
    assert groups == "200 ['Nobody is in these groups.']"
    assert drafts == [
        "200 Audience: Nobody is in this audience.",
        "200 Groups: Nobody is in these groups.",
    ]
