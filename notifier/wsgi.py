"""The entry point of WSGI servers, which serve pages but no sockets.

Their notifications reach the sockets of ASGI servers.
"""

import os

import django
from django.core.wsgi import get_wsgi_application

from notifier.refusals import refusals_in_one_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifier.settings")

with refusals_in_one_line():
    django.setup()
    from notifier.startup import prepare_to_serve

    prepare_to_serve()

application = get_wsgi_application()
