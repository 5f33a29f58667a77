"""The recommended channel layer: Redis pub/sub with two additions.

`group_send_now` publishes any number of messages from synchronous code, in one pipeline on a kept
connection; `async_to_sync(layer.group_send)` opens a loop and a connection for each call. And the
layer tells its channels after a reconnect that messages were lost, which its base does not.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import redis
from channels_redis.pubsub import (
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)
from channels_redis.utils import _consistent_hash, decode_hosts
from redis.asyncio.client import PubSub
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from ..metrics import count
from ..wire import hints
from .cancellation import raise_if_cancelled

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.25
POLL_SECONDS = 1.0
SENDING_CONNECTIONS_MAX = 50

AWAY = (
    "Redis pub/sub is away (%s: %s). Sockets stay open and the sweep delivers; live delivery "
    "resumes by itself. Check that Redis runs and that CHANNEL_LAYERS names it."
)

_HOST_DEFAULTS = {
    "socket_timeout": 5.0,
    "socket_connect_timeout": 1.0,
    # redis-py 8 raises beyond 100 connections instead of waiting.
    "max_connections": 10_000,
    # With RESP3, redis-py 8 logs each message that it receives.
    "protocol": 2,
}


class RedisPubSubLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # untyped base
    """A `channels_redis.pubsub.RedisPubSubChannelLayer` that also sends from synchronous code.

    It takes the same `CONFIG`. Each host gets suitable connection options, unless the configuration
    sets them.
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
        super().__init__(
            hosts=[{**_HOST_DEFAULTS, **host} for host in self._hosts], prefix=prefix, **options
        )

    async def new_channel(self, prefix: str = "specific.") -> str:
        """Open a channel; unlike the base, forget it if subscribing fails."""
        layer = self._get_layer()
        channel = f"{layer.prefix}{prefix}{uuid4().hex}"
        try:
            await layer._subscribe_to_channel(channel)
        except BaseException:
            layer.channels.pop(channel, None)
            raise
        return channel

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave a group; unlike the base, can do so again if it has failed."""
        layer = self._get_layer()
        name = layer._get_group_channel_name(group)
        is_in = channel in layer.groups.get(name, ())
        try:
            await layer.group_discard(group, channel)
        except BaseException:
            if is_in:  # the base forgets that before it tells Redis
                layer.groups.setdefault(name, set()).add(channel)
            raise

    def group_send_now(
        self, messages: Sequence[tuple[str, Mapping[str, Any]]], *, timeout_seconds: float
    ) -> None:
        """Publish `(group, message)` pairs in one round trip per host.

        It is safe in any thread and after a fork. Raises `redis.RedisError` if a host does not
        answer within `timeout_seconds`.
        """
        # Connections opened before a fork belong to the parent.
        key = (os.getpid(), timeout_seconds)
        senders = self._senders.get(key)
        if senders is None:
            senders = [sender_to(host, timeout_seconds) for host in self._hosts]
            self._senders[key] = senders
        batches: dict[int, list[tuple[str, bytes]]] = {}
        for group, message in messages:
            channel = f"{self._prefix}__group__{group}"
            shard = _consistent_hash(channel, len(senders))
            batches.setdefault(shard, []).append((channel, self.serialize(message)))
        for shard, batch in batches.items():
            if len(batch) == 1:  # a pipeline would take longer
                senders[shard].publish(*batch[0])
                continue
            with senders[shard].pipeline(transaction=False) as pipeline:
                for channel, body in batch:
                    pipeline.publish(channel, body)
                pipeline.execute()

    def _get_layer(self) -> RedisPubSubLoopLayer:
        is_new = asyncio.get_running_loop() not in self._layers
        layer = super()._get_layer()
        if is_new:
            layer._shards = [_Shard(shard.host, layer) for shard in layer._shards]
        return layer


class _Shard(RedisSingleShardConnection):  # type: ignore[misc]  # untyped base
    """The base's connection, which also reports its losses to the log and to all channels."""

    def _ensure_redis(self) -> None:
        if self._redis is None:
            super()._ensure_redis()
            redis_client: Any = self._redis
            self._pubsub = _PubSub(redis_client.connection_pool)
            self._pubsub.reconnected = self._tell_channels

    async def _do_receiving(self) -> None:
        is_away = False
        while True:
            raise_if_cancelled()
            try:
                if self._pubsub is None or not self._pubsub.subscribed:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    message = await self._pubsub.get_message(
                        ignore_subscribe_messages=True, timeout=POLL_SECONDS
                    )
                    self._receive_message(message)
            except Exception as exc:  # whatever Redis does, this task must go on
                raise_if_cancelled()
                if not is_away:
                    logger.error(AWAY, type(exc).__name__, exc)
                is_away = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if is_away:
                logger.warning("Redis pub/sub is back.")
            is_away = False

    def _tell_channels(self) -> None:
        count("layers.reconnected")
        body = self.channel_layer.channel_layer.serialize(hints.missed()[1])
        for queue in self.channel_layer.channels.values():
            queue.put_nowait(body)


class _PubSub(PubSub):
    """redis-py's subscriptions, with a callback for their renewal after a reconnect."""

    reconnected: Any = None

    async def on_connect(self, connection: Any) -> None:
        """Renew the subscriptions, then call `reconnected`."""
        await super().on_connect(connection)
        self.reconnected()


def sender_to(host: Mapping[str, Any], timeout_seconds: float) -> redis.Redis:
    """Return a synchronous client for one of a layer's hosts, with a time-out for each reply."""
    options: dict[str, Any] = {
        **host,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        # The circuit breaker decides about retries; one here would double the caller's wait.
        "retry": Retry(NoBackoff(), 0),
    }
    pooling = {"max_connections": SENDING_CONNECTIONS_MAX, "timeout": timeout_seconds}
    if "address" in options:
        url = options.pop("address")
        pool: Any = redis.BlockingConnectionPool.from_url(url, **{**pooling, **options})
    elif "master_name" in options:
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            options.pop("sentinels"), sentinel_kwargs=options.pop("sentinel_kwargs", None)
        )
        name = options.pop("master_name")
        pool = SentinelConnectionPool(name, sentinel, **options)  # type: ignore[no-untyped-call]
    else:
        pool = redis.BlockingConnectionPool(**{**pooling, **options})  # type: ignore[no-untyped-call]
    return redis.Redis(connection_pool=pool)
