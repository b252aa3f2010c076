"""One HTTP client for each thread."""

import threading
from collections.abc import Callable

import httpx


class Clients:
    """Creates a client for each thread on first use.

    If threads share a pool, httpcore may close the connection of a request that another thread has just started.
    httpcore checks the state first and the socket second. If the other thread sends a request and gets the answer in
    between, httpcore takes the readable socket for the end of an idle connection. We saw this once in 40,000 requests
    of eight threads, as RemoteProtocolError: "Server disconnected without sending a response".
    """

    def __init__(self, make: Callable[[], httpx.Client]) -> None:
        self._make = make
        self._of_thread = threading.local()
        self._all: list[httpx.Client] = []

    @property
    def mine(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = self._make()
            self._all.append(client)
        return client

    def close(self) -> None:
        for client in self._all:
            client.close()
