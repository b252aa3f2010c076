"""Reads the metrics of a replica: through the API server, or else from the pod itself."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx

from webhook.cluster.resource import PodPort
from webhook.commands.doctor.gathering.beginning import beginning
from webhook.commands.doctor.gathering.reader import Reader
from webhook.diagnosis.doctor.facts import Object, Replica
from webhook.diagnosis.doctor.read import Read

_DOCUMENT: Final = "/metrics"
_DIRECTLY: Final = httpx.Timeout(3.0, connect=1.0)
_WHOLE: Final = 5.0
_MAX_BYTES: Final = 4 * 1024 * 1024
_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^\n]*\})?) ([-+.0-9eE]+)", re.ASCII)
_BUILD: Final = re.compile(r'pod_identity_webhook_build_info\{(?:[^}]*,)?version="([^"]+)"', re.ASCII)
_REQUESTS: Final = "http_request_count{"


async def replica_of(reader: Reader, pod: Object) -> Replica:
    """Returns what is known of a pod of the webhook."""
    name = str(pod["metadata"]["name"])
    conditions = (pod.get("status") or {}).get("conditions") or []
    is_ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    text = await _text(reader, pod)
    if text.value is None:
        return Replica(name=name, is_ready=is_ready, metrics=Read(None, text.problem or "it serves no metrics"))
    build = _BUILD.search(text.value)
    return Replica(
        name=name, is_ready=is_ready, metrics=Read(samples(text.value)), version=build[1] if build is not None else ""
    )


async def requests(reader: Reader, pods: Iterable[Object]) -> int | None:
    """Returns how many requests the replicas have answered; None if one of them does not tell, or there is none."""
    total, count = 0.0, 0
    for pod in pods:
        text = await _text(reader, pod)
        if text.value is None:
            return None
        total += sum(value for name, value in samples(text.value).items() if name.startswith(_REQUESTS))
        count += 1
    return int(total) if count else None


def samples(text: str) -> dict[str, float]:
    """Returns the samples of Prometheus' text format, by name with labels."""
    found = {}
    for line in text.splitlines():
        if (match := _SAMPLE.fullmatch(line)) is not None:
            try:
                found[match[1]] = float(match[2])
            except ValueError:
                continue
    return found


def port_of(pod: Object, name: str, default: int) -> int:
    """Returns the container port of this name."""
    for container in (pod.get("spec") or {}).get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("name") == name and isinstance(port.get("containerPort"), int):
                return int(port["containerPort"])
    return default


def address_of(pod: Object) -> str:
    """Returns the pod's IP address; "" if it has none yet."""
    status: Mapping[str, Any] = pod.get("status") or {}
    return str(status.get("podIP") or "")


async def _text(reader: Reader, pod: Object) -> Read[str]:
    """Reads the metrics through the API server, which knows the pod; if it does not let us, from the pod's address."""
    port, metadata = port_of(pod, "metrics", 9999), pod["metadata"]
    document = PodPort(str(metadata["namespace"]), str(metadata["name"]), port, _DOCUMENT)
    passed_on = await reader.text(document, seconds=5.0)
    if passed_on.value is not None:
        return passed_on
    return await _directly(pod, port) or passed_on


async def _directly(pod: Object, port: int) -> Read[str] | None:
    """Reads the metrics from the pod's address; None if we cannot.

    Outside of the cluster's network, another machine may have that address, so only our own metrics count.
    """
    ip = address_of(pod)
    if not ip:
        return None
    host = f"[{ip}]" if ":" in ip else ip
    try:
        async with (
            asyncio.timeout(_WHOLE),
            httpx.AsyncClient(timeout=_DIRECTLY, trust_env=False) as client,
            client.stream("GET", f"http://{host}:{port}{_DOCUMENT}") as answer,
        ):
            body = await beginning(answer, _MAX_BYTES)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return None
    if answer.status_code != 200 or len(body) > _MAX_BYTES:
        return None
    text = body.decode("utf-8", errors="replace")
    return Read(text) if _BUILD.search(text) is not None else None
