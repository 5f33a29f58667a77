"""The names of what is measured, as the results have them."""

FRAME_FEW = "CPU a frame, 100 sockets"
FRAME = "CPU a frame, 1,000 sockets"
FRAME_BETWEEN = "CPU a frame, 3,000 sockets"
FRAME_MANY = "CPU a frame, 9,000 sockets"
GROWTH = {100: FRAME_FEW, 1_000: FRAME, 3_000: FRAME_BETWEEN, 9_000: FRAME_MANY}
PROCESSES = {2: "CPU a frame, 2 processes", 4: "CPU a frame, 4 processes"}

THROUGHPUT = "throughput"
LATENCY = "latency"
LATENCIES = ("latency p50", "latency p99", "latency p99.9")

CONNECTING = "connecting"
CONNECTS = "connecting: connects/s"
CONNECTING_CPU = "connecting: CPU"
STORM = "storm"
STORM_SECONDS = "storm: seconds"
STORM_CPU = "storm: CPU"
STORM_FAILED = "storm: failed attempts"

MEMORY_SOME = "memory, 1,000 sockets"
MEMORY_MANY = "memory, 9,000 sockets"
IDLE = "idle"

ONE = "notify, one user"
MANY = "notify, 1,000 users"

# Who is measured at sending, beside the peers.
OURS = "this project"
BARE = "bare ORM statements"
OTHERS = "django-notifications"
SENDERS = (OURS, BARE, OTHERS)


def is_ours(peer: str) -> bool:
    """Whether this is the project itself, in one of its forms."""
    return peer.startswith("ours") or peer == OURS
