"""A front door with an event loop of its own, for callers that have none or change theirs, as tests do."""

import asyncio
import threading
from typing import Self

from localstack.gateway.callers import Callers
from localstack.gateway.forwarding import Upstream
from localstack.gateway.front_door import FrontDoor
from localstack.local_stack.ports import LOOPBACK

_LIMIT_SECONDS = 20.0


class FrontDoorThread:
    """Serves on the loopback address while the context is open. `port` 0 takes a free one."""

    def __init__(self, upstream: Upstream | None, port: int = 0, allowed_origins: str = "") -> None:
        self._door = FrontDoor(upstream, Callers(allowed_origins=allowed_origins))
        self._wanted = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="front-door", daemon=True)
        self.port = 0

    @property
    def upstream(self) -> Upstream | None:
        """Where it forwards to; None answers 503."""
        return self._door.upstream

    @upstream.setter
    def upstream(self, upstream: Upstream | None) -> None:
        self._door.upstream = upstream

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._door.start((LOOPBACK,), self._wanted), self._loop)
        self.port = started.result(_LIMIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._door.stop(), self._loop).result(_LIMIT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LIMIT_SECONDS)
        self._loop.close()
