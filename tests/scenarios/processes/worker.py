"""A Celery application on the project's own broker.

`celery -A tests.scenarios.processes.worker worker` runs it.
"""

from celery import Celery  # type: ignore[import-untyped]
from django.conf import settings

app = Celery("processes", broker=settings.REDIS_URL.replace("unix://", "redis+socket://"))
app.conf.include = ["tests.scenarios.processes.tasks"]
app.conf.task_ignore_result = True
