"""Each button of the demo tells the right person the right thing."""

import threading
from html import unescape
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from demo import jobs
from demo.models import Order
from demo.texts import EXAMPLES
from notifications.message import kinds
from notifications.message.kinds import Level
from notifications.models import Notification
from tests.support.factories import make_user

ACTIONS = ["level", "transient", "save", "order", "job", "note"]

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def press(browser: Client, name: str, **form: Any) -> Any:
    return browser.post(reverse(f"demo:{name}"), form)


def the_only_one_of(user: User) -> Notification:
    return Notification.objects.get(recipient=user)


# The page


def test_the_home_page_asks_for_log_in(client: Client) -> None:
    response = client.get("/")

    assert response["Location"] == "/accounts/login/?next=/"


def test_the_home_page_has_a_button_for_every_way(browser: Client) -> None:
    page = browser.get("/").content.decode()

    for name in ACTIONS:
        assert f'action="{reverse(f"demo:{name}")}' in page
    assert page.count("csrfmiddlewaretoken") == len(ACTIONS) + 1  # and log-out


def test_the_home_page_has_no_inline_style_or_script(browser: Client) -> None:
    page = browser.get("/").content.decode()

    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page


def test_the_code_on_the_page_is_text(browser: Client) -> None:
    page = browser.get("/").content.decode()

    assert '<span class="code-call">notify</span>(user, ' in page
    assert '<span class="code-string">&quot;Hello&quot;</span>' in page


def test_a_user_name_cannot_break_out_of_the_code(client: Client) -> None:
    client.force_login(make_user('<b>"&'))

    page = client.get("/").content.decode()

    assert "<b>" not in page


# All buttons


@pytest.mark.parametrize("name", ACTIONS)
def test_no_button_works_without_log_in(client: Client, name: str) -> None:
    response = press(client, name)

    assert response["Location"] == f"/accounts/login/?next={reverse(f'demo:{name}')}"
    assert not Notification.objects.exists()


@pytest.mark.parametrize("name", ACTIONS)
def test_a_get_goes_home_and_does_nothing(browser: Client, name: str) -> None:
    response = browser.get(reverse(f"demo:{name}"))

    assert response["Location"] == "/"
    assert not Notification.objects.exists()


@pytest.mark.parametrize("name", ACTIONS)
def test_no_button_works_without_its_token(alice: User, name: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    assert press(browser, name).status_code == 403


# Levels


def test_there_is_an_example_of_every_level() -> None:
    assert set(EXAMPLES) == set(Level.values)
    assert all(kinds.find(str(example["kind"])) for example in EXAMPLES.values())


@pytest.mark.parametrize("level", Level.values)
def test_a_level_button_sends_that_level(browser: Client, alice: User, level: str) -> None:
    response = press(browser, "level", level=level)

    assert response["Location"] == "/"
    sent = the_only_one_of(alice)
    assert (sent.level, sent.title) == (level, str(EXAMPLES[level]["title"]))
    assert sent.body


@pytest.mark.parametrize(("form", "reason"), [({}, "Choose a level"), ({"level": "loud"}, "loud")])
def test_another_level_is_refused(browser: Client, form: dict[str, str], reason: str) -> None:
    response = press(browser, "level", **form)

    assert response.status_code == 422
    assert reason in response.content.decode()
    assert not Notification.objects.exists()


def test_a_transient_toast_is_not_stored_and_keeps_the_page(browser: Client) -> None:
    response = press(browser, "transient")

    assert response.status_code == 204
    assert not Notification.objects.exists()


# A form


def test_saving_tells_the_typed_title_and_redirects(browser: Client, alice: User) -> None:
    response = press(browser, "save", title="  Report <b>saved</b> ")

    assert response["Location"] == "/"
    sent = the_only_one_of(alice)
    assert (sent.title, sent.level) == ("Report <b>saved</b>", "success")


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("", "Type a title first"),
        ("   ", "Type a title first"),
        ("x" * 101, "at most 100 characters"),
        ("a\x00b", "Null characters are not allowed"),
    ],
)
def test_a_bad_title_is_refused_with_a_reason(browser: Client, title: str, reason: str) -> None:
    response = press(browser, "save", title=title)

    assert response.status_code == 422
    assert reason in response.content.decode()
    assert not Notification.objects.exists()


# An order


def test_an_order_rewrites_its_one_notification(browser: Client, alice: User) -> None:
    told = []
    for _ in Order.Status:
        press(browser, "order")
        told.append(the_only_one_of(alice))

    number = Order.objects.get().pk
    assert [each.title for each in told] == [
        f"Order #{number} {status}" for status in Order.Status.values
    ]
    assert len({each.pk for each in told}) == 1
    assert [each.seq for each in told] == [1, 2, 3, 4, 5]
    assert [each.level for each in told] == ["info"] * 4 + ["success"]
    assert {each.dedupe_key for each in told} == {f"order-{number}"}


def test_after_a_delivered_order_comes_a_new_one(browser: Client, alice: User) -> None:
    Order.objects.create(user=alice, status=Order.Status.DELIVERED)

    press(browser, "order")

    assert Order.objects.count() == 2
    assert Notification.objects.filter(recipient=alice).count() == 2


