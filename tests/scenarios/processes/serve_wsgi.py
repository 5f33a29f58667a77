"""`python -m tests.scenarios.processes.serve_wsgi PORT`: the standard library's WSGI server."""

import sys
from wsgiref.simple_server import make_server

from notifier.wsgi import application

if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
