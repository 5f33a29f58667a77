"""Tries other layouts of Redis and PostgreSQL: what works, and for how long a failover is felt."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from bench.scaling.node import Node
from notifications.delivery.layers import RedisPubSubLayer
from notifications.wire import hints
from tests.support.servers import HOST
from tests.support.waiting import wait_for

MASTER = "notifications"
DOWN_MILLISECONDS = 1000
NODES, SLOTS = 3, 16_384
MESSAGES = 300
PATIENCE_SECONDS = 30.0


def run(directory: Path, set_up: Callable[[dict[str, str]], None]) -> Iterator[str]:
    """Try each, and say what was seen."""
    from bench.scaling import databases

    yield from _with(sentinel, directory)
    yield from _with(several, directory)
    yield from _with(cluster, directory)
    yield from databases.run(directory, set_up)


def sentinel(directory: Path, nodes: list[Node]) -> Iterator[str]:
    """Kill the primary under a layer that knows the sentinels."""
    primary = _start(nodes, Node(directory))
    replica = _start(nodes, Node(directory, "--replicaof", f"{HOST} {primary.port}"))
    wait_for(lambda: primary.client().info("replication")["connected_slaves"] == 1, deadline=20)
    watch = (
        f"sentinel monitor {MASTER} {HOST} {primary.port} 2\n"
        f"sentinel down-after-milliseconds {MASTER} {DOWN_MILLISECONDS}\n"
        f"sentinel failover-timeout {MASTER} 10000\n"
    )
    sentinels = [
        _start(nodes, Node(directory, "--sentinel", configuration=watch)) for _ in range(3)
    ]
    wait_for(lambda: all(map(_knows_others, sentinels)), deadline=20, what="sentinels that agree")
    hosts = [{"sentinels": [(HOST, each.port) for each in sentinels], "master_name": MASTER}]
    seconds, told = asyncio.run(_fail_over(hosts, primary))
    role = replica.client().info("replication")["role"]
    yield f"Sentinel: the replica is {role}; messages arrive again {seconds:.1f} s after the kill"
    yield f"Sentinel: the hub was told that hints were missed: {told}"


def several(directory: Path, nodes: list[Node]) -> Iterator[str]:
    """Shard groups over several independent nodes."""
    each = [_start(nodes, Node(directory)) for _ in range(NODES)]
    arrived = asyncio.run(_send_to_many([f"redis://{HOST}:{node.port}" for node in each]))
    shares = [_calls(node, "publish") for node in each]
    yield f"{NODES} hosts: {arrived} of {MESSAGES} messages arrived; PUBLISH by node {shares}"


def cluster(directory: Path, nodes: list[Node]) -> Iterator[str]:
    """Use a Redis Cluster by one of its nodes, and by all of them."""
    options = "cluster-enabled yes\ncluster-node-timeout 2000\n"
    for number in range(NODES):
        own = f"{options}cluster-config-file {directory}/nodes-{number}.conf\n"
        _start(nodes, Node(directory, configuration=own))
    first = nodes[0].client()
    for number, node in enumerate(nodes):
        slots = number * SLOTS // NODES, (number + 1) * SLOTS // NODES - 1
        node.client().execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
        first.execute_command("CLUSTER", "MEET", HOST, node.port)
    wait_for(lambda: all(map(_is_whole, nodes)), deadline=30, what="a cluster that is whole")
    urls = [f"redis://{HOST}:{node.port}" for node in nodes]
    for name, hosts in (("one node", urls[:1]), ("all nodes", urls)):
        before = [_bus(node) for node in nodes]
        arrived = asyncio.run(_send_to_many(hosts))
        bus = [_bus(node) - earlier for node, earlier in zip(nodes, before, strict=True)]
        yield f"Cluster, {name}: {arrived} of {MESSAGES} arrived; sent on the bus by node {bus}"


def _with(trial: Callable[[Path, list[Node]], Iterator[str]], directory: Path) -> Iterator[str]:
    nodes: list[Node] = []
    home = directory / trial.__name__
    home.mkdir()
    try:
        yield from trial(home, nodes)
    except (AssertionError, RedisError, OSError, TimeoutError) as exc:
        yield f"{trial.__name__}: failed with {exc!r}"
    finally:
        for node in nodes:
            node.kill()


async def _fail_over(hosts: list[Any], primary: Node) -> tuple[float, bool]:
    layer = RedisPubSubLayer(hosts=hosts)
    channel = await layer.new_channel()
    await layer.group_add("user.1", channel)
    await _sent(layer, "first")
    assert (await layer.receive(channel))["text"] == "first"  # noqa: S101
    primary.kill()
    started, told = time.monotonic(), False
    receiving = asyncio.ensure_future(layer.receive(channel))
    while time.monotonic() < started + PATIENCE_SECONDS:
        await _sent(layer, "second")
        await asyncio.wait([receiving], timeout=0.1)
        if receiving.done():
            message = receiving.result()
            if message["type"] == hints.MISSED:
                told = True
            else:
                return time.monotonic() - started, told
            receiving = asyncio.ensure_future(layer.receive(channel))
    raise TimeoutError(f"nothing arrived for {PATIENCE_SECONDS} s")


async def _sent(layer: RedisPubSubLayer, text: str) -> None:
    messages = [("user.1", {"type": "trial", "text": text})]
    try:
        await asyncio.to_thread(layer.group_send_now, messages, timeout_seconds=1.0)
    except (RedisError, OSError):
        return  # away; the caller asks again


async def _send_to_many(hosts: list[str]) -> int:
    layer = RedisPubSubLayer(hosts=hosts)
    channel = await layer.new_channel()
    groups = [f"user.{number}" for number in range(MESSAGES)]
    for group in groups:
        await layer.group_add(group, channel)
    messages = [(group, {"type": "trial"}) for group in groups]
    await asyncio.to_thread(layer.group_send_now, messages, timeout_seconds=5.0)
    arrived = 0
    while arrived < MESSAGES and await _within(layer.receive(channel), 2):
        arrived += 1
    await layer.flush()
    return arrived


async def _within(work: Awaitable[Any], seconds: float) -> bool:
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        return False
    return True


def _start(nodes: list[Node], node: Node) -> Node:
    nodes.append(node)
    node.start()
    return node


def _knows_others(node: Node) -> bool:
    [state] = node.client().sentinel_masters().values()
    return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)


def _is_whole(node: Node) -> bool:
    return _state(node)["cluster_state"] == "ok"


def _bus(node: Node) -> int:
    return int(_state(node).get("cluster_stats_messages_publish_sent", 0))


def _state(node: Node) -> dict[str, str]:
    lines = str(node.client().execute_command("CLUSTER", "INFO")).splitlines()
    return dict(line.split(":", 1) for line in lines)


def _calls(node: Node, command: str) -> int:
    return int(node.client().info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))
