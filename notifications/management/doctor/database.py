"""Checks the database: its migrations, a write, overdue broadcasts and its clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter

from django.apps import apps
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.utils import timezone

from ...conf import conf
from ...message.times import storable
from ...models import Broadcast
from ...store.transactions import database
from .findings import Finding, listed, milliseconds, well, wrong
from .patient import Patient

ADVICE = (
    "Check that the database runs, that DATABASES names it, that its user may write to it, and "
    "that nothing keeps it locked."
)
MIGRATE = "Run `manage.py migrate`."
CLOCK_SECONDS_MAX = 2.0
LATE_SECONDS = 60.0


def look_at_database(patient: Patient) -> Finding:
    """Write a row and read it again, in a transaction that is rolled back."""
    connection = connections[database()]
    connection.ensure_connection()
    executor = MigrationExecutor(connection)
    own = executor.loader.graph.leaf_nodes(apps.get_app_config("notifications").label)
    plan = executor.migration_plan(own)
    if pending := [f"{each.app_label}.{each.name}" for each, _ in plan]:
        return wrong(f"Not migrated: {listed(pending)}.", MIGRATE, pending=pending)
    started = perf_counter()
    broadcasts = Broadcast.objects.using(connection.alias)
    with transaction.atomic(using=connection.alias):
        # bulk_create() sends no signals.
        [row] = broadcasts.bulk_create([Broadcast(title="Doctor")])
        broadcasts.get(pk=row.pk)
        transaction.set_rollback(True, using=connection.alias)
    seconds = perf_counter() - started
    server = f"{connection.display_name} {'.'.join(map(str, connection.get_database_version()))}"
    return well(
        f"{server} ({connection.alias!r}): written, read and rolled back in "
        f"{milliseconds(seconds)}.",
        server=server,
        seconds=seconds,
    )


def look_at_broadcasts(patient: Patient) -> Finding:
    """Check that a process publishes broadcasts and ends them in time."""
    late = timezone.now() - timedelta(seconds=max(LATE_SECONDS, 5 * conf.PUBLISH_SECONDS))
    due = Broadcast.objects.due(late).count()
    over = Broadcast.objects.overdue(late).count() + Broadcast.objects.missed(late).count()
    if not due + over:
        return well("No broadcast is late.", due=0, over=0)
    return wrong(
        f"{due:,} broadcasts should have gone out by now, {over:,} should have ended: no process "
        "runs the schedule.",
        "A server process does so from its first socket on. If none runs all the time, let cron "
        "run `manage.py publish_due`.",
        due=due,
        over=over,
    )


def look_at_clock(patient: Patient) -> Finding:
    """Compare the database's time with this machine's."""
    connection = connections[database()]
    rows = MigrationRecorder(connection).migration_qs
    before = timezone.now()
    there = rows.annotate(now=Now()).values_list("now", flat=True).first()
    if there is not None and there.tzinfo is None and connection.vendor == "sqlite":
        there = storable(there.replace(tzinfo=UTC))  # CURRENT_TIMESTAMP is in UTC
    return compared(there, before, timezone.now())


def compared(there: datetime | None, before: datetime, after: datetime) -> Finding:
    """Compare a time that was read between two moments of this machine."""
    if there is None:
        return well("No time to compare.")
    apart = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    if apart <= CLOCK_SECONDS_MAX:
        return well(
            f"The same time as this machine's, within {CLOCK_SECONDS_MAX:g} s.", apart=apart
        )
    return wrong(
        f"{apart:,.0f} s {'ahead of' if there > after else 'behind'} this machine's time. "
        "Broadcasts start and notifications expire by the clock of the machine that handles them.",
        "Let all machines take their time from NTP.",
        apart=apart,
    )
