"""The stream and the verbs over HTTP, as a client without a socket uses them."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import mark_read, remove
from notifications.models import Inbox, Notification
from notifications.store import user_state
from tests.support.factories import make_user
from tests.support.inboxes import told

FEED, ITEMS = "/notifications/feed/", "/notifications/items/"
READ, UNREAD, REMOVE = "/notifications/read/", "/notifications/unread/", "/notifications/remove/"
RESTORE, READ_ALL = "/notifications/restore/", "/notifications/read-all/"
GETS = [FEED, ITEMS]
POSTS = [READ, UNREAD, REMOVE, RESTORE, READ_ALL]
MUTES = "/notifications/mutes/"
PREFERENCES = [MUTES, *(f"/notifications/{name}/" for name in ("mute", "unmute", "quiet-hours"))]
READING = [*GETS, MUTES]
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
CSRF_TOKEN = "t" * 32

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def client(alice: User) -> Client:
    """Return a browser in which alice is logged in, with the CSRF check of a real one."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.cookies["csrftoken"] = CSRF_TOKEN
    return client


def ids(*notifications: Notification) -> list[str]:
    return [f"n{notification.pk}" for notification in notifications]


def get(client: Client, path: str, **query: Any) -> Any:
    """Return the JSON of a good answer."""
    response = client.get(path, query)
    assert response.status_code == 200, response.content
    return response.json()


def post(client: Client, path: str, body: object = None) -> Any:
    """Post as the widget does and return the response."""
    return client.post(
        path,
        data=body if isinstance(body, (str, bytes)) else json.dumps(body),
        content_type="application/json",
        headers={"X-CSRFToken": CSRF_TOKEN},
    )


def complaint(response: Any) -> str:
    """Return the detail of a 400."""
    assert response.status_code == 400, response.content
    error = json.loads(response.content)["error"]
    assert error["code"] == "bad_request"
    detail: str = error["detail"]
    return detail


def titles(answer: Any) -> list[str]:
    return [item["title"] for item in answer["items"]]


# Who may call what and how


@pytest.mark.parametrize("path", GETS)
def test_an_anonymous_reader_gets_401_as_json(path: str) -> None:
    response = Client().get(path)

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "login_required"


@pytest.mark.parametrize("path", POSTS)
def test_an_anonymous_writer_gets_401_as_json(path: str) -> None:
    response = post(Client(), path, {"ids": []})

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "login_required"


@pytest.mark.parametrize("path", [*GETS, *POSTS, *PREFERENCES])
def test_a_site_that_requires_log_in_everywhere_still_gets_401_as_json(
    path: str, settings: Settings
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]

    response = Client().get(path) if path in READING else post(Client(), path, {})

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "login_required"


@pytest.mark.parametrize("path", ["/notifications/", "/notifications/preferences/"])
def test_and_its_pages_lead_to_the_log_in_page(path: str, settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]

    response = Client().get(path)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", POSTS)
def test_reading_by_get_is_refused_with_405(client: Client, alice: User, path: str) -> None:
    told(alice)

    assert client.get(path).status_code == 405
    assert Inbox.objects.get().unread == 1


@pytest.mark.parametrize("path", GETS)
def test_posting_to_a_reading_address_is_refused_with_405(client: Client, path: str) -> None:
    assert post(client, path, {}).status_code == 405


@pytest.mark.parametrize("path", POSTS)
def test_writing_without_the_csrf_token_is_refused(client: Client, alice: User, path: str) -> None:
    body = {"ids": ids(told(alice))}

    response = client.post(path, json.dumps(body), content_type="application/json")

    assert response.status_code == 403
    assert Inbox.objects.get().last_seq == 1


