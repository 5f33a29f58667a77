"""What a site is asked for: the input of the capacity model."""

from dataclasses import dataclass

DAY, HOUR = 86_400, 3600


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a site is asked for, and what it has; every number can be an option of `--model`."""

    sockets: float = 1_000_000
    users: float = 0
    """With those who are away; 0 stands for one user for each socket."""
    notifications_per_user_per_day: float = 20
    peak: float = 4
    """How many times more happens in the busiest second than in the average one."""
    read_share: float = 0.7
    connects_per_socket_per_hour: float = 6
    broadcasts_per_hour: float = 1
    sockets_per_process: float = 10_000
    sweep_seconds: float = 25
    publish_seconds: float = 1
    database_threads: float = 4
    postgresql_cores: float = 16
    postgresql_connections: float = 500

    @property
    def everyone(self) -> float:
        """The number of users."""
        return self.users or self.sockets

    @property
    def processes(self) -> float:
        """The number of server processes that hold the sockets."""
        return max(1.0, -(-self.sockets // self.sockets_per_process))

    @property
    def notifications(self) -> float:
        """Notifications per second at the peak."""
        return self.everyone * self.notifications_per_user_per_day / DAY * self.peak

    @property
    def connects(self) -> float:
        """Connects per second at the peak."""
        return self.sockets * self.connects_per_socket_per_hour / HOUR * self.peak


SITES = [
    Demand(sockets=1_000),
    Demand(sockets=10_000),
    Demand(sockets=100_000),
    Demand(sockets=1_000_000),
    Demand(sockets=1_000_000, users=10_000_000, notifications_per_user_per_day=50),
]
