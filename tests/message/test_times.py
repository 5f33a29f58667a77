"""Moments where the database has them without a time zone, and zones of every form."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from notifications import anotify, broadcast, change_broadcast, mute, notify, set_quiet_hours
from notifications.actions.retention import prune, remove_expired
from notifications.management.doctor.database import look_at_clock
from notifications.management.doctor.patient import Patient
from notifications.message.times import LAST_MOMENT, aware, local, storable
from notifications.models import Broadcast, Inbox, Mute, Notification
from notifications.realtime.threads import end_threads
from notifications.testing import NotificationClient
from tests.support.factories import make_user
from tests.support.inboxes import told

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
INBOX = "/notifications/"
PREFERENCES = "/notifications/preferences/"
LIST = "/admin/notifications/broadcast/"
ADD = f"{LIST}add/"


@pytest.fixture(params=[("Asia/Tokyo", False), ("America/St_Johns", False), ("Asia/Tokyo", True)])
def site(request: pytest.FixtureRequest, settings: Settings) -> None:
    """Set the site's time zone, with and without USE_TZ."""
    settings.TIME_ZONE, settings.USE_TZ = request.param
    settings.SECRET_KEY = "a key that nobody knows"
    end_threads()  # a connection to PostgreSQL keeps the USE_TZ that it was opened with


@pytest.fixture
def alice(site: None) -> User:
    return make_user("alice", is_staff=True, is_superuser=True)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def is_now(moment: datetime) -> bool:
    return abs(moment - datetime.now(UTC)) < HOUR / 2


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)


def get(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_a_moment_of_the_database_has_a_zone(site: None) -> None:
    now = timezone.now()

    assert is_now(aware(now))
    assert is_now(local(now))
    assert storable(aware(now)) == now


def test_an_item_tells_its_time_in_utc(browser: Client, alice: User) -> None:
    told(alice, "Hello", expires=HOUR)

    [item] = browser.get(f"{INBOX}feed/?u=0").json()["items"]

    assert is_now(read(item["created"]))
    assert is_now(read(item["expires"]) - HOUR)


def test_the_inbox_page_tells_the_time(browser: Client, alice: User) -> None:
    told(alice)

    page = get(browser, INBOX)

    [moment] = re.findall(r'<time[^>]* datetime="([^"]+)"', page)
    assert is_now(read(moment))
    assert ">Today</h2>" in page


def test_what_expires_goes(alice: User) -> None:
    row = told(alice, expires=0.001)
    told(alice, expires=HOUR)
    row.expires = timezone.now() - HOUR
    row.save()

    assert remove_expired() == 1


def test_what_is_old_is_pruned(alice: User) -> None:
    told(alice)
    Notification.objects.update(created=timezone.now() - 2 * DAY)

    assert prune(read=DAY, unread=DAY, removed=DAY).removed == 1


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Kolkata", "Asia/Calcutta", "Etc/GMT+5", "US/Pacific", "EST5EDT", "Japan"]
)
def test_quiet_hours_are_those_of_the_users_zone(alice: User, zone: str) -> None:
    there = datetime.now(UTC).astimezone(ZoneInfo(zone))
    set_quiet_hours(alice, (there - HOUR).time(), (there + HOUR).time(), zone)
    assert told(alice).quiet

    set_quiet_hours(alice, (there + HOUR).time(), (there + 2 * HOUR).time(), zone)
    assert not told(alice).quiet


@pytest.fixture
def without_zones() -> Iterator[None]:
    """Take away the machine's own time zones; newer systems lack those of old names."""
    reset_tzpath(to=())
    ZoneInfo.clear_cache()
    yield
    reset_tzpath()
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("without_zones")
@pytest.mark.one_database
@pytest.mark.parametrize("zone", ["Asia/Calcutta", "US/Pacific", "Europe/Kiev", "Etc/GMT+5"])
def test_zones_need_nothing_of_the_machine(browser: Client, zone: str) -> None:
    body = {"from": "22:00", "until": "07:00", "time_zone": zone}

    answer = browser.post(f"{INBOX}quiet-hours/", body, content_type="application/json")

    assert answer.json()["quiet_hours"]["time_zone"] == zone
    assert "Europe/Berlin" in get(browser, PREFERENCES)


@pytest.mark.one_database
@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../UTC", "Europe", "/etc/passwd", "x" * 60])
def test_a_zone_that_is_gone_is_that_of_the_site(alice: User, zone: str) -> None:
    here = local(timezone.now())
    set_quiet_hours(alice, (here - HOUR).time(), (here + HOUR).time())
    Inbox.objects.update(time_zone=zone)

    assert told(alice).quiet


@pytest.mark.one_database
@pytest.mark.parametrize("zone", ["Mars/Olympus", "../UTC", "Europe", "\0", "x" * 300, "\ud800"])
def test_a_zone_that_there_is_not_is_told(alice: User, zone: str) -> None:
    with pytest.raises(ValueError, match="time_zone is"):
        set_quiet_hours(alice, time(22), time(7), zone)


def test_a_mute_ends_at_the_moment_that_a_browser_names(browser: Client, alice: User) -> None:
    until = datetime.now(UTC) + DAY
    body = {"group_key": "order-7", "until": until.isoformat()}

    answer = browser.post(f"{INBOX}mute/", body, content_type="application/json").json()

    assert abs(aware(Mute.objects.get().until or timezone.now()) - until) < HOUR / 2
    assert abs(read(answer["threads"][0]["until"]) - until) < HOUR / 2
    assert not notify(alice, "Hello", thread="order-7")
    assert "<time" in get(browser, PREFERENCES)


