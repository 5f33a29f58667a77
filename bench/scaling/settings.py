"""The project's settings with a replica beside its database, and a router that reads from it."""

from bench.scaling.routers import REPLICA
from notifier.settings import *  # noqa: F403
from notifier.settings import DATABASES, env

DATABASES[REPLICA] = {**DATABASES["default"], **env.database("REPLICA_URL", default="")}
DATABASES[REPLICA]["TEST"] = {"MIRROR": "default"}
# PgBouncer pools by the transaction: no cursor may outlive one.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
DATABASE_ROUTERS = [env.text("ROUTER", default="bench.scaling.routers.ReadsOutsideTransactions")]
