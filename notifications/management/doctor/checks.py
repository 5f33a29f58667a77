"""What the system checks say: the app's own, and the errors of others."""

from __future__ import annotations

from django.conf import settings
from django.core import checks

from ...store.transactions import database
from .findings import Finding, well, wrong
from .patient import Patient


def look_at_checks(patient: Patient) -> Finding:
    """Run what `manage.py check --database` runs, and with `DEBUG` off `--deploy` too."""
    databases = [] if "database" in patient.unwell else [database()]
    is_deployed = not settings.DEBUG
    messages = checks.run_checks(include_deployment_checks=is_deployed, databases=databases)
    told = [each for each in messages if _matters(each)]
    if not told:
        return well("The system checks have nothing to say.")
    return wrong(
        "\n".join(f"{each.id}: {each.msg}" for each in told),
        "\n".join(f"{each.id}: {each.hint}" for each in told if each.hint),
        ids=[each.id for each in told],
    )


def _matters(message: checks.CheckMessage) -> bool:
    is_own = str(message.id).startswith("notifications.")
    least = checks.WARNING if is_own else checks.ERROR
    return message.level >= least and not message.is_silenced()
