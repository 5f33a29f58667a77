"""A client as a browser would be one: it resumes, and remembers each change that it showed."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

import httpx
import websockets

from tests.support.servers import ServerProcess
from tests.support.wire import Wire, open_socket

SILENCE_SECONDS = 60.0
BEHIND_SECONDS = 4.0
RETRY_SECONDS = 2.0

State = dict[str, tuple[object, bool, bool]]
"""By item id: whether it is read, whether it is removed, and before that the number, which tells
one state from another; for a broadcast its text, for it is on two streams."""


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
        self.unread = 0
        self.shown: Counter[tuple[str, str, int]] = Counter()
        self.titles: Counter[str] = Counter()
        self.delays: list[float] = []
        self.connects = 0
        self.resets = 0
        self.received_again = 0

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            server = random.choice(self.servers)
            position = {"epoch": self.epoch, **self.cursor} if self.epoch else self.cursor
            try:
                async with open_socket(server.socket_url, self.cookie, v=1, **position) as wire:
                    self.connects += 1
                    await self._follow(wire, server)
            except (OSError, TimeoutError, websockets.WebSocketException, httpx.HTTPError):
                pass  # the server is being killed; that is the point
            await asyncio.sleep(random.uniform(0, RETRY_SECONDS))

    async def _follow(self, wire: Wire, server: ServerProcess) -> None:
        deadline = SILENCE_SECONDS
        while True:
            frame = await wire.receive(deadline)
            self.epoch = frame.get("epoch", self.epoch)
            if frame["type"] == "welcome":
                await self._welcome(frame, server)
            elif frame["type"] == "items":
                self._apply(frame)
            elif frame["type"] == "toast":
                self.titles[frame["item"]["title"]] += 1
            elif frame["type"] == "heartbeat":
                await wire.send({"type": "ack", "cursor": self.cursor})
                if any(frame["cursor"][stream] > self.cursor[stream] for stream in "ub"):
                    deadline = BEHIND_SECONDS
                    continue
            deadline = SILENCE_SECONDS

    async def _welcome(self, frame: dict[str, Any], server: ServerProcess) -> None:
        self.unread = frame["unread"]
        if frame["reset"]:
            self.resets += 1
            items = await self._whole_feed(server)
            # Not before the list is here: a server that dies now has to say "reset" once more.
            self.cursor = frame["cursor"]
            self.state.clear()
            for item in items:
                self._hold(item)

    async def _whole_feed(self, server: ServerProcess) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {"cursor": {"u": 0, "b": 0}, "more": True}
        async with httpx.AsyncClient(
            cookies={"sessionid": self.cookie}, timeout=SILENCE_SECONDS
        ) as http:
            while page["more"]:
                url = f"{server.url}/notifications/feed/"
                page = (await http.get(url, params=page["cursor"])).raise_for_status().json()
                items += page["items"]
        return items

    def _apply(self, frame: dict[str, Any]) -> None:
        for item in frame["items"]:
            stream, seq = item["stream"], item["seq"]
            if seq <= self.cursor[stream]:
                self.received_again += 1
                continue
            self.cursor[stream] = seq
            is_news = item["id"] not in self.state
            self.unread += self._hold(item)
            self.shown[item["id"], stream, seq] += 1
            if not item["removed"]:
                self.titles[item["title"]] += 1
            if is_news and not item["removed"] and "at" in item["data"]:
                self.delays.append(time.time() - item["data"]["at"])
        for stream in "ub":
            self.cursor[stream] = max(self.cursor[stream], frame["cursor"][stream])
        self.unread = frame.get("unread", self.unread)

    def _hold(self, item: dict[str, Any]) -> int:
        key, is_read = item["id"], item.get("read", False)
        before = self._is_unread(key)
        if key[0] == "n":
            self.state[key] = (item["seq"], is_read, item["removed"])
        elif item["removed"]:
            self.state.pop(key, None)
        else:
            self.state[key] = (item["title"], is_read, False)
        return self._is_unread(key) - before

    def _is_unread(self, key: str) -> bool:
        _, is_read, is_removed = self.state.get(key, ("", True, True))
        return not is_read and not is_removed
