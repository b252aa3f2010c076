"""The state that all connections of one listener share."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from webhook.server.http.handshakes import Handshakes
from webhook.server.http.occupancy import Occupancy
from webhook.server.http.read_batch import ReadBatch

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Mapping

    from starlette.types import ASGIApp

    from webhook.server.http.answer import Handler
    from webhook.server.http.limits import Limits
    from webhook.server.http.request_reader import Refusal


class Shared:
    """The state that all connections of one listener share. The constructor needs a running loop.

    `handlers` answer requests by their path; `application` answers all others. Connections call `refused` for each
    request that they refuse by themselves. `tasks` are the answers in progress.
    """

    def __init__(
        self,
        application: ASGIApp,
        handlers: Mapping[bytes, Handler],
        tls: ssl.SSLContext | None,
        limits: Limits,
        on_refusal: Callable[[Refusal], None],
    ) -> None:
        self.application = application
        self.handlers = handlers
        self.tls = tls
        self.scheme = "http" if tls is None else "https"
        self.limits = limits
        self.refused = on_refusal
        self.loop = asyncio.get_running_loop()
        self.batch = ReadBatch()
        self.occupancy = Occupancy(limits)
        self.tasks: set[asyncio.Task[None]] = set()
        self.handshakes = Handshakes()
        self.is_draining = False
        self.date_line = b""
        self.tell_time()

    def tell_time(self) -> None:
        """Updates the Date header (RFC 9110, 6.6.1)."""
        self.date_line = b"date: %b\r\n" % formatdate(usegmt=True).encode()

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs a task, and keeps a reference to it until it ends: the loop keeps none."""
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