@pytest.mark.parametrize("path", GETS)
def test_a_page_gets_a_new_token_after_a_log_in_elsewhere(alice: User, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    stale = log_in(browser)
    browser.logout()
    log_in(browser)

    fresh = browser.get(path)["X-CSRFToken"]

    statuses = [
        browser.post(READ_ALL, headers={"X-CSRFToken": token}).status_code
        for token in (stale, fresh)
    ]
    assert statuses == [403, 200]


def log_in(browser: Client) -> str:
    """Log in as alice by the form and return the token that pages have from then on."""
    login = reverse("accounts:login")
    browser.get(login)
    token = browser.cookies["csrftoken"].value
    form = {"username": "alice", "password": "demo", "csrfmiddlewaretoken": token}
    assert browser.post(login, form).status_code == 302
    return browser.cookies["csrftoken"].value


@pytest.mark.parametrize("path", GETS)
def test_no_cache_keeps_an_answer(client: Client, path: str) -> None:
    assert "no-store" in client.get(path)["Cache-Control"]


def test_the_addresses_have_names() -> None:
    names = ("feed", "items", "read", "unread", "remove", "restore", "read-all")

    assert [reverse(f"notifications:{name}") for name in names] == [*GETS, *POSTS]


# The feed


def test_the_feed_without_a_cursor_starts_at_the_present(client: Client, alice: User) -> None:
    told(alice)

    answer = get(client, FEED)

    assert answer == {
        "epoch": str(user_state.of(alice.pk).epoch),
        "cursor": {"u": 1, "b": 0},
        "unread": 1,
        "reset": False,
        "more": False,
        "items": [],
    }


def test_the_feed_gives_what_came_after_the_cursor(client: Client, alice: User) -> None:
    first, second, third = (told(alice, title) for title in ("one", "two", "three"))
    mark_read(alice, [first])
    remove(alice, [second])

    answer = get(client, FEED, epoch=Inbox.objects.get().epoch, u=2, b=0)

    assert [item["seq"] for item in answer["items"]] == [3, 4, 5]
    assert [item["id"] for item in answer["items"]] == ids(third, first, second)
    assert [item.get("read") for item in answer["items"]] == [False, True, None]
    assert answer["items"][2] == {"stream": "u", "seq": 5, "id": f"n{second.pk}", "removed": True}
    assert (answer["cursor"], answer["unread"]) == ({"u": 5, "b": 0}, 1)


def test_an_item_has_every_field_of_the_protocol(client: Client, alice: User) -> None:
    row = told(alice, "Hello")

    [item] = get(client, FEED, u=0)["items"]

    assert item == {
        "stream": "u",
        "seq": 1,
        "id": f"n{row.pk}",
        "kind": "",
        "level": "info",
        "title": "Hello",
        "body": "",
        "url": "",
        "data": {},
        "created": row.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expires": None,
        "read": False,
        "removed": False,
    }


def test_a_long_feed_comes_in_pages_of_100(client: Client, alice: User) -> None:
    for number in range(230):
        told(alice, f"{number}")

    sizes, u, more, seen = [], 0, True, []
    while more:
        answer = get(client, FEED, u=u)
        sizes.append(len(answer["items"]))
        seen += titles(answer)
        u, more = answer["cursor"]["u"], answer["more"]

    assert sizes == [100, 100, 30]
    assert seen == [f"{number}" for number in range(230)]
    assert u == 230


def test_a_feed_of_exactly_one_page_says_that_no_more_is_due(client: Client, alice: User) -> None:
    for _ in range(100):
        told(alice)

    answer = get(client, FEED, u=0)

    assert (len(answer["items"]), answer["more"]) == (100, False)


@pytest.mark.parametrize(
    "position",
    [{"epoch": "other", "u": 1}, {"u": 4}, {"u": 0, "b": 1}, {"u": 1}],
    ids=["another epoch", "ahead", "ahead of the broadcasts", "before what is kept"],
)
def test_a_position_of_no_use_is_reset(
    client: Client, alice: User, position: dict[str, Any]
) -> None:
    for _ in range(3):
        told(alice)
    Inbox.objects.update(pruned_seq=2)

    answer = get(client, FEED, **position)

    assert answer["reset"] is True
    assert (answer["items"], answer["more"]) == ([], False)
    assert answer["cursor"] == {"u": 3, "b": 0}


@pytest.mark.parametrize("name", ["u", "b"])
@pytest.mark.parametrize("value", ["-1", "x", "1.5", "²", "1" * 19, " 1"])
def test_what_is_no_position_is_told(client: Client, name: str, value: str) -> None:
    assert f"{name} is {value!r}" in complaint(client.get(FEED, {name: value}))


def test_the_feed_shows_nothing_of_others(client: Client) -> None:
    told(make_user("bob"), "Private")

    assert get(client, FEED, u=0)["items"] == []


def test_the_feed_takes_three_queries(
    client: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(150):
        told(alice)

    for behind in (150, 20):
        with django_assert_num_queries(3):  # the user, the inbox, the rows
            get(client, FEED, u=150 - behind)


# The list


def test_the_list_has_the_newest_first_and_no_removed_ones(client: Client, alice: User) -> None:
    rows = [told(alice, title) for title in ("one", "two", "three")]
    remove(alice, [rows[1]])

    answer = get(client, ITEMS)

    assert titles(answer) == ["three", "one"]
    assert answer["next"] is None


def test_reading_one_leaves_it_in_its_place_and_rewriting_brings_it_up(
    client: Client, alice: User
) -> None:
    told(alice, "10 %", key="import-7")
    second = told(alice, "two")
    told(alice, "three")

    mark_read(alice, [second])
    assert titles(get(client, ITEMS)) == ["three", "two", "10 %"]
    told(alice, "20 %", key="import-7")
    assert titles(get(client, ITEMS)) == ["20 %", "three", "two"]


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, 100])
def test_pages_of_every_size_walk_through_the_whole_list(
    client: Client, alice: User, limit: int
) -> None:
    for number in range(6):
        told(alice, f"{number}")
    Notification.objects.update(created=Notification.objects.earliest("pk").created)

    seen: list[str] = []
    following: str | None = ""
    while following is not None:
        answer = get(client, ITEMS, limit=limit, before=following)
        assert len(answer["items"]) <= limit
        seen += titles(answer)
        following = answer["next"]

    assert seen == ["5", "4", "3", "2", "1", "0"]


