"""The documentation holds what it says: settings are all there, code runs, links lead somewhere."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db.models.signals import post_save
from django.test import RequestFactory

from accounts.models import User
from notifications.conf import Conf, Setting
from notifications.models import Notification
from notifier import settings as project_settings
from tests.docs.markdown import blocks, commands
from tests.support.factories import make_user
from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database

README = ROOT / "README.md"
INDEX = ROOT / "docs/README.md"
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
SETTINGS = (ROOT / "docs/settings.md").read_text()
WIDGET = (ROOT / "docs/widget.md").read_text()
RELIABILITY = (ROOT / "docs/reliability.md").read_text()
HOMES = [ROOT, ROOT / "notifications", ROOT / "static/js/notifications", ROOT / "docs"]
INNER_PARTS = {"polite", "urgent", "spoken", "inbox", "state"}  # what nobody sees, or sees twice
ONE_LINER = (
    ".venv/bin/python manage.py shell -c 'from notifications import notify; "
    "from django.contrib.auth import get_user_model as U; "
    'notify(U().objects.get(username="alice"), "Hello")\''
)


@pytest.mark.parametrize("setting", Conf.all(), ids=lambda setting: setting.name)
def test_every_setting_is_documented_with_its_default(setting: Setting[Any]) -> None:
    assert re.search(rf"^\| `{setting.name}` \| `{setting.default}` \|", SETTINGS, re.MULTILINE)


def test_no_setting_is_documented_that_is_not_there() -> None:
    documented = set(re.findall(r"NOTIFICATIONS_[A-Z_]+", SETTINGS))

    assert documented == {setting.name for setting in Conf.all()}


def test_every_setting_of_django_that_the_app_reads_is_documented() -> None:
    sources = "".join(path.read_text() for path in ROOT.glob("notifications/**/*.py"))
    read = set(re.findall(r"\bsettings\.([A-Z_]+)\b", sources))

    assert read
    assert [name for name in read if f"`{name}`" not in SETTINGS] == []


def test_every_variable_of_the_project_is_documented() -> None:
    read = re.findall(r'env\.\w+\(\s*"(\w+)"', inspect.getsource(project_settings))

    assert read
    assert [name for name in read if f"| `{name}`" not in SETTINGS] == []


def test_every_property_and_part_of_the_widget_is_documented() -> None:
    styles = "".join(path.read_text() for path in ROOT.glob("static/css/notifications/*.css"))
    markup = "".join(
        (ROOT / f"templates/notifications/_{name}.html").read_text()
        for name in ("bell", "toast", "toasts")
    )
    names = set(re.findall(r"--notification-([a-z-]+)", styles))
    parts = {part for each in re.findall(r' part="([^"]+)"', markup) for part in each.split()}

    assert [name for name in names if f"-{name}`" not in WIDGET] == []
    assert [part for part in parts - INNER_PARTS if f"`{part}`" not in WIDGET] == []


def test_each_test_that_the_page_on_reliability_names_exists() -> None:
    named = list(named_tests(RELIABILITY))

    assert len(named) > 100
    assert [each for each in named if not is_a_test(*each)] == []


@pytest.mark.parametrize(
    ("cell", "exists"),
    [
        ("`wire/test_server_limits`: many requests at once", True),
        ("`wire/test_server_limits`, `test_logs`", True),
        ("`wire/test_server_limits`: few requests at once", False),
        ("`wire/test_window`", False),
    ],
)
def test_a_test_that_is_not_there_is_found_out(cell: str, exists: bool) -> None:
    assert all(is_a_test(*each) for each in named_tests(f"| a | b | {cell} |")) is exists


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`((?!mysite/)(?:[a-z_-]+/)+[a-z_-]+\.(?:py|js|md|json))`", text))

    assert [name for name in named if not any((home / name).exists() for home in HOMES)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r'\]\(([^)]+)\)|(?:src|srcset|href)="([^"]+)"', text)
    targets = {target for link in links for target in link if target and "://" not in target}

    assert [each for each in targets if not leads_somewhere(document, each)] == []


def test_the_index_names_each_guide() -> None:
    guides = ROOT.glob("docs/**/*.md")
    names = [path.relative_to(INDEX.parent) for path in guides if path != INDEX]

    assert [name for name in names if f"]({name})" not in INDEX.read_text()] == []


def named_tests(table: str) -> Iterator[tuple[list[str], str]]:
    """Yield the files that a last cell names, with words from the name of each test, if any."""
    for cell in re.findall(r"^\|.*\| (.+) \|$", table, re.MULTILINE):
        for part in cell.split("; "):
            names, _, tests = part.partition("`: ")
            files = re.findall(r"`((?:\w+/)*test_\w+)", names)
            for words in tests.split(", ") if files else ():
                yield files, words


def is_a_test(files: list[str], words: str) -> bool:
    """Tell whether all these files exist, and one of them has a test whose name has these words."""
    paths = [ROOT / f"tests/{file}.py" for file in files]
    if not all(path.exists() for path in paths):
        return False
    name = re.sub(r"\W+", "_", words.lower())
    return any(re.search(rf"def test_\w*{name}", path.read_text()) for path in paths)


def leads_somewhere(document: Path, target: str) -> bool:
    """Tell whether a relative link names a file, and in it a heading if it has a fragment."""
    name, _, fragment = target.partition("#")
    path = document.parent / name if name else document
    if not path.exists():
        return False
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) if fragment else []
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    return not fragment or fragment in anchors


def test_the_readme_has_the_line_that_shows_a_toast() -> None:
    assert commands(README, ".venv/bin/python") == [ONE_LINER]


@pytest.fixture
def example() -> Iterator[dict[str, Any]]:
    """Run the README's code and return its names; its shop is in guide-apps/."""
    [block] = blocks(README, "python")
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block.text, str(README), "exec"), names)
    yield names
    post_save.disconnect(names["tell_customer"], sender=names["Order"])


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


def test_the_views_of_the_readme_notify(example: dict[str, Any], alice: User) -> None:
    request = RequestFactory().post("/")
    request.user = alice

    example["save"](request)
    async_to_sync(example["report"])(request)

    titles = Notification.objects.of(alice.pk).values_list("title", flat=True)
    assert set(titles) == {"Changes saved", "Your report is ready"}


def test_the_signal_of_the_readme_notifies(example: dict[str, Any], alice: User) -> None:
    order = example["Order"].objects.create(user=alice)
    order.save()

    assert Notification.objects.filter(title=f"Order {order} placed").count() == 1


def test_the_task_of_the_readme_rewrites_one_notification(
    example: dict[str, Any], alice: User
) -> None:
    example["import_contacts"](alice, ["Ann", "Ben"])

    assert Notification.objects.get().data == {"progress": 100}