@pytest.mark.one_database
def test_quiet_hours_and_mutes_are_set_on_the_page(browser: Client, alice: User) -> None:
    hours = {"quiet": "1", "starts": "22:00", "ends": "07:00", "time_zone": "Asia/Tokyo"}
    assert browser.post(PREFERENCES, hours).status_code == 302
    assert browser.post(PREFERENCES, {"thread": "x", "span": "hour"}).status_code == 302

    assert 'value="22:00"' in get(browser, PREFERENCES)


def test_a_broadcast_has_its_time(alice: User) -> None:
    now = timezone.now()
    row = broadcast("Later", starts=now + HOUR, expires=now + DAY)
    assert isinstance(row, Broadcast)

    change_broadcast(row, "Later still", expires=now + 2 * DAY)
    Broadcast.objects.update(starts=now - HOUR)
    call_command("publish_due", verbosity=0)

    row.refresh_from_db()
    assert row.published_at


@pytest.mark.one_database
def test_the_admin_shows_lists_and_forms(browser: Client, alice: User) -> None:
    now = timezone.now()
    rows = [broadcast("Now"), broadcast("Later", starts=now + HOUR, expires=now + DAY)]
    draft = {"title": "Draft", "level": "info", "audience": "everyone", "when": "later"}
    draft |= {"starts": "2090-01-01T10:00", "expires": "2090-01-02T10:00"}

    assert browser.post(ADD, {**draft, "_save": "1"}).status_code == 302
    draft_pk = Broadcast.objects.get(title="Draft").pk

    get(browser, LIST)
    assert "2090-01-01T10:00" in get(browser, f"{LIST}{draft_pk}/change/")
    get(browser, f"{LIST}{draft_pk}/send/")
    for row in rows:
        assert isinstance(row, Broadcast)
        get(browser, f"{LIST}{row.pk}/change/")
        get(browser, f"{LIST}{row.pk}/recall/")


@pytest.mark.parametrize(
    "when", ["+2h", "2090-01-01T08:00", "2090-01-01T08:00+05:30", "2090-01-01"]
)
def test_commands_take_and_tell_moments(
    alice: User, when: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("broadcast", "Hello", "--at", when, "--expires", "2090-02-01")
    call_command("notify", "alice", "Hello", "--expires", when)

    assert "is scheduled for 20" in capsys.readouterr().out
    starts, expires = Broadcast.objects.get().starts, Notification.objects.get().expires
    assert starts
    assert expires
    assert abs(aware(starts) - aware(expires)) < timedelta(minutes=1)


# The end of the calendar, where some time zones have no date any more


def at_the_end(ago: timedelta) -> datetime:
    """Return a moment so long before the end, as a developer has it."""
    return storable(datetime(9999, 12, 31, tzinfo=UTC) - ago)


def test_the_last_moment_that_can_be_is_shown_everywhere(
    browser: Client, alice: User, settings: Settings
) -> None:
    mute(alice, thread="order-7", until=storable(LAST_MOMENT))
    row = broadcast("Hello", expires=storable(LAST_MOMENT))
    assert isinstance(row, Broadcast)

    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
        with timezone.override(zone):
            for address in (PREFERENCES, f"{INBOX}mutes/", INBOX, LIST, f"{LIST}{row.pk}/change/"):
                get(browser, address)


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(hours=23)])
def test_a_later_one_is_refused_where_it_is_named(
    browser: Client, alice: User, ago: timedelta
) -> None:
    late = at_the_end(ago)
    for act in (
        lambda: mute(alice, thread="order-7", until=late),
        lambda: broadcast("Hello", starts=late),
        lambda: broadcast("Hello", expires=late),
        lambda: notify(alice, "Hello", expires=late - timezone.now()),
    ):
        with pytest.raises(ValueError, match="9999"):
            act()
    with pytest.raises(CommandError, match="must be like"):
        call_command("broadcast", "Hello", "--expires", late.isoformat())
    body = {"group_key": "order-7", "until": aware(late).isoformat()}
    answer = browser.post(f"{INBOX}mute/", body, content_type="application/json")
    draft = {"title": "Draft", "level": "info", "audience": "everyone", "when": "later"}
    page = browser.post(ADD, {**draft, "starts": f"{local(late):%Y-%m-%dT%H:%M}"})

    assert (answer.status_code, page.status_code) == (400, 200)
    assert "9999-12-30" in answer.json()["error"]["detail"]
    assert "less than or equal to 9999-12-" in page.content.decode()
    assert not Mute.objects.exists()
    assert not Broadcast.objects.exists()


def test_the_doctor_finds_the_clock_right(alice: User) -> None:
    assert look_at_clock(Patient()).state == "ok"


@pytest.mark.django_db(transaction=True)
async def test_a_tab_hears_what_is_new(site: None) -> None:
    ann = await User.objects.acreate(username="ann")

    async with NotificationClient(ann) as tab:
        await anotify(ann, "Hello", expires=HOUR)
        await tab.catch_up()

    [shown] = tab.shown
    assert shown.title == "Hello"
    assert shown.created
    assert is_now(shown.created)