def test_a_page_holds_20_unless_told_otherwise(client: Client, alice: User) -> None:
    for _ in range(21):
        told(alice)

    answer = get(client, ITEMS)

    assert len(answer["items"]) == 20
    assert answer["next"] == answer["items"][-1]["id"]


def test_the_list_can_hold_only_what_is_unread(client: Client, alice: User) -> None:
    first = told(alice, "one")
    told(alice, "two")
    mark_read(alice, [first])

    assert titles(get(client, ITEMS, unread=1)) == ["two"]
    assert titles(get(client, ITEMS, unread=0)) == ["two", "one"]


def test_the_place_of_a_removed_one_can_be_gone_on_from(client: Client, alice: User) -> None:
    rows = [told(alice, title) for title in ("one", "two", "three")]
    remove(alice, [rows[1]])

    assert titles(get(client, ITEMS, before=f"n{rows[1].pk}")) == ["one"]


def test_the_list_shows_nothing_of_others(client: Client, alice: User) -> None:
    foreign = told(make_user("bob"), "Private")
    told(alice, "Own")

    assert titles(get(client, ITEMS)) == ["Own"]
    assert get(client, ITEMS, before=f"n{foreign.pk}") == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("query", "told_about"),
    [
        ({"limit": "0"}, "from 1 to 100"),
        ({"limit": "101"}, "from 1 to 100"),
        ({"limit": "-5"}, "from 1 to 100"),
        ({"limit": "x"}, "from 1 to 100"),
        ({"limit": "²"}, "from 1 to 100"),
        ({"limit": "9" * 5000}, "from 1 to 100"),
        ({"limit": "0000000019999"}, "from 1 to 100"),
        ({"unread": "yes"}, "0 or 1"),
        ({"before": "5"}, "item ids"),
        ({"before": "n"}, "item ids"),
        ({"before": "n" + "9" * 19}, "item ids"),
        ({"before": "n²"}, "item ids"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_the_list_cannot_read_is_told(
    client: Client, query: dict[str, str], told_about: str
) -> None:
    assert told_about in complaint(client.get(ITEMS, query))


def test_the_list_takes_three_queries_and_a_later_page_four(
    client: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(30):
        told(alice)

    with django_assert_num_queries(3):  # user, standing, rows
        answer = get(client, ITEMS)
    with django_assert_num_queries(4):
        get(client, ITEMS, before=answer["next"])


# The verbs


def test_each_verb_answers_with_the_unread_count_and_the_cursor(
    client: Client, alice: User
) -> None:
    rows = [told(alice, title) for title in ("one", "two", "three")]

    answers = [
        post(client, READ, {"ids": ids(*rows[:2])}),
        post(client, UNREAD, {"ids": ids(rows[0])}),
        post(client, REMOVE, {"ids": ids(rows[2])}),
        post(client, RESTORE, {"ids": ids(rows[2])}),
        post(client, READ_ALL),
    ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.json() for answer in answers] == [
        {"unread": 1, "cursor": {"u": 5, "b": 0}},
        {"unread": 2, "cursor": {"u": 6, "b": 0}},
        {"unread": 1, "cursor": {"u": 7, "b": 0}},
        {"unread": 2, "cursor": {"u": 8, "b": 0}},
        {"unread": 0, "cursor": {"u": 10, "b": 0}},
    ]
    assert list(Notification.objects.present().order_by("seq")) == [rows[1], rows[0], rows[2]]


@pytest.mark.parametrize("path", [READ, UNREAD, REMOVE, RESTORE])
def test_ids_that_are_not_the_users_own_are_left_out_in_silence(
    client: Client, alice: User, path: str
) -> None:
    bob = make_user("bob")
    foreign, own = told(bob, "Private"), told(alice, "Own")
    before = Notification.objects.values().get(pk=foreign.pk)

    response = post(client, path, {"ids": [*ids(foreign, own), "n999999999999999999", "b1"]})

    assert response.status_code == 200
    assert Notification.objects.values().get(pk=foreign.pk) == before
    assert Inbox.objects.get(pk=bob.pk).last_seq == 1


@pytest.mark.parametrize("path", [READ, UNREAD, REMOVE, RESTORE])
@pytest.mark.parametrize(
    ("body", "told_about"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff", "not JSON"),
        ("[" * 5000, "not JSON"),
        ([], "must be an object"),
        (None, "must be an object"),
        ({}, "list of at most 1000 item ids"),
        ({"ids": "n1"}, "list of at most 1000 item ids"),
        ({"ids": [1]}, "list of at most 1000 item ids"),
        ({"ids": ["x1"]}, "list of at most 1000 item ids"),
        ({"ids": ["n-1"]}, "list of at most 1000 item ids"),
        ({"ids": ["n1"] * 1001}, "list of at most 1000 item ids"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_a_verb_cannot_read_is_told(
    client: Client, path: str, body: object, told_about: str
) -> None:
    assert told_about in complaint(post(client, path, body))


@pytest.mark.parametrize("path", [READ, UNREAD, REMOVE, RESTORE])
def test_a_form_instead_of_json_is_told(client: Client, path: str) -> None:
    response = client.post(path, {"ids": "n1", "csrfmiddlewaretoken": CSRF_TOKEN})

    assert "not JSON" in complaint(response)


def test_a_thousand_ids_at_once_are_legal(client: Client, alice: User) -> None:
    own = told(alice)

    response = post(client, READ, {"ids": [f"n{own.pk + number}" for number in range(1000)]})

    assert response.json()["unread"] == 0


def test_a_verb_takes_seven_queries_however_many_ids(
    client: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [told(alice) for _ in range(60)]

    with django_assert_num_queries(7):  # user, lock, rows, counters, rows, standing, answer
        post(client, READ, {"ids": ids(rows[0])})
    with django_assert_num_queries(7):
        post(client, READ, {"ids": ids(*rows)})
