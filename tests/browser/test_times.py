"""Times and days on the app's pages: those of the browser's time zone, whatever the server's is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from notifications import mute, notify
from notifications.models import Notification

from .conftest import Aside, NewVisitor
from .tabs import Tab

INBOX = "/notifications/"
PREFERENCES = "/notifications/preferences/"
# In UTC, where the server is, one of the evening of a day and three of the next.
WRITTEN = {
    "a": datetime(2025, 3, 20, 23, 30, tzinfo=UTC),
    "b": datetime(2025, 3, 21, 0, 30, tzinfo=UTC),
    "c": datetime(2025, 3, 21, 14, 30, tzinfo=UTC),
    "d": datetime(2025, 3, 21, 16, 30, tzinfo=UTC),
}


@pytest.fixture
def written(alice: User, aside: Aside) -> None:
    def write() -> None:
        for title, moment in WRITTEN.items():
            notify(alice, {"title": title, "url": f"/?{title}"})
            Notification.objects.filter(title=title).update(created=moment)

    aside(write)


def days(tab: Tab) -> list[str]:
    """Return the headings of the list, each with the titles and times under it."""
    script = """sections => sections.map(section => [
        section.querySelector("h2").textContent,
        ...[...section.querySelectorAll("li")].map(item =>
            item.querySelector(".inbox-link").textContent + " " +
            item.querySelector("time").textContent.replace(/\\s/g, " ")),
    ].join(", "))"""
    found: list[str] = tab.page.locator(".inbox-day").evaluate_all(script)
    return found


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (
            "Asia/Tokyo",
            [
                "March 22, 2025, d 1:30 AM",
                "March 21, 2025, c 11:30 PM, b 9:30 AM, a 8:30 AM",
            ],
        ),
        (
            "America/Los_Angeles",
            ["March 21, 2025, d 9:30 AM, c 7:30 AM", "March 20, 2025, b 5:30 PM, a 4:30 PM"],
        ),
        (
            "Pacific/Apia",
            [
                "March 22, 2025, d 5:30 AM, c 3:30 AM",
                "March 21, 2025, b 1:30 PM, a 12:30 PM",
            ],
        ),
        (
            "Atlantic/Azores",
            ["March 21, 2025, d 3:30 PM, c 1:30 PM", "March 20, 2025, b 11:30 PM, a 10:30 PM"],
        ),
        (
            "UTC",
            [
                "March 21, 2025, d 4:30 PM, c 2:30 PM, b 12:30 AM",
                "March 20, 2025, a 11:30 PM",
            ],
        ),
    ],
)
def test_the_list_has_the_days_and_times_of_the_browser(
    visit: NewVisitor, alice: User, zone: str, expected: list[str]
) -> None:
    tab = visit(alice, timezone_id=zone).open(INBOX)

    assert days(tab) == expected


@pytest.mark.usefixtures("written")
def test_a_list_that_is_drawn_anew_has_them_too(
    visit: NewVisitor, alice: User, aside: Aside
) -> None:
    tab = visit(alice, timezone_id="Asia/Tokyo").open(INBOX)

    aside(lambda: notify(alice, {"title": "Now", "url": "/?now"}))
    expect(tab.page.locator("h2", has_text="Today")).to_be_visible()

    assert days(tab)[0].startswith("Today, Now ")
    assert days(tab)[1:] == [
        "March 22, 2025, d 1:30 AM",
        "March 21, 2025, c 11:30 PM, b 9:30 AM, a 8:30 AM",
    ]
    labelled = tab.page.locator(".inbox-day").evaluate_all(
        "sections => sections.every(each => each.querySelector('h2').id === "
        "each.getAttribute('aria-labelledby'))"
    )
    assert labelled


@pytest.mark.usefixtures("written")
def test_without_scripts_the_times_are_the_servers(visit: NewVisitor, alice: User) -> None:
    tab = visit(alice, timezone_id="Asia/Tokyo", java_script_enabled=False).blank()
    tab.page.goto(INBOX)

    headings = tab.page.locator(".inbox-day-title").all_inner_texts()
    assert headings == ["March 21, 2025", "March 20, 2025"]
    assert tab.page.locator("time").first.inner_text() == "4:30 p.m."


def test_a_mute_ends_at_a_time_of_the_browser(visit: NewVisitor, alice: User, aside: Aside) -> None:
    until = timezone.make_aware(datetime(2125, 3, 21, 16, 30))
    aside(lambda: mute(alice, thread="order-7", until=until))

    tab = visit(alice, timezone_id="Asia/Tokyo").open(PREFERENCES)

    note = tab.page.locator(".preferences-note", has_text="Until")
    expect(note).to_contain_text("3/22/25, 1:30")
