"""Runs a program in a container, as `kubectl exec` does, and returns what it prints.

The protocol is v4.channel.k8s.io: the first byte of each message is its channel.
https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#-strong-misc-operations-pod-v1-core-strong-
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from webhook.cluster.api_errors import ApiError, MalformedAnswer, TooLarge
from webhook.cluster.decoding import UNDECODABLE
from webhook.cluster.resource import Resource

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_PROTOCOL: Final = "v4.channel.k8s.io"
_STDOUT, _STATUS = 1, 3
_MAX_BYTES: Final = 64 * 1024


async def execute(
    client: "KubernetesClient", namespace: str, pod: str, container: str, command: Sequence[str], *, seconds: float
) -> bytes:
    """Runs `command` in a running container and returns its standard output. Raises ClusterError if it fails."""
    resource = Resource("pods", namespace, pod, subresource="exec")
    params = [("container", container), ("stdout", "1"), ("stderr", "1"), *(("command", word) for word in command)]
    out, status = bytearray(), dict[str, Any]()
    async with client.websocket(resource, params, _PROTOCOL, seconds=seconds) as socket:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == _STDOUT:
                out += data
            if channel == _STATUS:
                status = _status(data)
            if len(out) > _MAX_BYTES:
                raise TooLarge(f"{command[0]} in {pod}: it prints more than {_MAX_BYTES} bytes")
    if status.get("status") != "Success":
        raise ApiError(500, "", f"{command[0]} in container {container}: {status.get('message') or 'it did not end'}")
    return bytes(out)


def _status(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except UNDECODABLE as error:
        raise MalformedAnswer("exec: its status is not an object") from error
