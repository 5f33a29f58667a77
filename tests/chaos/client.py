"""A client as a browser would be one: it resumes, and remembers each change that it showed."""

import asyncio
import json
import random
import time
from collections import Counter
from typing import Any

import httpx
import websockets

from tests.servers import ServerProcess
from tests.wire import Wire, open_socket

SILENCE_SECONDS = 60.0
BEHIND_SECONDS = 4.0
RETRY_SECONDS = 2.0

State = dict[str, tuple[int, bool, bool]]
"""By item id: the number, whether it is read, whether it is removed."""


class Client:
    """Follows one user's log over whichever server is there, from its beginning."""

    def __init__(self, user_pk: int, cookie: str, servers: list[ServerProcess]) -> None:
        """Prepare a client for a logged-in user."""
        self.user_pk = user_pk
        self.cookie = cookie
        self.servers = servers
        self.epoch = ""
        self.cursor = {"u": 0, "b": 0}
        self.state: State = {}
        self.shown: Counter[tuple[str, int]] = Counter()
        self.titles: Counter[str] = Counter()
        self.delays: list[float] = []
        self.connects = 0
        self.received_again = 0

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            server = random.choice(self.servers)
            position = {"epoch": self.epoch, **self.cursor} if self.epoch else {"u": 0, "b": 0}
            try:
                async with open_socket(server.socket_url, self.cookie, v=1, **position) as wire:
                    self.connects += 1
                    await self._follow(wire, server)
            except (OSError, TimeoutError, websockets.WebSocketException, httpx.TransportError):
                pass  # the server is being killed; that is the point
            await asyncio.sleep(random.uniform(0, RETRY_SECONDS))

    async def _follow(self, wire: Wire, server: ServerProcess) -> None:
        deadline = SILENCE_SECONDS
        while True:
            frame = await wire.receive(deadline)
            if frame["type"] == "welcome":
                await self._welcome(frame, server)
            elif frame["type"] == "items":
                self._apply(frame)
            elif frame["type"] == "toast":
                self.titles[frame["item"]["title"]] += 1
            elif frame["type"] == "heartbeat":
                await wire.send({"type": "ack", "cursor": self.cursor})
                if frame["cursor"]["u"] > self.cursor["u"]:
                    deadline = BEHIND_SECONDS
                    continue
            deadline = SILENCE_SECONDS

    async def _welcome(self, frame: dict[str, Any], server: ServerProcess) -> None:
        self.epoch = frame["epoch"]
        if frame["reset"]:
            self.cursor = frame["cursor"]
            self.state.clear()
            url = f"{server.url}/notifications/feed/?u=0"
            async with httpx.AsyncClient(cookies={"sessionid": self.cookie}) as http:
                for item in json.loads((await http.get(url)).text)["items"]:
                    self._hold(item)

    def _apply(self, frame: dict[str, Any]) -> None:
        for item in frame["items"]:
            if item["seq"] <= self.cursor["u"]:
                self.received_again += 1
                continue
            self.cursor["u"] = item["seq"]
            is_news = item["id"] not in self.state
            self._hold(item)
            self.shown[item["id"], item["seq"]] += 1
            if not item["removed"]:
                self.titles[item["title"]] += 1
            if is_news and not item["removed"] and "at" in item["data"]:
                self.delays.append(time.time() - item["data"]["at"])
        self.cursor["u"] = max(self.cursor["u"], frame["cursor"]["u"])

    def _hold(self, item: dict[str, Any]) -> None:
        self.state[item["id"]] = (item["seq"], item.get("read", False), item["removed"])
