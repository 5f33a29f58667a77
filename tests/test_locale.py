"""German: every text of the sources is in a catalog, translated, and what the pages show."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.test import Client
from django.utils.translation.template import templatize

from notifications import notify
from tests.support.factories import make_user
from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database

APP = ROOT / "notifications/locale/de/LC_MESSAGES/django.po"
SITE = ROOT / "locale/de/LC_MESSAGES/django.po"
CATALOGS = [APP, SITE]
SHIPPED = ROOT / "templates/notifications"
SIMPLE = {"_", "gettext", "gettext_lazy", "gettext_noop"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy"}
PLURAL = {"ngettext", "ngettext_lazy"}

Text = tuple[str | None, str]  # its context, and itself


def python_of(path: Path) -> str:
    """Return a source as Python; what templates say becomes calls, amid masked characters."""
    source = path.read_text()
    if path.suffix == ".py":
        return source
    calls = re.findall(
        r"(?:_|n?p?gettext)\((?:[^()\"']|u?\"(?:\\.|[^\"\\])*\"|u?'(?:\\.|[^'\\])*')*\)",
        templatize(source),
    )
    return "\n".join(calls)


def texts_of(path: Path) -> Iterator[Text]:
    for node in ast.walk(ast.parse(python_of(path))):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            words = [str(each.value) for each in node.args if isinstance(each, ast.Constant)]
            if words and name in SIMPLE | PLURAL:
                yield None, words[0]
            elif words and name in WITH_CONTEXT:
                yield words[0], words[1]


def sources(catalog: Path) -> Iterator[Path]:
    if catalog == APP:
        yield from ROOT.glob("notifications/**/*.py")
        yield from SHIPPED.rglob("*.html")
        return
    for folder in ("accounts", "demo", "notifier"):
        yield from ROOT.glob(f"{folder}/**/*.py")
    yield from (path for path in ROOT.glob("templates/**/*.html") if SHIPPED not in path.parents)


@pytest.mark.parametrize("catalog", CATALOGS, ids=["app", "site"])
def test_every_text_is_in_the_catalog_and_nothing_else(catalog: Path) -> None:
    said = {text for path in sources(catalog) for text in texts_of(path)}

    assert {(entry.msgctxt, entry.msgid) for entry in polib.pofile(str(catalog))} == said


@pytest.mark.parametrize("catalog", CATALOGS, ids=["app", "site"])
def test_every_text_is_translated_with_its_placeholders(catalog: Path) -> None:
    for entry in polib.pofile(str(catalog)):
        assert entry.translated(), entry.msgid
        assert not entry.obsolete
        for text in [entry.msgstr, *entry.msgstr_plural.values()]:
            assert not text or placeholders(text) == placeholders(entry.msgid)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|\{\w+\}|%%|</?\w+>", text))


@pytest.mark.parametrize("catalog", CATALOGS, ids=["app", "site"])
def test_what_is_compiled_is_what_is_written(catalog: Path) -> None:
    written = polib.pofile(str(catalog))
    compiled = polib.mofile(str(catalog.with_suffix(".mo")))

    assert {each.msgid_with_context: (each.msgstr, each.msgstr_plural) for each in compiled} == {
        each.msgid_with_context: (each.msgstr, each.msgstr_plural) for each in written
    }


@pytest.mark.django_db
def test_a_browser_that_wants_german_gets_german() -> None:
    alice = make_user("alice")
    notify(alice, {"title": "Order 7", "level": "success"})
    client = Client(headers={"Accept-Language": "de"})
    client.force_login(alice)

    page = client.get("/notifications/").content.decode()

    assert '<html lang="de"' in page
    for text in ("Posteingang", "Heute", "Benachrichtigungen, 1 ungelesen", "Alle anzeigen"):
        assert text in page
    assert "Alle als gelesen markieren" in page
    assert "Keine Verbindung. Sie wird wiederhergestellt …" in page
