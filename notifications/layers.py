"""The channel layer this app is fastest on: Redis pub/sub with a synchronous, bulk way to send.

`async_to_sync(layer.group_send)` makes a loop and a connection for each call; `group_send_now`
publishes any number of messages in one pipeline on a connection that is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import redis
from channels_redis.pubsub import RedisPubSubChannelLayer
from channels_redis.utils import _consistent_hash, decode_hosts
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

CONNECTIONS_MAX = 50
SOCKET_TIMEOUT_SECONDS = 5.0


class RedisPubSubLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # untyped base
    """`channels_redis.pubsub.RedisPubSubChannelLayer` that can also send from synchronous code.

    Takes the same `CONFIG`. Each host gets the connection options that redis-py 8 no longer
    chooses well for this use, unless the configuration names them.
    """

    def __init__(
        self,
        hosts: Sequence[Any] | None = None,
        prefix: str = "asgi",
        **options: Any,
    ) -> None:
        self._hosts: list[dict[str, Any]] = decode_hosts(hosts)
        self._prefix = prefix
        self._senders: dict[tuple[int, float], list[redis.Redis]] = {}
        # max_connections: redis-py 8 raises beyond 100 instead of waiting.
        defaults = {"socket_timeout": SOCKET_TIMEOUT_SECONDS, "max_connections": 10_000}
        super().__init__(
            hosts=[{**defaults, **host} for host in self._hosts], prefix=prefix, **options
        )

    def group_send_now(
        self, messages: Sequence[tuple[str, Mapping[str, Any]]], *, timeout_seconds: float
    ) -> None:
        """Publish `(group, message)` pairs in one round trip for each host.

        Safe from any thread and after a fork. Raises `redis.RedisError` when a host does not take
        them within the time for one reply.
        """
        senders = self._senders_for(timeout_seconds)
        batches: dict[int, list[tuple[str, bytes]]] = {}
        for group, message in messages:
            channel = f"{self._prefix}__group__{group}"
            shard = _consistent_hash(channel, len(senders))
            batches.setdefault(shard, []).append((channel, self.serialize(message)))
        for shard, batch in batches.items():
            with senders[shard].pipeline(transaction=False) as pipeline:
                for channel, body in batch:
                    pipeline.publish(channel, body)
                pipeline.execute()

    def _senders_for(self, timeout_seconds: float) -> list[redis.Redis]:
        # Connections made before a fork belong to the parent; a child begins with none.
        key = (os.getpid(), timeout_seconds)
        senders = self._senders.get(key)
        if senders is None:
            senders = [_sender(host, timeout_seconds) for host in self._hosts]
            self._senders[key] = senders
        return senders


def _sender(host: Mapping[str, Any], timeout_seconds: float) -> redis.Redis:
    options: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        # The circuit breaker decides about another try; one here would double the caller's wait.
        "retry": Retry(NoBackoff(), 0),
        **{name: value for name, value in host.items() if name not in _TIMEOUTS},
    }
    pooling = {"max_connections": CONNECTIONS_MAX, "timeout": timeout_seconds}
    if "address" in options:
        url = options.pop("address")
        pool: Any = redis.BlockingConnectionPool.from_url(url, **{**pooling, **options})
    elif "master_name" in options:
        pool = _sentinel_pool(options)
    else:
        pool = redis.BlockingConnectionPool(**{**pooling, **options})  # type: ignore[no-untyped-call]
    return redis.Redis(connection_pool=pool)


_TIMEOUTS = ("socket_timeout", "socket_connect_timeout")


def _sentinel_pool(options: dict[str, Any]) -> SentinelConnectionPool:
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        options.pop("sentinels"), sentinel_kwargs=options.pop("sentinel_kwargs", None)
    )
    name = options.pop("master_name")
    return SentinelConnectionPool(name, sentinel, **options)  # type: ignore[no-untyped-call]
