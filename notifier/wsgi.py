"""The entry point of WSGI servers: pages alone.

What is notified here reaches the sockets that ASGI servers hold.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifier.settings")
application = get_wsgi_application()

from notifier.startup import prepare_to_serve  # noqa: E402

prepare_to_serve()