def test_the_order_of_somebody_else_stays_as_it_is(browser: Client, alice: User, bob: User) -> None:
    theirs = Order.objects.create(user=bob)

    press(browser, "order")

    theirs.refresh_from_db()
    assert theirs.status == Order.Status.PLACED
    assert the_only_one_of(alice).title != the_only_one_of(bob).title


def test_a_save_without_a_new_status_says_nothing(alice: User) -> None:
    Order.objects.create(user=alice)
    order = Order.objects.get()

    order.save()

    assert the_only_one_of(alice).seq == 1


def test_the_admin_announces_a_status_as_well(client: Client, alice: User) -> None:
    client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    order = Order.objects.create(user=alice)

    response = client.post(
        f"/admin/demo/order/{order.pk}/change/", {"user": alice.pk, "status": "shipped"}
    )

    assert response.status_code == 302
    assert the_only_one_of(alice).title == f"Order #{order.pk} shipped"


def test_the_page_shows_where_the_order_is(browser: Client, alice: User) -> None:
    Order.objects.create(user=alice, status=Order.Status.PACKED)

    page = browser.get("/").content.decode()

    assert 'aria-current="step">packed</li>' in page
    assert page.count('aria-current="step"') == 1
    assert "as shipped" in page


# A job


@pytest.fixture
def quick_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "STEP_SECONDS", 0.02)


@pytest.mark.usefixtures("quick_steps")
def test_a_job_rewrites_one_notification_to_the_end(alice: User) -> None:
    jobs.run(alice)

    sent = the_only_one_of(alice)
    assert (sent.title, sent.level) == ("Import finished", "success")
    assert (sent.body, sent.data) == ("200 of 200 rows", {"progress": 100})
    assert sent.seq == jobs.STEPS + 1


@pytest.mark.usefixtures("quick_steps")
def test_two_jobs_have_a_notification_each(alice: User) -> None:
    jobs.run(alice)
    jobs.run(alice)

    assert Notification.objects.filter(recipient=alice).count() == 2


def join_job(user: User) -> None:
    for thread in threading.enumerate():
        if thread.name == jobs.thread_name(user):
            thread.join(10)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick_steps")
def test_the_job_button_starts_a_job_that_runs_to_the_end(browser: Client, alice: User) -> None:
    response = press(browser, "job")
    join_job(alice)

    assert response["Location"] == "/"
    assert the_only_one_of(alice).title == "Import finished"


def test_a_second_job_waits_for_the_first(browser: Client, alice: User) -> None:
    end = threading.Event()
    first = threading.Thread(target=end.wait, args=[10], name=jobs.thread_name(alice))
    first.start()

    response = press(browser, "job")
    end.set()
    page = browser.get(response["Location"]).content.decode()
    first.join(10)

    assert "still running" in page
    assert not Notification.objects.exists()


# A note


def test_a_note_reaches_the_other_user_with_a_link_to_answer(
    browser: Client, alice: User, bob: User
) -> None:
    response = press(browser, "note", recipient=bob.pk, text="Lunch?")
    page = browser.get(response["Location"]).content.decode()

    sent = the_only_one_of(bob)
    assert (sent.title, sent.body) == ("Note from alice", "Lunch?")
    assert sent.url == f"/?to={alice.pk}#note"
    assert not Notification.objects.filter(recipient=alice).exists()
    assert "Your note to bob is on its way." in page


def test_unread_notes_of_one_sender_are_one(browser: Client, bob: User) -> None:
    for text in ("Lunch?", "At one?"):
        press(browser, "note", recipient=bob.pk, text=text)

    sent = the_only_one_of(bob)
    assert (sent.body, sent.count) == ("At one?", 2)


def test_the_link_of_a_note_chooses_the_sender(browser: Client, bob: User) -> None:
    page = browser.get("/", {"to": bob.pk}).content.decode()

    assert f'<option value="{bob.pk}" selected>bob</option>' in page


def test_a_link_to_nobody_chooses_nobody(browser: Client, bob: User) -> None:
    page = browser.get("/", {"to": "<script>"}).content.decode()

    assert " selected>bob" not in page


def test_a_note_needs_words_and_a_person(browser: Client) -> None:
    response = press(browser, "note")

    page = response.content.decode()
    assert response.status_code == 422
    assert "Choose who gets the note." in page
    assert "Write a few words first." in page


def test_a_note_goes_to_nobody_who_is_not_in_the_list(browser: Client, alice: User) -> None:
    gone = make_user("gone", is_active=False)

    for recipient in (alice.pk, gone.pk, 999_999, "nobody"):
        response = press(browser, "note", recipient=recipient, text="Hello")
        assert "Nobody here can get that note." in unescape(response.content.decode())
    assert not Notification.objects.exists()


def test_the_fixtures_of_orders_announce_nothing(alice: User, tmp_path: Any) -> None:
    order = Order.objects.create(user=alice)
    dump = tmp_path / "orders.json"
    call_command("dumpdata", "demo.order", output=str(dump))
    Notification.objects.all().delete()
    order.delete()

    call_command("loaddata", str(dump), verbosity=0)

    assert Order.objects.count() == 1
    assert not Notification.objects.exists()
