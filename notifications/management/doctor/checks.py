"""Runs the system checks: warnings of the app's own, and errors of any."""

from __future__ import annotations

from django.conf import settings
from django.core import checks

from ...store.transactions import database
from .findings import Finding, well, wrong
from .patient import Patient

OWN = "notifications."


def look_at_checks(patient: Patient) -> Finding:
    """Run what `manage.py check --database` runs, and with `DEBUG` off `--deploy` too."""
    databases = [] if "database" in patient.unwell else [database()]
    is_deployed = not settings.DEBUG
    messages = checks.run_checks(include_deployment_checks=is_deployed, databases=databases)
    told = [
        each
        for each in messages
        if each.level >= (checks.WARNING if str(each.id).startswith(OWN) else checks.ERROR)
        and not each.is_silenced()
    ]
    if not told:
        return well("The system checks have nothing to say.")
    return wrong(
        "\n".join(f"{each.id}: {each.msg}" for each in told),
        "\n".join(f"{each.id}: {each.hint}" for each in told if each.hint),
        ids=[each.id for each in told],
    )
