"""Runs the system checks; reports this app's warnings, and the errors of all apps."""

from __future__ import annotations

from django.conf import settings
from django.core import checks

from ...store.transactions import database
from .findings import Finding, well, wrong
from .patient import Patient

OWN = "notifications."


def look_at_checks(patient: Patient) -> Finding:
    """Run the checks of `manage.py check --database`, and with `DEBUG` off those of `--deploy`."""
    databases = [] if "database" in patient.unwell else [database()]
    is_deployed = not settings.DEBUG
    messages = checks.run_checks(include_deployment_checks=is_deployed, databases=databases)
    faults = [
        each
        for each in messages
        if each.level >= (checks.WARNING if str(each.id).startswith(OWN) else checks.ERROR)
        and not each.is_silenced()
    ]
    if not faults:
        return well("The system checks found nothing.")
    return wrong(
        "\n".join(f"{each.id}: {each.msg}" for each in faults),
        "\n".join(f"{each.id}: {each.hint}" for each in faults if each.hint),
        ids=[each.id for each in faults],
    )
